//! A reader of a channel: a cursor, and the frames that its stream starts with.

use std::boxed::Box;
#[cfg(feature = "http")]
use std::string::String;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec::Vec;

use super::config::LagPolicy;
use super::notice::reset;
use super::opening::Opening;
use super::state::Shared;
use super::waiters::Ticket;
use crate::end::EndReason;
use crate::field::EventId;
use crate::frame::Frame;
use crate::log::{Cursor, Ending, Read, ResetReason, StartAt};
use crate::source::{Next, Source};
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
    /// Where it waits. None, once it has left.
    ticket: Option<Ticket>,
    outcome: ResumeOutcome,
    has_lagged: bool,
    /// Whether a client that cannot resume gets a snapshot.
    has_snapshots: bool,
    /// Whether the client is sent events of the protocol: its position, a reset.
    has_notices: bool,
    opening: Option<Box<Opening>>,
}

/// Where the stream of a subscriber starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResumeOutcome {
    /// Where new clients start.
    Fresh,
    /// Where the client left off. Nothing is lost or repeated.
    Resumed,
    /// Where new clients start, though the client asked for more.
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
        let (ticket, opening) = (Some(ticket), opening.map(Box::new));
        Self {
            shared,
            cursor,
            ticket,
            outcome,
            has_lagged: false,
            has_snapshots: false,
            has_notices: true,
            opening,
        }
    }

    /// The same subscriber, of a client that gets a snapshot if it cannot resume.
    pub(super) fn with_snapshots(mut self) -> Self {
        self.has_snapshots = true;
        self
    }

    /// The same subscriber, of a client that takes every event for one of the application. If it
    /// cannot resume, returns the data of its reset instead.
    #[cfg(feature = "http")]
    pub(super) fn without_notices(mut self) -> Result<Self, String> {
        self.has_notices = false;
        match self.opening.as_deref().and_then(Opening::reset_data) {
            Some(reset) => Err(reset),
            None => Ok(self),
        }
    }

    /// Where the stream starts, which is decided before the response head is sent.
    pub fn outcome(&self) -> ResumeOutcome {
        self.outcome
    }

    /// The frames that the stream starts with: the notices, the snapshot, and the first events, if
    /// there are any. Without a call of this, [`read`](Self::read) returns the same frames first.
    pub fn first_frames(&mut self) -> Vec<Frame> {
        if self.is_ahead() {
            return Vec::new();
        }
        let mut frames = self.opening_frames();
        if let Read::Events(events) = self.read() {
            frames.push(events);
        }
        frames
    }

    /// Reads what is new, up to the channel's read budget.
    ///
    /// [`Read::Lagged`] is final: end the stream, and the client reconnects and is reset. Under
    /// [`LagPolicy::Skip`] it does not occur, unless the stream started with a snapshot.
    /// [`Read::Hole`] never occurs: the reset is among the events.
    pub fn read(&mut self) -> Read {
        if self.is_ahead() {
            return Read::Wait;
        }
        if self.is_reset_without_notice() {
            self.has_lagged = true;
            return Read::Lagged;
        }
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
        loop {
            let reason = match state.log.read(&mut self.cursor, settings.read_budget) {
                Read::Lagged => ResetReason::Lagged,
                Read::Hole => ResetReason::Hole,
                read => return read,
            };
            if !self.has_lagged {
                state.stats.get_or_insert_default().count_reset(reason);
            }
            let skips = settings.lag_policy == LagPolicy::Skip || reason == ResetReason::Hole;
            if self.has_snapshots || self.has_lagged || !skips || !self.has_notices {
                self.has_lagged = true;
                return Read::Lagged;
            }
            if reason == ResetReason::Lagged {
                self.cursor = state.log.cursor(StartAt::Oldest);
            }
            let at = state.log.id_before(self.cursor);
            if let Some(frame) = reset(settings, reason, None, at.as_ref(), at.as_ref()) {
                return Read::Events(frame);
            }
        }
    }

    /// Reads what is new, or else registers the waker of `cx` to be woken when there is more. It
    /// never returns [`Read::Wait`] when it is ready.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Read> {
        loop {
            match self.read() {
                Read::Wait if self.poll_wake(cx).is_pending() => return Poll::Pending,
                Read::Wait => {}
                read => return Poll::Ready(read),
            }
        }
    }

    /// Ready when there is something to read, or when the channel has ended. Until then, registers
    /// the waker of `cx`.
    pub fn poll_wake(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Cloned and dropped without the lock, because it is the runtime's code that runs.
        let waker = cx.waker().clone();
        let mut state = self.shared.lock();
        let has_opening = self.opening.as_ref().is_some_and(|opening| !opening.is_ahead);
        if has_opening || state.log.is_ready(self.cursor) {
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

    /// The place after the event `id`.
    pub(super) fn place_after(&self, id: &EventId) -> Result<Cursor, ResetReason> {
        self.shared.lock().log.after(id)
    }

    /// Starts the stream at `cursor`.
    pub(super) fn start_at(&mut self, cursor: Cursor, opening: Opening) {
        self.cursor = cursor;
        self.opening = Some(Box::new(opening));
    }

    /// Whether the client has seen events that the channel still does not have. Once the channel
    /// has them, the stream starts after them.
    fn is_ahead(&mut self) -> bool {
        let Some(opening) = self.opening.as_deref_mut().filter(|opening| opening.is_ahead) else {
            return false;
        };
        let mut state = self.shared.lock();
        let requested = opening.requested.id();
        let after = requested.map_or(Err(ResetReason::Unknown), |id| state.log.after(id));
        let waits = requested.is_some_and(|id| state.log.can_reach(id));
        self.cursor = state.log.cursor(StartAt::Now);
        match after {
            Err(ResetReason::Ahead) if waits => return true,
            Ok(cursor) => {
                self.cursor = cursor;
                self.opening = None;
            }
            Err(reason) => {
                state.stats.get_or_insert_default().count_reset(reason);
                opening.at = state.log.id_before(self.cursor);
                (opening.is_ahead, opening.reset) = (false, Some(reason));
            }
        }
        false
    }

    fn opening_frames(&mut self) -> Vec<Frame> {
        let Some(opening) = self.opening.take() else { return Vec::new() };
        if self.has_notices {
            return opening.into_frames(self.shared.settings());
        }
        opening.snapshot.unwrap_or_default()
    }

    /// Whether the client must be reset while its stream is open, which only an event could report.
    fn is_reset_without_notice(&self) -> bool {
        let is_reset = self.opening.as_deref().is_some_and(|opening| opening.reset.is_some());
        is_reset && !self.has_notices
    }

    /// Leaves the channel, once.
    fn leave(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let mut state = self.shared.lock();
        let waker = state.readers.leave(ticket);
        if state.readers.taken() == 0 {
            state.watchers.iter_mut().for_each(|watchers| watchers.idle.call());
        }
        self.shared.wake(state, |state| Some(&mut state.watchers.as_mut()?.idle));
        drop(waker);
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

    fn terminate(&mut self, _: EndReason) {
        self.leave();
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.leave();
    }
}
