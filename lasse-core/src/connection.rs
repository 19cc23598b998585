//! The state machine. Every change of state is in this file.
//!
//! ```text
//!                 open, accept
//!                      │
//!                      ▼
//!                    Open ─ stop, lag, abort, expiry, drain ──► Ending
//!                      │                                          │
//!    peer closed, stalled, write failed,                 all is acknowledged
//!       queue full, panicked, dropped                             │
//!                      │                                          ▼
//!                      └───────────────────────────────────► Closed ── terminate
//! ```

#[cfg(feature = "http")]
mod accept;
mod contain;
mod drain;

use alloc::boxed::Box;
use core::task::{Context, Poll};

use bytes::Bytes;

use crate::config::StreamConfig;
use crate::deadlines::{Deadline, Deadlines};
use crate::frame::Frame;
use crate::handler::{EndReason, Handler, Next, SendError, TransportError};
use crate::outbox::{Outbox, Sender};
use crate::time::Instant;

#[cfg(feature = "http")]
pub use accept::Body;
use contain::contain;
pub use drain::Drain;

/// One client's stream: messages and time in, bytes out.
///
/// # Driving it
///
/// A driver passes on what happens, by the `handle_*` methods, in any order and
/// at any time, and does what it is told:
///
/// 1. Ask [`poll_output`](Self::poll_output). [`Output::Write`]: write the bytes,
///    or some of them, and say how many by [`handle_written`](Self::handle_written).
///    What is not acknowledged is offered again, so a driver keeps no bytes.
///    [`Output::Close`]: end the body, and drop the connection.
/// 2. [`Output::Wait`], or while a write is out: wait for mail, as long as the
///    connection [`wants_input`](Self::wants_input); for
///    [`poll_wake`](Self::poll_wake); for the peer's leaving; and for the
///    [`deadline`](Self::deadline), which calls for
///    [`handle_timeout`](Self::handle_timeout). Feed all mail that is there before
///    the next poll: small frames then go out together.
///
/// A callback that panics closes the connection, uncleanly, with reason
/// [`EndReason::Panicked`]; then the panic goes on (where there is std).
///
/// # Examples
///
/// ```
/// use lasse_core::{Close, StreamConfig, Connection, Event, Handler, Instant, Next, Output};
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
/// let config = StreamConfig::new().with_first_byte(false);
/// let mut connection = Connection::open(Echo, [], &config, now);
/// assert_eq!(connection.poll_output(now), Output::Wait);
///
/// connection.handle_notify("hello");
/// connection.handle_notify("bye");
/// assert_eq!(connection.poll_output(now), Output::Write("data: hello\n\n".into()));
/// connection.handle_written(13, now);
/// assert_eq!(connection.poll_output(now), Output::Close(Close::Clean));
/// ```
#[derive(Debug)]
pub struct Connection<H: Handler> {
    handler: H,
    state: State,
    outbox: Outbox,
    deadlines: Deadlines,
    config: StreamConfig,
    drain: Option<Box<Drain>>,
    /// Whether something has happened since the handler last had nothing to send.
    is_restless: bool,
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Output {
    /// Write these bytes, or some of them.
    Write(Bytes),
    /// Wait for input or the deadline.
    Wait,
    /// End the body. Nothing follows, however often you ask.
    Close(Close),
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// As the protocol has it: the last chunk, or `END_STREAM`.
    Clean,
    /// So that the client knows that there should have been more: a reset.
    Abort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Ending(EndReason, Close),
    Closed(EndReason, Close),
}

impl<H: Handler> Connection<H> {
    /// A stream that begins with the frames `first`.
    pub fn open(
        handler: H,
        first: impl IntoIterator<Item = Frame>,
        config: &StreamConfig,
        now: Instant,
    ) -> Self {
        let settings = config.settings();
        let mut outbox = Outbox::default();
        if settings.first_byte {
            outbox.push(Frame::sign_of_life(), Sender::Protocol);
        }
        for frame in first {
            outbox.push(frame, Sender::Handler);
        }
        let deadlines = Deadlines {
            keep_alive: Deadline::after(now, settings.keep_alive),
            age: Deadline::after(now, settings.max_age),
            ..Deadlines::default()
        };
        let mut connection = Self {
            handler,
            state: State::Open,
            outbox,
            deadlines,
            config: config.clone(),
            drain: None,
            is_restless: true,
        };
        connection.ask_for_tick();
        connection
    }

    /// Passes a message of the notifier to the handler.
    pub fn handle_notify(&mut self, message: H::Notify) {
        self.consult(|handler| handler.handle_notify(message));
    }

    /// Passes a message from elsewhere to the handler.
    pub fn handle_info(&mut self, message: H::Info) {
        self.consult(|handler| handler.handle_info(message));
    }

    /// Tells that no more messages can come.
    pub fn handle_end(&mut self) {
        self.consult(Handler::handle_end);
    }

    /// Tells that the stream is to end cleanly, after what is queued.
    pub fn handle_stop(&mut self) {
        self.end(EndReason::Stopped, Close::Clean);
    }

    /// Tells that the handler may have something to send by itself.
    pub fn handle_wake(&mut self) {
        self.is_restless = true;
    }

    /// Ready when the handler may have something to send by itself; then ask
    /// [`poll_output`](Self::poll_output). Never, while a write is out.
    pub fn poll_wake(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.state != State::Open || self.is_restless || !self.outbox.is_empty() {
            return Poll::Pending;
        }
        let wake = self.call(|handler| handler.poll_wake(cx));
        self.is_restless = wake.is_ready();
        wake
    }

    /// Tells that `n` more bytes of the last [`Output::Write`] are written.
    pub fn handle_written(&mut self, n: usize, now: Instant) {
        if n == 0 {
            return;
        }
        self.outbox.acknowledge(n);
        self.is_restless = true;
        let settings = self.config.settings();
        let write_timeout = settings.write_timeout.filter(|_| self.outbox.is_in_flight());
        self.deadlines.write = Deadline::after(now, write_timeout);
        self.deadlines.keep_alive = Deadline::after(now, settings.keep_alive);
    }

    /// Tells that the [`deadline`](Self::deadline) has come. Too early does no
    /// harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.is_restless = true;
        if self.abort_deadline().is_due(now) {
            self.close(EndReason::Shutdown, Close::Abort, None);
        } else if self.outbox.is_in_flight() && self.deadlines.write.is_due(now) {
            self.close(EndReason::Stalled, Close::Abort, None);
        } else if self.state == State::Open {
            self.handle_timeout_while_open(now);
        }
    }

    /// Tells that the client is gone.
    pub fn handle_peer_closed(&mut self) {
        self.close(EndReason::PeerClosed, Close::Abort, None);
    }

    /// Tells that the bytes offered last cannot be written.
    pub fn handle_write_error(&mut self, error: impl Into<TransportError>) {
        self.close(EndReason::WriteFailed, Close::Abort, Some(error.into()));
    }

    /// Tells that the stream is cut off for a reason that only the driver knows.
    pub fn abort(&mut self, reason: EndReason) {
        self.close(reason, Close::Abort, None);
    }

    /// Tells that the server shuts down, and what this stream's part in it is.
    /// Told twice, the last word counts.
    pub fn handle_drain(&mut self, drain: Drain) {
        self.drain = Some(Box::new(drain));
    }

    /// What to do next.
    pub fn poll_output(&mut self, now: Instant) -> Output {
        self.ask_for_more();
        if let Some(bytes) = self.outbox.offer() {
            if self.deadlines.write == Deadline::NEVER {
                self.deadlines.write = Deadline::after(now, self.config.settings().write_timeout);
            }
            return Output::Write(bytes);
        }
        if let State::Ending(reason, close) = self.state {
            self.close(reason, close, None);
        }
        match self.state {
            State::Closed(_, close) => Output::Close(close),
            State::Open | State::Ending(..) => Output::Wait,
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), if nothing else
    /// happens before.
    pub fn deadline(&self) -> Option<Instant> {
        let Deadlines { keep_alive, write, age, tick } = self.deadlines;
        let mut next = Deadline::NEVER;
        let mut consider = |applies: bool, deadline| {
            if applies && deadline < next {
                next = deadline;
            }
        };
        let is_open = self.state == State::Open;
        consider(!self.is_closed(), self.abort_deadline());
        consider(self.outbox.is_in_flight(), write);
        consider(is_open, age);
        consider(is_open, self.drain_deadline());
        consider(self.wants_input(), tick);
        consider(is_open && self.outbox.is_empty(), keep_alive);
        next.time()
    }

    /// Whether there is room for what messages may bring: true while the stream
    /// is open and less than 16 KiB are queued.
    pub fn wants_input(&self) -> bool {
        self.state == State::Open && self.outbox.len() < ROOM
    }

    /// How many bytes are queued or in flight.
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
            State::Closed(reason, _) => Some(reason),
            State::Open | State::Ending(..) => None,
        }
    }

    /// The handler.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// Asks the handler, if it is still to be asked, and does what it answers.
    fn consult(&mut self, callback: impl FnOnce(&mut H) -> Next) {
        if self.state != State::Open {
            return;
        }
        self.is_restless = true;
        match self.call(callback) {
            Next::Send(frame) => self.send(frame),
            Next::Last(frame) => {
                self.send(frame);
                self.end(EndReason::Stopped, Close::Clean);
            }
            Next::Wait => {}
            Next::Stop => self.end(EndReason::Stopped, Close::Clean),
            Next::Lagged => self.end(EndReason::Lagged, Close::Clean),
            Next::Abort => self.end(EndReason::Aborted, Close::Abort),
        }
        self.ask_for_tick();
    }

    /// Asks for more once all that the handler sent is written. What the
    /// protocol adds need not be: it can go out with the answer.
    fn ask_for_more(&mut self) {
        let is_drained = !self.outbox.holds_frames() && !self.outbox.is_in_flight();
        if self.is_restless && is_drained {
            self.consult(Handler::handle_drained);
            self.is_restless = false;
        }
    }

    fn ask_for_tick(&mut self) {
        if self.state == State::Open {
            self.deadlines.tick = Deadline::at(self.call(|handler| handler.wake_at()));
        }
    }

    fn handle_timeout_while_open(&mut self, now: Instant) {
        if self.deadlines.age.is_due(now) {
            return self.end(EndReason::Expired, Close::Clean);
        }
        if self.drain_deadline().is_due(now) {
            let retry = self.drain.as_ref().map(|drain| Frame::retry(drain.retry));
            retry.into_iter().for_each(|frame| self.outbox.push(frame, Sender::Protocol));
            return self.end(EndReason::Shutdown, Close::Clean);
        }
        if self.wants_input() && self.deadlines.tick.is_due(now) {
            self.consult(|handler| handler.handle_tick(now));
        }
        if self.outbox.is_empty() && self.deadlines.keep_alive.is_due(now) {
            let frame = self.config.settings().keep_alive_frame.clone();
            self.outbox.push(frame, Sender::Protocol);
        }
    }

    fn drain_deadline(&self) -> Deadline {
        let drain = self.drain.as_ref().filter(|_| !self.config.settings().finite);
        Deadline::at(drain.map(|drain| drain.end_at))
    }

    fn abort_deadline(&self) -> Deadline {
        Deadline::at(self.drain.as_ref().map(|drain| drain.abort_at))
    }

    fn send(&mut self, frame: Frame) {
        let is_too_much = self.outbox.len() + frame.len() > self.config.settings().queue_limit;
        let holds_frames = self.outbox.holds_frames();
        self.outbox.push(frame, Sender::Handler);
        if is_too_much && holds_frames {
            self.close(EndReason::Lagged, Close::Abort, None);
        }
    }

    fn end(&mut self, reason: EndReason, close: Close) {
        if self.state == State::Open {
            self.state = State::Ending(reason, close);
        }
    }

    /// The only way into [`State::Closed`], hence `terminate` is called once.
    fn close(&mut self, reason: EndReason, close: Close, error: Option<TransportError>) {
        if self.is_closed() {
            return;
        }
        self.state = State::Closed(reason, close);
        let unsent = self.outbox.take_unsent();
        if reason != EndReason::Panicked && (error.is_some() || !unsent.is_empty()) {
            let error = SendError::new(reason, error);
            contain(|| self.handler.handle_error(&unsent, &error)).ok();
        }
        contain(|| self.handler.terminate(reason)).ok();
    }

    /// The only way to the handler while the stream lives. A panic closes the
    /// connection before it goes on.
    fn call<T>(&mut self, callback: impl FnOnce(&mut H) -> T) -> T {
        match contain(|| callback(&mut self.handler)) {
            Ok(answer) => answer,
            Err(panic) => {
                self.close(EndReason::Panicked, Close::Abort, None);
                panic.resume()
            }
        }
    }
}

impl<H: Handler> Drop for Connection<H> {
    fn drop(&mut self) {
        self.close(EndReason::Dropped, Close::Abort, None);
    }
}

/// How many bytes may be queued before a driver should hold mail back.
const ROOM: usize = 16 * 1024;
