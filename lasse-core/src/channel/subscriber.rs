//! A reader of a channel: a cursor, and what it begins with.

use std::boxed::Box;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec::Vec;

use super::config::LagPolicy;
use super::opening::{Opening, reset};
use super::state::Shared;
use super::waiters::Ticket;
use crate::end::EndReason;
use crate::field::{EventId, LastEventId};
use crate::frame::Frame;
use crate::log::{Cursor, Ending, Read, ResetReason, StartAt};
use crate::source::{Next, Source};
use crate::time::Instant;

/// A reader of a [`Channel`](crate::Channel).
///
/// It is the [`Source`] of a stream. [`HandlerSource::with_source`](crate::HandlerSource::with_source) adds
/// a handler, for frames that go to this client alone. A subscriber holds a position in the
/// channel's log and no events, so a slow reader costs nothing, until the events that it has
/// not read are evicted from the log.
#[derive(Debug)]
pub struct Subscriber {
    shared: Arc<Shared>,
    cursor: Cursor,
    /// For where it waits; none, once it has left.
    ticket: Option<Ticket>,
    outcome: ResumeOutcome,
    has_lagged: bool,
    opening: Option<Box<Opening>>,
}

/// Where a subscriber starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResumeOutcome {
    /// Where new clients do.
    Fresh,
    /// Where it left off, with nothing lost and nothing repeated.
    Resumed,
    /// Where new clients do, though it asked for more.
    Reset(ResetReason),
}

impl Subscriber {
    pub(super) fn new(
        shared: Arc<Shared>,
        ticket: Ticket,
        cursor: Cursor,
        outcome: ResumeOutcome,
        opening: Option<Opening>,
    ) -> Self {
        let opening = opening.map(Box::new);
        Self { shared, cursor, ticket: Some(ticket), outcome, has_lagged: false, opening }
    }

    /// Where it starts, which is decided before a head is sent.
    pub fn outcome(&self) -> ResumeOutcome {
        self.outcome
    }

    /// Begins with `snapshot`, and goes on after the event `id`, which must be
    /// the last one that the snapshot knows of. Nothing is then lost or repeated
    /// between the two, whatever is published meanwhile.
    ///
    /// For who starts with [`StartAt::Snapshot`], being new or reset; who has
    /// [`Resumed`](ResumeOutcome::Resumed) does not need it. The frames of a snapshot
    /// should have no ids.
    ///
    /// # Errors
    ///
    /// When that event is kept no more, or never was in this log: take a newer
    /// snapshot.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::{Channel, ChannelConfig, Event, LastEventId, StartAt, Subscription};
    ///
    /// let scores = Channel::new(&ChannelConfig::new().with_start(StartAt::Snapshot));
    /// let latest = scores.publish(&Event::new("2:1"))?;
    /// let Subscription::Stream(mut subscriber) = scores.subscribe(&LastEventId::Absent) else {
    ///     return Ok(());
    /// };
    /// scores.publish(&Event::new("3:1"))?;
    /// subscriber.begin_with([Event::new("2:1").encode()], &latest)?;
    ///
    /// let frames = subscriber.first_frames();
    /// assert_eq!(frames[0].as_bytes(), b"data: 2:1\n\n");
    /// assert!(frames[2].as_bytes().starts_with(b"data: 3:1\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn begin_with(
        &mut self,
        snapshot: impl IntoIterator<Item = Frame>,
        id: &EventId,
    ) -> Result<(), StaleSnapshot> {
        let snapshot = Some(snapshot.into_iter().collect());
        let state = self.shared.lock();
        let cursor = state.log.after(id).map_err(StaleSnapshot)?;
        let has_lagged = self.has_lagged || state.log.has_passed(self.cursor);
        drop(state);
        let (gap, requested) = match self.opening.take().map(|opening| *opening) {
            Some(Opening { gap, requested, .. }) => (gap, requested),
            None => (Some(ResetReason::Lagged).filter(|_| has_lagged), LastEventId::Absent),
        };
        self.cursor = cursor;
        self.has_lagged = false;
        self.opening = Some(Box::new(Opening { gap, requested, at: id.clone(), snapshot }));
        Ok(())
    }

    /// The frames that the stream begins with: what its client is to be told of
    /// its position, the snapshot, and the first slice of events, if there are
    /// any. Told once; reading without having asked begins with the same.
    pub fn first_frames(&mut self) -> Vec<Frame> {
        let mut frames = self.opening_frames();
        if let Read::Events(events) = self.read() {
            frames.push(events);
        }
        frames
    }

    /// Reads whatever has come, a slice at a time.
    ///
    /// [`Read::Lagged`] is final: end the stream, and the client will come back
    /// and be told; or [`begin_with`](Self::begin_with) a new snapshot. Under
    /// [`LagPolicy::Skip`] it does not occur.
    pub fn read(&mut self) -> Read {
        if self.opening.is_some() {
            let frames = self.opening_frames();
            if !frames.is_empty() {
                return Read::Events(Frame::concat(&frames));
            }
        }
        if !self.shared.may_have_news(self.cursor) {
            return Read::Wait;
        }
        let settings = self.shared.settings();
        let mut state = self.shared.lock();
        let read = state.log.read(&mut self.cursor, settings.slice);
        if read != Read::Lagged {
            return read;
        }
        if !self.has_lagged {
            state.stats.get_or_insert_default().count_reset(ResetReason::Lagged);
        }
        if settings.slow == LagPolicy::Disconnect {
            self.has_lagged = true;
            return Read::Lagged;
        }
        self.cursor = state.log.cursor(StartAt::Oldest);
        let at = state.log.id_before(self.cursor);
        match reset(settings, ResetReason::Lagged, None, &at, Some(&at)) {
            Some(frame) => Read::Events(frame),
            None => state.log.read(&mut self.cursor, settings.slice),
        }
    }

    /// The same, but remembers to wake `cx` where there is nothing yet, so that
    /// it is never [`Read::Wait`] when it is ready.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Read> {
        loop {
            match self.read() {
                Read::Wait if self.poll_wake(cx).is_pending() => return Poll::Pending,
                Read::Wait => {}
                read => return Poll::Ready(read),
            }
        }
    }

    /// Ready when there is something to read, or will never be; until then,
    /// remembers to wake `cx`.
    pub fn poll_wake(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Cloned and dropped unlocked, since it is the runtime's code that runs.
        let waker = cx.waker().clone();
        let mut state = self.shared.lock();
        if self.opening.is_some() || state.log.is_ready(self.cursor) {
            return Poll::Ready(());
        }
        let unneeded = match self.ticket {
            Some(ticket) => state.readers.wait(ticket, waker),
            None => Some(waker),
        };
        drop(state);
        drop(unneeded);
        Poll::Pending
    }

    fn opening_frames(&mut self) -> Vec<Frame> {
        let settings = self.shared.settings();
        self.opening.take().map_or_else(Vec::new, |opening| opening.into_frames(settings))
    }

    /// Leaves the channel, if it has not.
    fn leave(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let mut state = self.shared.lock();
        let waker = state.readers.leave(ticket);
        if state.readers.taken() == 0 {
            state.watchers.iter_mut().for_each(|watchers| watchers.call());
        }
        self.shared.wake(state, |state| state.watchers.as_deref_mut());
        drop(waker);
    }
}

/// A snapshot that a channel cannot go on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaleSnapshot(ResetReason);

impl fmt::Display for StaleSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the channel cannot go on after the snapshot's id ({}); take a newer one", self.0)
    }
}

impl Error for StaleSnapshot {}

impl Source for Subscriber {
    fn poll_next(&mut self, _: Instant, cx: &mut Context<'_>) -> Next {
        match self.poll_read(cx) {
            Poll::Pending | Poll::Ready(Read::Wait) => Next::Wait(None),
            Poll::Ready(Read::Events(frame)) => Next::Send(frame),
            Poll::Ready(Read::Lagged) => Next::Lagged,
            Poll::Ready(Read::Over(Ending::Finished)) => Next::Stop,
            Poll::Ready(Read::Over(Ending::Aborted)) => Next::Abort,
        }
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
