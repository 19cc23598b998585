//! Reading events from a longer store, until the log has the next one.

use std::task::{Context, Poll, ready};

use super::Subscriber;
use crate::channel::backfill::BackfillPage;
use crate::channel::topic_reader::TopicReader;
use crate::field::LastEventId;
use crate::log::{Read, ResetReason};

impl Subscriber {
    pub(super) fn is_backfilling(&self) -> bool {
        self.rare.opening().is_some_and(|opening| opening.backfill.is_some())
    }

    /// The next events of the backfill. None, if there is no backfill, or none any more: then the
    /// stream continues with the log, or with a reset.
    pub(super) fn poll_backfill(&mut self, cx: &mut Context<'_>) -> Poll<Option<Read>> {
        while self.is_backfilling() && !self.joins_log() {
            let opening = self.rare.opening_mut();
            let Some(backfill) = opening.and_then(|opening| opening.backfill.as_mut()) else {
                break;
            };
            match ready!(backfill.pages.poll_page(cx)) {
                BackfillPage::Events(frame, last) => {
                    backfill.after = last;
                    return Poll::Ready(Some(Read::Events(frame)));
                }
                BackfillPage::Skipped(last) => backfill.after = last,
                BackfillPage::Missing(reason) => self.reset_backfill(reason),
                BackfillPage::Failed => return Poll::Ready(Some(Read::Lagged)),
            }
        }
        Poll::Ready(None)
    }

    /// Whether the backfill has reached the log, which then continues with it. If the backfill is
    /// ahead of the log, the subscriber waits for the log. What the caller supplied is dropped
    /// without the lock.
    fn joins_log(&mut self) -> bool {
        let state = self.shared.lock();
        let backfill = self.rare.opening().and_then(|opening| opening.backfill.as_ref());
        let Some(backfill) = backfill else { return true };
        let after = match self.rare.topics() {
            Some(topics) => state.log.after_in_view(&backfill.after, &topics.view),
            None => state.log.after(&backfill.after),
        };
        let waits = after == Err(ResetReason::Ahead) && state.log.can_reach(&backfill.after);
        drop(state);
        match after {
            Ok(cursor) => {
                self.cursor = cursor;
                drop(self.rare.take_opening());
                // The last pages may have had nothing for the client.
                self.rare.topics_mut().into_iter().for_each(TopicReader::request_position);
            }
            Err(_) if waits => {
                let Some(opening) = self.rare.opening_mut() else { return true };
                let Some(done) = opening.backfill.take() else { return true };
                (opening.requested, opening.is_ahead) = (LastEventId::Id(done.after), true);
            }
            Err(_) => return false,
        }
        true
    }

    fn reset_backfill(&mut self, reason: ResetReason) {
        let mut state = self.shared.lock();
        state.stats.get_or_insert_default().count_reset(reason);
        let start = self.shared.settings().start;
        self.cursor = match self.rare.topics_mut() {
            Some(topics) => state.log.start_view(start, &mut topics.view),
            None => state.log.cursor(start),
        };
        let at = state.log.id_before(self.cursor);
        drop(state);
        let Some(opening) = self.rare.opening_mut() else { return };
        (opening.at, opening.reset) = (at, Some(reason));
        // It is the caller's code that is dropped, without the lock.
        drop(opening.backfill.take());
    }
}
