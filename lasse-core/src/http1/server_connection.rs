//! All that is said on one connection: requests in, answers out.

use core::task::Context;
use core::time::Duration;
use std::vec::Vec;

use http::{Request, Response};

use super::bad_request::BadRequest;
use super::framer::Wire;
use super::reply::{Progress, Reply};
use super::request::{Head, Limits, ResponseContext, parse_request};
use crate::config::StreamConfig;
use crate::connection::{Body, Close, Connection};
use crate::end::TransportError;
use crate::source::Source;
use crate::time::Instant;

/// An HTTP/1.1 server's side of one connection, for drivers that have nothing but
/// a socket and a clock.
///
/// It reads heads, no larger and no slower than the limits say, has them answered
/// by the driver, writes the answers, streams or not, and goes on to the next
/// request as long as the connection persists. Requests that are sent ahead are
/// kept, while there is room.
///
/// # Driving it
///
/// As a [`Connection`]: pass on what happens, by the `handle_*` methods, and do what
/// [`poll_output`](Self::poll_output) says. Read from the socket while the
/// conversation [`wants_input`](Self::wants_input).
///
/// # Examples
///
/// ```
/// use core::task::{Context, Waker};
/// use core::time::Duration;
/// use lasse_core::http1::{Limits, ServerConnection, ServerOutput};
/// use lasse_core::{Connection, Init, Instant, RequestHead, StreamConfig, Subscriber};
///
/// let mut cx = Context::from_waker(Waker::noop());
/// let (config, now) = (StreamConfig::new(), Instant::from_nanos(0));
/// let ten_seconds = Duration::from_secs(10);
/// let mut conversation = ServerConnection::new(&config, Limits::default(), ten_seconds, now);
///
/// conversation.handle_input(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n");
/// let mut sent = Vec::new();
/// loop {
///     match conversation.poll_output(now, &mut cx) {
///         ServerOutput::Answer(request) => {
///             let init = |_: &RequestHead<'_>| Init::<Subscriber>::NoContent;
///             conversation.answer(Connection::accept_with(&request, init, &config, now));
///         }
///         ServerOutput::Write(wire) => {
///             sent.extend(wire.concat());
///             let n = wire.len();
///             conversation.handle_written(n, now);
///         }
///         ServerOutput::Wait | ServerOutput::Close(_) => break,
///     }
/// }
/// assert_eq!(sent, b"HTTP/1.1 204 No Content\r\n\r\n");
/// ```
#[derive(Debug)]
pub struct ServerConnection<S: Source> {
    config: StreamConfig,
    limits: Limits,
    head_time: Duration,
    /// What was said and is not yet understood.
    input: Vec<u8>,
    is_gone: bool,
    turn: Turn<S>,
}

/// Whose turn it is to say something.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a stream lasts; the others are soon over")]
enum Turn<S: Source> {
    /// The client's: a head, until then.
    Client(Instant),
    /// The driver's: an answer to a request in this context.
    Driver(ResponseContext),
    /// Ours.
    Reply(Reply<S>),
    /// No one's.
    Over(Close),
}

/// What the driver of a [`ServerConnection`] is to do.
#[derive(Debug)]
#[must_use]
pub enum ServerOutput<'a> {
    /// Answer this request, by [`ServerConnection::answer`].
    Answer(Request<()>),
    /// Write these bytes, or some of them.
    Write(Wire<'a>),
    /// Wait for input or the deadline.
    Wait,
    /// Close the connection; after [`Close::Abort`], reset it.
    Close(Close),
}

impl<S: Source> ServerConnection<S> {
    /// A conversation on a new connection. Each head may take `head_time`.
    pub fn new(config: &StreamConfig, limits: Limits, head_time: Duration, now: Instant) -> Self {
        Self {
            config: config.clone(),
            limits,
            head_time,
            input: Vec::new(),
            is_gone: false,
            turn: Turn::Client(now + head_time),
        }
    }

    /// Takes what the client said.
    pub fn handle_input(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Whether there is room for what the client says: true up to the size of a
    /// head.
    pub fn wants_input(&self) -> bool {
        self.input.len() < self.limits.head_bytes && !self.is_gone
    }

    /// Tells that the client is gone. One that says no more, by half-closing, is.
    pub fn handle_peer_closed(&mut self) {
        self.is_gone = true;
        if let Some(stream) = self.stream() {
            stream.handle_peer_closed();
        }
    }

    /// Answers the request that was handed out last.
    pub fn answer(&mut self, response: Response<Body<Connection<S>>>) {
        let Turn::Driver(context) = self.turn else { return };
        self.turn = Turn::Reply(Reply::new(response, context, &self.config));
        if self.is_gone {
            self.handle_peer_closed();
        }
    }

    /// The stream that is being written, if there is one.
    pub fn stream(&mut self) -> Option<&mut Connection<S>> {
        match &mut self.turn {
            Turn::Reply(reply) => reply.stream(),
            _ => None,
        }
    }

    /// What to do next.
    pub fn poll_output(&mut self, now: Instant, cx: &mut Context<'_>) -> ServerOutput<'_> {
        loop {
            match &mut self.turn {
                Turn::Client(deadline) => {
                    let is_late = *deadline <= now;
                    match self.poll_head(is_late) {
                        Ok(Some(request)) => return ServerOutput::Answer(request),
                        Ok(None) if is_late || self.is_gone => self.turn = Turn::Over(Close::Clean),
                        Ok(None) => return ServerOutput::Wait,
                        Err(bad) => self.turn = Turn::Reply(Reply::refuse(bad, &self.config)),
                    }
                }
                Turn::Driver(_) => return ServerOutput::Wait,
                Turn::Reply(reply) => match reply.poll_output(now, cx) {
                    Progress::Write => break,
                    Progress::Wait => return ServerOutput::Wait,
                    Progress::Close(close) => self.turn = self.turn_after(close, now),
                },
                Turn::Over(close) => return ServerOutput::Close(*close),
            }
        }
        match &mut self.turn {
            Turn::Reply(reply) => ServerOutput::Write(reply.wire()),
            _ => ServerOutput::Wait,
        }
    }

    /// Tells that `n` more bytes of the last [`ServerOutput::Write`] are written.
    pub fn handle_written(&mut self, n: usize, now: Instant) {
        if let Turn::Reply(reply) = &mut self.turn {
            reply.handle_written(n, now);
        }
    }

    /// Tells that the bytes offered last cannot be written.
    pub fn handle_write_error(&mut self, error: impl Into<TransportError>) {
        if let Turn::Reply(reply) = &mut self.turn {
            reply.give_up(|stream| stream.handle_write_error(error));
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), if nothing else
    /// happens before.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.turn {
            Turn::Client(deadline) => Some(*deadline),
            Turn::Reply(reply) => reply.deadline(),
            Turn::Driver(_) | Turn::Over(_) => None,
        }
    }

    /// Tells that the [`deadline`](Self::deadline) has come. Too early does no
    /// harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Turn::Reply(reply) = &mut self.turn {
            reply.handle_timeout(now);
        }
    }

    fn poll_head(&mut self, is_late: bool) -> Result<Option<Request<()>>, BadRequest> {
        match parse_request(&self.input, &self.limits)? {
            Some(Head { request, len, context }) => {
                self.input.drain(..len);
                if self.input.is_empty() {
                    // A stream may run for long, and needs no buffer.
                    self.input = Vec::new();
                }
                self.turn = Turn::Driver(context);
                Ok(Some(request))
            }
            None if is_late && !self.input.is_empty() => Err(BadRequest::Timeout),
            None => Ok(None),
        }
    }

    fn turn_after(&self, close: Close, now: Instant) -> Turn<S> {
        match &self.turn {
            Turn::Reply(reply) if close == Close::Clean && reply.persists() => {
                Turn::Client(now + self.head_time)
            }
            _ => Turn::Over(close),
        }
    }
}
