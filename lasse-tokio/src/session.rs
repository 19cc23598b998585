//! A connection with its clock and its gate: a stream without its socket.

use std::fmt;
use std::task::{Context, Poll, ready};

use lasse_core::{Connection, EndReason, Instant, Output, Source, TransportError};

use crate::clock::now;
use crate::gate::Permit;
use crate::stream_metrics;
use crate::stream_timer::StreamTimer;

/// A [`Connection`] with tokio's clock and the permit of a gate: a stream without its
/// socket.
///
/// The body type of an HTTP library is a few lines around
/// [`poll_output`](Self::poll_output).
pub struct Session<S: Source> {
    connection: Connection<S>,
    timer: StreamTimer,
}

impl<S: Source> Session<S> {
    /// A session without a gate.
    pub fn new(connection: Connection<S>) -> Self {
        Self::from_parts(connection, None)
    }

    pub(crate) fn from_parts(connection: Connection<S>, permit: Option<Permit>) -> Self {
        Self { connection, timer: StreamTimer::new(permit) }
    }

    pub(crate) fn into_parts(self) -> (Connection<S>, Option<Permit>) {
        (self.connection, self.timer.into_permit())
    }

    /// Counts the stream at the gate of `permit`, which ends it when the gate drains.
    #[must_use]
    pub fn with_permit(self, permit: Permit) -> Self {
        Self { timer: StreamTimer::new(Some(permit)), ..self }
    }

    /// Returns what to do next: write, or close. Pending while there is nothing to do.
    /// Bytes that were not acknowledged with [`handle_written`](Self::handle_written) are
    /// returned again.
    pub fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Output> {
        let now = now();
        self.handle_deadline(now);
        self.poll_output_at(now, cx)
    }

    /// Reports that `n` more bytes of the last output are written, and returns what to do
    /// next: [`handle_written`](Self::handle_written) and [`poll_output`](Self::poll_output)
    /// with one reading of the clock.
    pub fn poll_output_after(&mut self, n: usize, cx: &mut Context<'_>) -> Poll<Output> {
        let now = now();
        if n > 0 {
            stream_metrics::written(n, &self.connection, now);
            self.connection.handle_written(n, now);
            self.handle_deadline(now);
        }
        self.poll_output_at(now, cx)
    }

    /// Handles a deadline that is reached. A stream that never waits does not poll its timer.
    fn handle_deadline(&mut self, now: Instant) {
        if self.connection.deadline().is_some_and(|deadline| deadline <= now) {
            self.connection.handle_timeout(now);
        }
    }

    fn poll_output_at(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<Output> {
        if let Poll::Ready(signal) = self.timer.poll_signal(cx) {
            signal.apply(&mut self.connection);
        }
        for _ in 0..MAX_TURNS {
            let connection = &mut self.connection;
            let output = self.timer.record_panic(|| connection.poll_output(now, cx));
            self.record();
            match output {
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
        ready!(self.timer.poll_until(deadline, now, cx));
        self.connection.handle_timeout(now);
        self.record();
        Poll::Ready(())
    }

    /// Reports that `n` more bytes of the last output are written.
    pub fn handle_written(&mut self, n: usize) {
        let now = now();
        stream_metrics::written(n, &self.connection, now);
        self.connection.handle_written(n, now);
    }

    /// Reports that the client is gone.
    pub fn handle_peer_closed(&mut self) {
        self.connection.handle_peer_closed();
        self.record();
    }

    /// Reports that the last output cannot be written.
    pub fn handle_write_error(&mut self, error: impl Into<TransportError>) {
        self.connection.handle_write_error(error);
        self.record();
    }

    /// Ends the stream at once and uncleanly, for a reason that only the driver knows.
    pub fn abort(&mut self, reason: EndReason) {
        self.connection.abort(reason);
        self.record();
    }

    /// Why the stream ended, once it has.
    pub fn reason(&self) -> Option<EndReason> {
        self.connection.reason()
    }

    /// The source of the stream.
    pub fn source(&self) -> &S {
        self.connection.source()
    }

    fn record(&mut self) {
        self.timer.record(self.connection.reason());
    }
}

impl<S: Source> fmt::Debug for Session<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("reason", &self.reason()).finish_non_exhaustive()
    }
}

/// How many deadlines of the stream one poll handles, before other tasks run.
const MAX_TURNS: usize = 16;
