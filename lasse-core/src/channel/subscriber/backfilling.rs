//! Reading events from a longer store, until the log has the next one.

use std::task::{Context, Poll, ready};

use super::Subscriber;
use crate::channel::backfill::BackfillPage;
use crate::field::LastEventId;
use crate::log::{Read, ResetReason};

impl Subscriber {
    pub(super) fn is_backfilling(&self) -> bool {
        self.rare.opening().is_some_and(|opening| opening.backfill.is_some())
    }

    /// The next events of the backfill. None, if there is no backfill, or none any more: then the
    /// stream goes on with the log, or with a reset.
    pub(super) fn poll_backfill(&mut self, cx: &mut Context<'_>) -> Poll<Option<Read>> {
        if !self.is_backfilling() || self.joins_log() {
            return Poll::Ready(None);
        }
        let opening = self.rare.opening_mut();
        let Some(backfill) = opening.and_then(|opening| opening.backfill.as_mut()) else {
            return Poll::Ready(None);
        };
        match ready!(backfill.pages.poll_page(cx)) {
            BackfillPage::Events(frame, last) => {
                backfill.after = last;
                Poll::Ready(Some(Read::Events(frame)))
            }
            BackfillPage::Missing(reason) => {
                self.reset_backfill(reason);
                Poll::Ready(None)
            }
            BackfillPage::Failed => Poll::Ready(Some(Read::Lagged)),
        }
    }

    /// Whether the backfill has reached the log, which then goes on with it. If the backfill is
    /// ahead of the log, the subscriber waits for the log. What the caller supplied is dropped
    /// without the lock.
    fn joins_log(&mut self) -> bool {
        let state = self.shared.lock();
        let Some(opening) = self.rare.opening_mut() else { return true };
        let Some(backfill) = &opening.backfill else { return true };
        match state.log.after(&backfill.after) {
            Ok(cursor) => {
                self.cursor = cursor;
                let done = self.rare.take_opening();
                drop(state);
                drop(done);
            }
            Err(ResetReason::Ahead) if state.log.can_reach(&backfill.after) => {
                opening.requested = LastEventId::Id(backfill.after.clone());
                opening.is_ahead = true;
                let done = opening.backfill.take();
                drop(state);
                drop(done);
            }
            Err(_) => return false,
        }
        true
    }

    fn reset_backfill(&mut self, reason: ResetReason) {
        let mut state = self.shared.lock();
        let Some(opening) = self.rare.opening_mut() else { return };
        state.stats.get_or_insert_default().count_reset(reason);
        self.cursor = state.log.cursor(self.shared.settings().start);
        opening.at = state.log.id_before(self.cursor);
        opening.reset = Some(reason);
        let done = opening.backfill.take();
        drop(state);
        // It is the caller's code that is dropped.
        drop(done);
    }
}
