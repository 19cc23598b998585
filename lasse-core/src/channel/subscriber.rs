//! A reader of a channel: a cursor, and the frames that its stream starts with.

mod backfilling;
#[cfg(feature = "http")]
mod data_only;
mod filtering;
mod merging;
mod topics;

use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::vec::Vec;

use super::opening::Opening;
use super::place::Place;
use super::rare::Rare;
use super::reader::Reader;
use super::shared::Shared;
use super::terms::Terms;
use super::topic_reader::TopicReader;
use crate::end::EndReason;
use crate::field::EventId;
use crate::frame::Frame;
use crate::log::{Cursor, Ending, Read, ResetReason, StartAt};
use crate::source::{Next, Progress, Source};
use crate::time::Instant;

/// A reader of a [`Channel`](crate::Channel).
///
/// It is the [`Source`] of a stream.
/// [`HandlerSource::with_source`](crate::HandlerSource::with_source) adds a handler, for frames that
/// go to this client alone. A subscriber holds a position in the channel's log and no events: a
/// slow reader costs nothing, until the log drops what it has not read.
#[derive(Debug)]
pub struct Subscriber {
    shared: Arc<Shared>,
    cursor: Cursor,
    /// The opening of the stream, and the reader of a part of the channel.
    rare: Rare,
    place: Place,
    terms: Terms,
}

/// Where the stream of a subscriber starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResumeOutcome {
    /// Where new clients start.
    Fresh,
    /// Where the client left off. Nothing is lost or repeated.
    Resumed,
    /// Where new clients start, though the client sent an id.
    Reset(ResetReason),
}

impl Subscriber {
    pub(super) fn new(
        shared: Arc<Shared>,
        cursor: Cursor,
        outcome: ResumeOutcome,
        opening: Option<Opening>,
    ) -> Self {
        let mut rare = Rare::default();
        opening.into_iter().for_each(|opening| rare.set_opening(opening));
        Self { shared, cursor, rare, place: Place::new(), terms: Terms::new(outcome) }
    }

    /// The same subscriber, of a client that reads a part of the channel.
    pub(super) fn with_topics(mut self, topics: Option<TopicReader>) -> Self {
        topics.into_iter().for_each(|topics| self.rare.set_topics(topics));
        self
    }

    /// The same subscriber, of a client that gets a snapshot if it cannot resume.
    pub(super) fn with_snapshots(mut self) -> Self {
        self.terms.has_snapshots = true;
        self
    }

    /// Where the stream starts, which is decided before the response head is sent.
    pub fn outcome(&self) -> ResumeOutcome {
        self.terms.outcome
    }

    /// Names the [shard](crate::ChannelConfig::with_shards) to wait in, counted from 0, in place of
    /// that of the thread. A number that is too large wraps around. The subscriber moves there when
    /// it waits next.
    pub fn set_shard(&mut self, shard: usize) {
        self.place.name_shard(shard);
    }

    /// The frames that the stream starts with: the notices, the snapshot, and the first events, if
    /// there are any. Without a call of this, [`read`](Self::read) returns the same frames first.
    pub fn first_frames(&mut self) -> Vec<Frame> {
        if self.is_backfilling() || self.is_ahead() {
            return Vec::new();
        }
        let mut frames = self.opening_frames();
        if let Read::Events(events) = self.read() {
            frames.push(events);
        }
        frames
    }

    /// Reads new events, up to the channel's read budget.
    ///
    /// [`Read::Lagged`] is final: end the stream, and the client reconnects and is reset. Under
    /// [`LagPolicy::Skip`](crate::LagPolicy::Skip) it does not occur, unless the stream started with a snapshot.
    /// [`Read::Hole`] never occurs: the reset is among the events.
    pub fn read(&mut self) -> Read {
        match self.read_opening() {
            Some(read) => read,
            None if self.rare.topics().is_some() => self.read_topics(),
            None if !self.shared.tip.has_news(self.cursor) => Read::Wait,
            None => self.reader().read(),
        }
    }

    /// Reads new events, or else registers the waker of `cx` to be woken when there is more. It
    /// never returns [`Read::Wait`] when it is ready.
    ///
    /// If nothing is new since the last call, and the waker is the same, it takes no lock.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Read> {
        if self.rare.is_empty() { self.poll_plain(cx.waker()) } else { self.poll_rare(cx) }
    }

    /// For a reader of all events.
    #[inline]
    fn poll_plain(&mut self, waker: &Waker) -> Poll<Read> {
        if self.is_registered(waker) { Poll::Pending } else { self.poll_log(waker) }
    }

    /// Apart, so that a poll that finds nothing new needs few registers.
    #[inline(never)]
    fn poll_log(&mut self, waker: &Waker) -> Poll<Read> {
        self.reader().poll_read(waker)
    }

    /// For a reader that has not read the opening yet, or reads a part of the channel.
    #[inline(never)]
    fn poll_rare(&mut self, cx: &mut Context<'_>) -> Poll<Read> {
        if let Some(read) = ready!(self.poll_backfill(cx)) {
            return Poll::Ready(read);
        }
        while self.rare.opening().is_some() {
            match self.read_opening() {
                Some(Read::Wait) if self.poll_wake(cx).is_pending() => return Poll::Pending,
                Some(Read::Wait) | None => {}
                Some(read) => return Poll::Ready(read),
            }
        }
        if !self.rare.is_empty() {
            match self.poll_topics(cx.waker()) {
                // It reads all events from now on.
                Read::Wait if self.rare.is_empty() => {}
                Read::Wait => return Poll::Pending,
                read => return Poll::Ready(read),
            }
        }
        self.poll_plain(cx.waker())
    }

    /// Ready when there is something to read, or when the channel has ended. Until then, registers
    /// the waker of `cx`.
    pub fn poll_wake(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let has_opening = self.rare.opening().is_some_and(|opening| !opening.is_ahead);
        if self.rare.topics().is_some() && self.rare.opening().is_none() {
            return self.poll_wake_topics(cx.waker());
        }
        if has_opening || self.shared.tip.has_news(self.cursor) {
            return Poll::Ready(());
        }
        let polled = if self.is_registered(cx.waker()) {
            Poll::Pending
        } else {
            self.reader().poll_wake(cx.waker())
        };
        // Read after the waker is registered: a new epoch can reset a reader that is ahead.
        let changes = self.shared.tip.changes();
        let is_ahead = self.rare.opening().filter(|opening| opening.is_ahead);
        if is_ahead.is_some_and(|opening| opening.changes != changes) {
            return Poll::Ready(());
        }
        polled
    }

    /// The place after the event `id`.
    pub(super) fn place_after(&self, id: &EventId) -> Result<Cursor, ResetReason> {
        self.shared.lock().log.after(id)
    }

    /// Starts the stream at `cursor`.
    pub(super) fn start_at(&mut self, cursor: Cursor, opening: Opening) {
        self.cursor = cursor;
        self.rare.set_opening(opening);
    }

    /// Whether the client has seen events that the channel still does not have. Once the channel
    /// has them, the stream starts after them.
    fn is_ahead(&mut self) -> bool {
        let Some(opening) = self.rare.opening().filter(|opening| opening.is_ahead) else {
            return false;
        };
        let mut state = self.shared.lock();
        let requested = opening.requested.id();
        let after = requested.map_or(Err(ResetReason::Unknown), |id| match self.rare.topics() {
            Some(topics) => state.log.after_in_view(id, &topics.view),
            None => state.log.after(id),
        });
        let waits = requested.is_some_and(|id| state.log.can_reach(id));
        let is_still_ahead = waits && after == Err(ResetReason::Ahead);
        self.cursor = after.unwrap_or_else(|_| state.log.cursor(StartAt::Now));
        if after.is_ok() {
            drop(state);
            self.rare.take_opening();
        } else if let Some(opening) = self.rare.opening_mut() {
            opening.changes = self.shared.tip.changes();
            if let (Err(reason), false) = (after, is_still_ahead) {
                state.stats.get_or_insert_default().count_reset(reason);
                opening.at = state.log.id_before(self.cursor);
                (opening.is_ahead, opening.reset) = (false, Some(reason));
            }
        }
        is_still_ahead
    }

    /// The frames that are read before the log: those of the opening, or nothing yet. None, if they are read.
    #[inline]
    fn read_opening(&mut self) -> Option<Read> {
        self.rare.opening()?;
        if self.is_backfilling() || self.is_ahead() {
            return Some(Read::Wait);
        }
        if self.is_reset_without_notice() {
            self.terms.has_lagged = true;
            return Some(Read::Lagged);
        }
        let frames = self.opening_frames();
        (!frames.is_empty()).then(|| Read::Events(Frame::concat(&frames)))
    }

    fn opening_frames(&mut self) -> Vec<Frame> {
        let Some(opening) = self.rare.take_opening() else { return Vec::new() };
        if self.terms.has_notices() || self.terms.has_marks() {
            return opening.into_frames(&self.terms, self.shared.settings());
        }
        opening.snapshot.unwrap_or_default()
    }

    #[inline]
    fn reader(&mut self) -> Reader<'_> {
        let Self { shared, cursor, place, terms, .. } = self;
        Reader { shared, cursor, place, terms, leaves_gaps: false }
    }

    /// Whether nothing is new and the waker is registered.
    #[inline]
    fn is_registered(&self, waker: &Waker) -> bool {
        !self.shared.tip.has_news(self.cursor) && self.place.is_registered(&self.shared, waker)
    }

    /// Whether the client must be reset while its stream is open, which only an event could report.
    fn is_reset_without_notice(&self) -> bool {
        let is_reset = self.rare.opening().is_some_and(|opening| opening.reset.is_some());
        is_reset && !self.terms.has_notices()
    }

    /// Leaves the channel, once.
    fn leave(&mut self) {
        if let Some(mut topics) = self.rare.take_topics() {
            topics.leave_lists(&self.shared, &self.place);
            self.shared.lock().log.release(topics.view);
        }
        if self.place.leave(&self.shared) {
            self.shared.remove_subscriber();
        }
    }
}

impl Source for Subscriber {
    fn poll_next(&mut self, _: Instant, cx: &mut Context<'_>) -> Next {
        match self.poll_read(cx) {
            Poll::Pending | Poll::Ready(Read::Wait) => Next::Wait(None),
            Poll::Ready(Read::Events(frame)) => Next::Send(frame),
            Poll::Ready(Read::Lagged | Read::Hole) => Next::Lagged,
            Poll::Ready(Read::Over(Ending::Finished)) => Next::Stop,
            Poll::Ready(Read::Over(Ending::Aborted)) => Next::Abort,
        }
    }

    fn keep_alive(&mut self) -> Option<Frame> {
        if self.rare.opening().is_some() || !self.terms.has_notices() {
            return None;
        }
        self.rare.topics_mut()?.keep_alive(&mut self.cursor, &self.shared, &self.terms)
    }

    fn progress(&self) -> Option<Progress> {
        // It has not read from the log yet.
        if self.rare.opening().is_some() {
            return None;
        }
        let (behind, ahead_of_oldest) = self.shared.tip.around(self.cursor);
        let state = self.shared.lock();
        let sample = state.watchers.as_ref().map(|watchers| &watchers.sample);
        let published = sample.and_then(|sample| sample.time_before(self.cursor));
        Some(Progress { behind, ahead_of_oldest, published })
    }

    fn terminate(&mut self, _: EndReason) {
        self.leave();
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.leave();
    }
}
