//! A connection with its clock and its gate: a stream without its socket.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lasse_core::{Connection, EndReason, Instant, Output, Source, TransportError};
use tokio::time::{Sleep, sleep_until};

use crate::clock::{at, now};
use crate::gate::Permit;

/// A [`Connection`] with tokio's clock and the permit of a gate: a stream without its
/// socket.
///
/// [`drive`](crate::drive) writes it to a socket; the body type of an HTTP library is a
/// few lines around [`poll_output`](Self::poll_output).
pub struct Session<S: Source> {
    connection: Connection<S>,
    permit: Option<Permit>,
    /// The time of the last call.
    called_at: Instant,
    /// The timer of a session without a gate.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S: Source> Session<S> {
    /// A session without a gate.
    pub fn new(connection: Connection<S>) -> Self {
        Self::from_parts(connection, None)
    }

    pub(crate) fn from_parts(connection: Connection<S>, permit: Option<Permit>) -> Self {
        Self { connection, permit, called_at: now(), timer: None }
    }

    /// Counts the stream at the gate of `permit`, which ends it when the gate drains.
    #[must_use]
    pub fn with_permit(mut self, permit: Permit) -> Self {
        self.permit = Some(permit);
        self
    }

    /// Returns what to do next: write, or close. Pending while there is nothing to do.
    /// Bytes that were not acknowledged with [`handle_written`](Self::handle_written) are
    /// returned again.
    pub fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Output> {
        self.begin(now(), cx);
        self.poll_more(cx)
    }

    /// Sets the time, and handles the deadlines and the drain that come with it. Then
    /// [`poll_more`](Self::poll_more) returns what to do, for as long as that time holds.
    pub(crate) fn begin(&mut self, now: Instant, cx: &mut Context<'_>) {
        self.poll_drain(cx);
        self.called_at = now;
        // A stream that never waits does not poll its timer.
        if self.connection.deadline().is_some_and(|deadline| deadline <= now) {
            self.connection.handle_timeout(now);
        }
    }

    pub(crate) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Output> {
        let now = self.called_at;
        for _ in 0..TURNS {
            match self.connection.poll_output(now, cx) {
                Output::Wait => ready!(self.poll_timeout_at(now, cx)),
                output => return Poll::Ready(output),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Ready when a deadline is reached; then call [`poll_output`](Self::poll_output) again. For
    /// use while a write is in flight: `poll_output` polls the timer itself.
    pub fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_timeout_at(now(), cx)
    }

    fn poll_timeout_at(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.connection.deadline() else { return Poll::Pending };
        ready!(self.poll_until(deadline, now, cx));
        self.connection.handle_timeout(now);
        Poll::Ready(())
    }

    /// Reports that `n` more bytes of the last output are written.
    pub fn handle_written(&mut self, n: usize) {
        self.called_at = now();
        self.handle_written_at_once(n);
    }

    /// The same, if no time has passed since the output was polled.
    pub(crate) fn handle_written_at_once(&mut self, n: usize) {
        self.connection.handle_written(n, self.called_at);
    }

    /// Reports that the client is gone.
    pub fn handle_peer_closed(&mut self) {
        self.connection.handle_peer_closed();
    }

    /// Reports that the last output cannot be written.
    pub fn handle_write_error(&mut self, error: impl Into<TransportError>) {
        self.connection.handle_write_error(error);
    }

    /// Ends the stream at once and uncleanly, for a reason that only the driver knows.
    pub fn abort(&mut self, reason: EndReason) {
        self.connection.abort(reason);
    }

    /// Why the stream ended, once it has.
    pub fn reason(&self) -> Option<EndReason> {
        self.connection.reason()
    }

    /// The source of the stream.
    pub fn source(&self) -> &S {
        self.connection.source()
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) {
        if let Some(Poll::Ready(drain)) = self.permit.as_mut().map(|permit| permit.poll_drain(cx)) {
            self.connection.handle_drain(drain);
        }
    }

    /// Ready at `time`. Each sent event postpones the deadline. The timer is not
    /// postponed with it: one early wake-up costs less than setting the timer each time.
    pub(crate) fn poll_until(
        &mut self,
        time: Instant,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if time <= now {
            return Poll::Ready(());
        }
        if let Some(permit) = &mut self.permit {
            permit.wake_at(time, now, cx);
            return Poll::Pending;
        }
        let time = at(time);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(time)));
        loop {
            if time < timer.deadline() {
                timer.as_mut().reset(time);
            }
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() == time {
                self.timer = None;
                return Poll::Ready(());
            }
            timer.as_mut().reset(time);
        }
    }
}

impl<S: Source> Drop for Session<S> {
    fn drop(&mut self) {
        if let (Some(permit), Some(reason)) = (&mut self.permit, self.connection.reason()) {
            permit.record(reason);
        }
    }
}

impl<S: Source> std::fmt::Debug for Session<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("reason", &self.reason()).finish_non_exhaustive()
    }
}

/// How often one poll handles a deadline of the stream, before other tasks run.
const TURNS: usize = 16;
