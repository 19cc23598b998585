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
mod output;
mod source_polling;
mod timing;

use alloc::boxed::Box;
use core::task::Context;
use core::time::Duration;

use crate::config::StreamConfig;
use crate::contain::contain;
use crate::deadlines::{Deadline, Deadlines};
use crate::dialect::Dialect;
use crate::end::{EndReason, SendError, TransportError};
use crate::frame::Frame;
use crate::outbox::{Outbox, Sender};
use crate::source::Source;
use crate::time::Instant;

#[cfg(feature = "http")]
pub use accept::Body;
use closing::closing;
pub use drain::Drain;
pub use output::{Close, Output};
use timing::Rare;

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
/// The bytes of a write are [`Bytes`](bytes::Bytes): owned, shared with the connection, and
/// valid until the driver drops them. A driver whose kernel completes writes
/// (`io_uring`, IOCP) keeps them until the completion arrives. Meanwhile:
///
/// - `poll_output` returns the same bytes again, less what was acknowledged. Nothing is added to a
///   write in flight, and the source is not polled. Submit a write only if none is in flight.
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
            let (last, close) = closing(self.config.settings(), self.dialect, reason, retry);
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
    #[inline]
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

    /// Whether a frame of the source is not wholly written.
    pub fn is_sending(&self) -> bool {
        self.outbox.holds_source_frames()
    }

    fn restart_write_timeout(&mut self, now: Instant) {
        self.progress_at = Deadline::at(Some(now).filter(|_| self.outbox.is_in_flight()));
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(|| Box::new(Rare { drain: None, expires_at: Deadline::NEVER }))
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
