//! The state machine of one stream. Every change of its state is in this file.
//!
//! ```text
//!                 open, accept
//!                      │
//!                      ▼
//!                    Open ─ stop, lag, abort, maximum age, shutdown ─► Ending
//!                      │                                                 │
//!    peer closed, stalled, write failed,                     everything is acknowledged
//!            panicked, dropped                                           │
//!                      │                                                 ▼
//!                      └──────────────────────────────────────────────► Closed ── terminate
//! ```

#[cfg(feature = "http")]
mod accept;
mod closing;
mod drain;

use alloc::boxed::Box;
use core::task::Context;
use core::time::Duration;

use bytes::Bytes;

use crate::config::StreamConfig;
use crate::contain::contain;
use crate::deadlines::{Deadline, Deadlines};
use crate::dialect::Dialect;
use crate::end::{EndReason, SendError, TransportError};
use crate::frame::Frame;
use crate::outbox::{Outbox, Sender};
use crate::source::{Next, Source};
use crate::time::Instant;

#[cfg(feature = "http")]
pub use accept::Body;
use closing::closing;
pub use drain::Drain;

/// One client's stream: frames of a [`Source`] in, bytes out.
///
/// # Driving it
///
/// A driver owns the socket and the clock. It passes on what happens with the
/// `handle_*` methods, in any order and at any time, and repeats:
///
/// 1. Call [`poll_output`](Self::poll_output).
///    - [`Output::Write`]: write the bytes or a part of them, and report how many
///      with [`handle_written`](Self::handle_written).
///    - [`Output::Wait`]: wait for step 2. The waker is registered.
///    - [`Output::Close`]: end the body, and drop the connection.
/// 2. While it waits, and while a write is in flight, the driver also watches the
///    peer, and the [`deadline`](Self::deadline), at which it calls
///    [`handle_timeout`](Self::handle_timeout). After anything has happened, continue with step 1.
///
/// A driver without an async runtime passes [`Waker::noop`](core::task::Waker::noop), or a waker that
/// wakes its own loop: a `thread::Unpark`, an eventfd.
///
/// # Writes in flight
///
/// The bytes of a write are [`Bytes`]: owned, shared with the connection, and
/// valid until the driver drops them. A driver whose kernel completes writes
/// (`io_uring`, IOCP) keeps them until the completion arrives. Meanwhile:
///
/// - `poll_output` returns the same bytes again, less what was acknowledged. Nothing is
///   added to a write in flight, and the source is not polled. Such a driver
///   submits a write only if none is in flight.
/// - `handle_written` may come late and in any number of parts. The write timeout
///   restarts with each of them.
/// - [`Output::Close`] may arrive, if the connection was closed early
///   ([`Close::Abort`]): the client is gone or stalled, a callback panicked, or
///   the shutdown is over. The driver cancels the write or lets it complete, and drops its
///   bytes then; the connection may be dropped before. A [`Close::Clean`] never arrives
///   before everything is acknowledged.
///
/// # Panics of callbacks
///
/// If a callback of the source panics, the connection closes uncleanly with
/// [`EndReason::Panicked`], and the panic continues (with the feature `std`). Panics of
/// `handle_error` and `terminate` are caught.
///
/// # Examples
///
/// ```
/// use core::task::{Context, Waker};
/// use lasse_core::{
///     Close, Connection, Event, Handler, HandlerSource, Instant, Next, Output, StreamConfig, mailbox,
/// };
///
/// struct Echo;
///
/// impl Handler for Echo {
///     type Notify = &'static str;
///     type Info = ();
///     fn handle_notify(&mut self, text: &'static str) -> Next {
///         if text == "bye" { Next::Stop } else { Next::send(Event::new(text)) }
///     }
/// }
///
/// let now = Instant::from_nanos(0);
/// let mut cx = Context::from_waker(Waker::noop());
/// let config = StreamConfig::new().with_first_byte(false);
/// let (notifier, mailbox) = mailbox(64);
/// let mut connection = Connection::open(HandlerSource::new(Echo, mailbox), [], &config, now);
/// assert_eq!(connection.poll_output(now, &mut cx), Output::Wait);
///
/// notifier.notify("hello")?;
/// notifier.notify("bye")?;
/// assert_eq!(connection.poll_output(now, &mut cx), Output::Write("data: hello\n\n".into()));
/// connection.handle_written(13, now);
/// assert_eq!(connection.poll_output(now, &mut cx), Output::Close(Close::Clean));
/// # Ok::<(), lasse_core::NotifyError>(())
/// ```
#[derive(Debug)]
pub struct Connection<S: Source> {
    source: S,
    state: State,
    outbox: Outbox,
    deadlines: Deadlines,
    config: StreamConfig,
    dialect: Dialect,
    rare: Option<Box<Rare>>,
    /// When the client last took a byte, or when the write in flight was offered. Never,
    /// if none is in flight.
    progress_at: Deadline,
}

/// What most streams never have.
#[derive(Debug)]
struct Rare {
    drain: Option<Drain>,
    /// When the credentials of the client expire.
    expires_at: Deadline,
}

/// What the driver must do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Output {
    /// Write these bytes or a part of them.
    Write(Bytes),
    /// Wait for the waker, the deadline, or the peer.
    Wait,
    /// End the body. Every later poll returns the same.
    Close(Close),
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// As the protocol ends a complete body: the last chunk, or `END_STREAM`.
    Clean,
    /// With a reset, so that the client knows that the body is incomplete.
    Abort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Ending(EndReason, Close),
    Closed(EndReason, Close, Flushed),
}

/// Whether the client was sent everything before the stream was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flushed {
    Yes,
    No,
}

impl<S: Source> Connection<S> {
    /// A stream that starts with the frames `first`. Without a request, the dialect
    /// [`Auto`](Dialect::Auto) is `EventSource`.
    pub fn open(
        source: S,
        first: impl IntoIterator<Item = Frame>,
        config: &StreamConfig,
        now: Instant,
    ) -> Self {
        let dialect = match config.settings().dialect {
            Dialect::Auto => Dialect::EventSource,
            dialect => dialect,
        };
        Self::open_in(dialect, source, first, config, now)
    }

    fn open_in(
        dialect: Dialect,
        source: S,
        first: impl IntoIterator<Item = Frame>,
        config: &StreamConfig,
        now: Instant,
    ) -> Self {
        let settings = config.settings();
        let mut outbox = Outbox::default();
        if settings.first_byte {
            outbox.push(Frame::keep_alive(), Sender::Protocol);
        }
        for frame in first {
            outbox.push(frame, Sender::Source);
        }
        let deadlines = Deadlines {
            keep_alive: Deadline::after(now, settings.keep_alive(dialect)),
            age: Deadline::after(now, settings.max_age),
            ..Deadlines::default()
        };
        let (state, config, rare) = (State::Open, config.clone(), None);
        let progress_at = Deadline::NEVER;
        Self { source, state, outbox, deadlines, config, dialect, rare, progress_at }
    }

    /// Ends the stream cleanly, after the queued frames.
    pub fn handle_stop(&mut self) {
        self.end(EndReason::Stopped, None);
    }

    /// Ends the stream after the queued frames, for a reason of the server's: mostly
    /// [`Revoked`](EndReason::Revoked) or [`Replaced`](EndReason::Replaced). The client is sent an
    /// event of that name, and reconnects after `retry`, as its [`Dialect`] has it.
    #[doc(alias("kick", "disconnect"))]
    pub fn end(&mut self, reason: EndReason, retry: Option<Duration>) {
        if self.state == State::Open {
            let (last, close) = closing(self.dialect, reason, retry);
            if let Some(frame) = last {
                self.outbox.push(frame, Sender::Protocol);
            }
            self.state = State::Ending(reason, close);
        }
    }

    /// Ends the stream at `time`, when the credentials of its client expire:
    /// [`EndReason::CredentialsExpired`]. The client is sent an event named `expired`. A later call
    /// replaces the time of an earlier one.
    #[doc(alias = "token expiry")]
    pub fn expire_at(&mut self, time: Instant) {
        self.rare().expires_at = Deadline::at(Some(time));
    }

    /// Reports that `n` more bytes of the last [`Output::Write`] are written.
    pub fn handle_written(&mut self, n: usize, now: Instant) {
        if n == 0 {
            return;
        }
        self.outbox.acknowledge(n);
        self.restart_write_timeout(now);
        let keep_alive = self.config.settings().keep_alive(self.dialect);
        self.deadlines.keep_alive = Deadline::after(now, keep_alive);
    }

    /// Reports that bytes around those of the last [`Output::Write`] are written: the
    /// client is not stalled.
    #[cfg(feature = "http1")]
    pub(crate) fn handle_progress(&mut self, now: Instant) {
        self.restart_write_timeout(now);
    }

    /// Reports that the [`deadline`](Self::deadline) is reached. An early call does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.write_deadline().is_due(now) {
            self.close(EndReason::Stalled, None);
        } else if self.stall_deadline().is_due(now) {
            self.close(EndReason::Shutdown, None);
        } else if self.state == State::Open && self.drain_deadline().is_due(now) {
            self.end_for_shutdown(now);
        } else if self.abort_deadline().is_due(now) {
            self.close(EndReason::Shutdown, None);
        } else if self.state == State::Open {
            self.handle_timeout_while_open(now);
        }
    }

    /// Reports that the client is gone.
    pub fn handle_peer_closed(&mut self) {
        self.close(EndReason::PeerClosed, None);
    }

    /// Reports that the last [`Output::Write`] cannot be written.
    pub fn handle_write_error(&mut self, error: impl Into<TransportError>) {
        self.close(EndReason::WriteFailed, Some(error.into()));
    }

    /// Ends the stream at once and uncleanly, for a reason that only the driver knows.
    pub fn abort(&mut self, reason: EndReason) {
        self.close(reason, None);
    }

    /// Reports that the server is shutting down, and when this stream ends. A later
    /// call replaces an earlier one.
    #[doc(alias = "shutdown")]
    pub fn handle_drain(&mut self, drain: Drain) {
        self.rare().drain = Some(drain);
    }

    /// Returns what to do next. If that is [`Output::Wait`], the waker of `cx` is registered
    /// with the source.
    pub fn poll_output(&mut self, now: Instant, cx: &mut Context<'_>) -> Output {
        self.poll_source(now, cx);
        if let Some(bytes) = self.outbox.offer() {
            self.progress_at = self.progress_at.min(Deadline::at(Some(now)));
            return Output::Write(bytes);
        }
        if let State::Ending(reason, close) = self.state {
            self.close_as(State::Closed(reason, close, Flushed::Yes), None);
        }
        match self.state {
            State::Closed(_, close, _) => Output::Close(close),
            State::Open | State::Ending(..) => Output::Wait,
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), if nothing else happens before.
    #[doc(alias = "timeout")]
    pub fn deadline(&self) -> Option<Instant> {
        if self.is_closed() {
            return None;
        }
        let stalled = self.write_deadline().min(self.stall_deadline());
        let mut next = stalled.min(self.abort_deadline());
        if self.state == State::Open {
            let Deadlines { keep_alive, age, source } = self.deadlines;
            next = next.min(age).min(self.expiry()).min(self.drain_deadline());
            if self.has_room() {
                next = next.min(source);
            }
            if self.outbox.is_empty() {
                next = next.min(keep_alive);
            }
        }
        next.time()
    }

    /// How many bytes are queued or in flight.
    #[doc(alias = "backpressure")]
    pub fn queued(&self) -> usize {
        self.outbox.len()
    }

    /// Whether the connection is closed.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(..))
    }

    /// Why the stream ended, once it has.
    pub fn reason(&self) -> Option<EndReason> {
        match self.state {
            State::Closed(reason, ..) => Some(reason),
            State::Open | State::Ending(..) => None,
        }
    }

    /// Whether the stream was closed after the client was sent everything.
    #[cfg(feature = "http1")]
    pub(crate) fn is_flushed(&self) -> bool {
        matches!(self.state, State::Closed(_, _, Flushed::Yes))
    }

    /// How long the client can take no byte before the stream ends with
    /// [`EndReason::Stalled`]: for a driver that passes it on to its socket.
    pub fn write_timeout(&self) -> Option<Duration> {
        self.config.settings().write_timeout
    }

    /// The source.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Polls the source until it waits, or until there is enough for one write.
    fn poll_source(&mut self, now: Instant, cx: &mut Context<'_>) {
        for _ in 0..POLLS {
            if !self.wants_frame() {
                return;
            }
            match self.call(|source| source.poll_next(now, cx)) {
                Next::Wait(deadline) => {
                    self.deadlines.source = Deadline::at(deadline);
                    return;
                }
                Next::Send(frame) => self.outbox.push(frame, Sender::Source),
                Next::Last(frame) => {
                    self.outbox.push(frame, Sender::Source);
                    self.end(EndReason::Stopped, None);
                }
                Next::Stop => self.end(EndReason::Stopped, None),
                Next::Lagged => self.end(EndReason::Lagged, None),
                Next::Abort => self.end(EndReason::Aborted, None),
            }
        }
        // Only frames without a byte come so often.
        if self.outbox.is_empty() {
            cx.waker().wake_by_ref();
        }
    }

    /// Whether the source can be polled: it has nothing unsent, or it has more for
    /// a write that is not in flight yet.
    fn wants_frame(&mut self) -> bool {
        self.has_room()
            || self.state == State::Open
                && !self.outbox.is_in_flight()
                && self.outbox.len() < BATCH
                && self.call(|source| source.has_more())
    }

    /// Whether the stream is open, and everything of the source is acknowledged.
    /// Frames of the protocol may be queued: they go out with the next frame.
    fn has_room(&self) -> bool {
        self.state == State::Open
            && !self.outbox.holds_source_frames()
            && !self.outbox.is_in_flight()
    }

    fn handle_timeout_while_open(&mut self, now: Instant) {
        if self.expiry().is_due(now) {
            return self.end(EndReason::CredentialsExpired, None);
        }
        if self.deadlines.age.is_due(now) {
            return self.end(EndReason::Expired, None);
        }
        if self.deadlines.source.is_due(now) {
            // The next `poll_output` polls the source.
            self.deadlines.source = Deadline::NEVER;
        }
        if self.outbox.is_empty() && self.deadlines.keep_alive.is_due(now) {
            let frame = self.config.settings().keep_alive_frame.clone();
            self.outbox.push(frame, Sender::Protocol);
        }
    }

    fn restart_write_timeout(&mut self, now: Instant) {
        self.progress_at = Deadline::at(Some(now).filter(|_| self.outbox.is_in_flight()));
    }

    fn end_for_shutdown(&mut self, now: Instant) {
        let drain = self.rare.as_mut().and_then(|rare| rare.drain.as_mut());
        let retry = drain.map(|drain| {
            drain.leave_time(now);
            drain.retry
        });
        self.end(EndReason::Shutdown, retry);
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(|| Box::new(Rare { drain: None, expires_at: Deadline::NEVER }))
    }

    fn drain(&self) -> Option<&Drain> {
        self.rare.as_ref()?.drain.as_ref()
    }

    fn expiry(&self) -> Deadline {
        self.rare.as_ref().map_or(Deadline::NEVER, |rare| rare.expires_at)
    }

    /// When the client must have taken a byte of the write in flight, if there is one.
    fn write_deadline(&self) -> Deadline {
        let timeout = self.config.settings().write_timeout;
        Deadline::at(self.progress_at.time().and_then(|time| Some(time + timeout?)))
    }

    /// When it must have taken one because of a shutdown.
    fn stall_deadline(&self) -> Deadline {
        let time = self.progress_at.time().zip(self.drain());
        Deadline::at(time.map(|(time, drain)| drain.stalled_at(time)))
    }

    fn drain_deadline(&self) -> Deadline {
        let drain = self.drain().filter(|_| !self.config.settings().finite);
        Deadline::at(drain.map(|drain| drain.end_at))
    }

    fn abort_deadline(&self) -> Deadline {
        Deadline::at(self.drain().map(|drain| drain.abort_at.max(drain.end_at)))
    }

    fn close(&mut self, reason: EndReason, error: Option<TransportError>) {
        self.close_as(State::Closed(reason, Close::Abort, Flushed::No), error);
    }

    /// The only way into [`State::Closed`], so `terminate` is called once.
    fn close_as(&mut self, closed: State, error: Option<TransportError>) {
        let (false, State::Closed(reason, ..)) = (self.is_closed(), closed) else { return };
        self.state = closed;
        let unsent = self.outbox.take_unsent();
        if reason != EndReason::Panicked && (error.is_some() || !unsent.is_empty()) {
            let error = SendError::new(reason, error);
            contain(|| self.source.handle_error(&unsent, &error)).ok();
        }
        contain(|| self.source.terminate(reason)).ok();
    }

    /// The only way to the source of an open stream. After a panic, the connection
    /// closes before the panic continues.
    fn call<T>(&mut self, callback: impl FnOnce(&mut S) -> T) -> T {
        match contain(|| callback(&mut self.source)) {
            Ok(result) => result,
            Err(panic) => {
                self.close(EndReason::Panicked, None);
                panic.resume()
            }
        }
    }
}

impl<S: Source> Drop for Connection<S> {
    fn drop(&mut self) {
        self.close(EndReason::Dropped, None);
    }
}

/// Up to how many queued bytes the source is polled for more frames of one write.
const BATCH: usize = 16 * 1024;

/// How often the source is polled for one write.
const POLLS: usize = 64;
