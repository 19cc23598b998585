//! The server's side of one HTTP/1.1 connection.

mod reading;

use core::task::Context;
use core::time::Duration;
use std::boxed::Box;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::bad_request::plain_text;
use super::config::ServeConfig;
use super::input::Input;
use super::linger::Linger;
use super::output::ServerOutput;
use super::reply::{Progress, Reply};
use super::request::{Persistence, ResponseContext};
use crate::connection::{Body, Close, Connection};
use crate::deadlines::Deadline;
use crate::end::{EndReason, TransportError};
use crate::source::Source;
use crate::time::Instant;

/// The server's side of one HTTP/1.1 connection, for drivers that have a socket and a
/// clock, and nothing else.
///
/// ```text
/// ReadingHead       ─ request ─────────────────► AwaitingResponse
/// ReadingHead       ─ bad request, timeout ────► Replying
/// ReadingHead       ─ client left, idle ───────► Closed
/// AwaitingResponse  ─ response, timeout ───────► Replying
/// AwaitingResponse  ─ client left ─────────────► Closed
/// Replying          ─ keep-alive ──────────────► ReadingHead
/// Replying          ─ last response ───────────► Lingering
/// Replying          ─ client left or stalled ──► Closed
/// Lingering         ─ client left, timeout ────► Closed
/// ```
///
/// It reads heads within the limits of a [`ServeConfig`], gives each request to the
/// driver, writes the response, whether it is a stream or not, and continues with the
/// next request while the connection persists. Pipelined requests are kept, up to the
/// size of a head. The body of a request is discarded.
///
/// # Driving it
///
/// Pass each input to the `handle_*` methods, in any order and at any time, then do
/// what [`poll_output`](Self::poll_output) returns:
///
/// - [`Request`](ServerOutput::Request): prepare a response, and pass it to
///   [`respond`](Self::respond). This can take time: continue to poll. When
///   [`awaits_response`](Self::awaits_response) becomes false, because the client has left or the
///   response timeout has passed, drop the work.
/// - [`Write`](ServerOutput::Write): write the bytes, or some of them, and pass the
///   number to [`handle_written`](Self::handle_written). Unacknowledged bytes are
///   returned again.
/// - [`HalfClose`](ServerOutput::HalfClose): shut down the writing half of the socket.
///   Then poll again, and continue reading.
/// - [`Wait`](ServerOutput::Wait): wait for bytes while the connection
///   [`wants_input`](Self::wants_input), for the [`deadline`](Self::deadline), and for the
///   waker, which is registered with the source of the stream.
/// - [`Close`](ServerOutput::Close): close the socket. Reset it after [`Close::Abort`],
///   and reset it too if the driver panics or is dropped before: a client that uses
///   HTTP/1.0 takes a normal close for the end of the stream.
///
/// A driver can poll while a write is in flight. It gets the same bytes again, perhaps
/// followed by more, and must not write them twice. An acknowledgement can be late or
/// partial. After `Close` it is ignored, and a write in flight can be cancelled.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::task::{Context, Waker};
/// use lasse_core::http1::{ServeConfig, ServerConnection, ServerOutput};
/// use lasse_core::{Channel, Connection, Event, Instant, StreamConfig, Subscriber};
///
/// let news = Channel::new(&Default::default());
/// let streams = StreamConfig::new().with_first_byte(false);
/// let now = Instant::from_nanos(0);
/// let mut cx = Context::from_waker(Waker::noop());
/// let mut server = ServerConnection::new(&Arc::new(ServeConfig::new()), now);
///
/// server.handle_input(b"GET /news HTTP/1.1\r\nhost: localhost\r\nlast-event-id: x\r\n\r\n");
/// let mut sent = Vec::new();
/// loop {
///     match server.poll_output(now, &mut cx) {
///         ServerOutput::Request(request) => {
///             let args = || news.clone();
///             let response = Connection::<Subscriber>::accept(&request, args, &streams, now);
///             server.respond(response);
///         }
///         ServerOutput::Write(wire) => {
///             sent.extend(wire.concat());
///             server.handle_written(wire.len(), now);
///         }
///         ServerOutput::HalfClose | ServerOutput::Wait | ServerOutput::Close(_) => break,
///     }
/// }
/// let sent = String::from_utf8(sent)?;
/// assert!(sent.starts_with("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"));
/// assert!(sent.contains("event: reset\n"));
/// # Ok::<(), std::string::FromUtf8Error>(())
/// ```
#[derive(Debug)]
pub struct ServerConnection<S: Source> {
    config: Arc<ServeConfig>,
    /// The input that is not parsed yet. In a box, because a stream mostly has none.
    input: Option<Box<Input>>,
    /// Whether the client has closed its half.
    is_peer_closed: bool,
    is_shutting_down: bool,
    /// Why the last stream ended.
    end_reason: Option<EndReason>,
    state: State<S>,
}

#[derive(Debug)]
enum State<S: Source> {
    ReadingHead(Deadline),
    AwaitingResponse(ResponseContext, Deadline),
    Replying(Reply<S>),
    Lingering(Linger),
    Closed(Close),
}

impl<S: Source> ServerConnection<S> {
    /// A connection that was opened just now.
    pub fn new(config: &Arc<ServeConfig>, now: Instant) -> Self {
        let deadline = Deadline::after(now, Some(config.head_timeout()));
        Self {
            config: config.clone(),
            input: None,
            is_peer_closed: false,
            is_shutting_down: false,
            end_reason: None,
            state: State::ReadingHead(deadline),
        }
    }

    /// The client has closed the connection, or its half of it. Both count as leaving,
    /// except that a whole body is still written.
    pub fn handle_peer_closed(&mut self) {
        self.is_peer_closed = true;
        if let Some(stream) = self.stream() {
            stream.handle_peer_closed();
        }
    }

    /// Reading from the socket has failed. An error of the kind
    /// [`TimedOut`](io::ErrorKind::TimedOut) means that the client acknowledges nothing:
    /// a stream then ends with [`EndReason::Stalled`].
    pub fn handle_read_error(&mut self, error: &io::Error) {
        if let (io::ErrorKind::TimedOut, State::Replying(reply)) = (error.kind(), &mut self.state) {
            reply.abort(|stream| stream.abort(EndReason::Stalled));
        }
        self.handle_peer_closed();
    }

    /// Ends the connection as soon as that loses no request: the response that is being prepared or
    /// written is the last one, and an idle connection is closed after half a second, because a
    /// request can be on its way. A stream continues until its
    /// [`handle_drain`](Connection::handle_drain) ends it, or it ends by itself.
    #[doc(alias = "graceful")]
    pub fn handle_shutdown(&mut self, now: Instant) {
        self.is_shutting_down = true;
        match &mut self.state {
            State::ReadingHead(deadline) => {
                *deadline = Deadline::after(now, Some(TIME_TO_ARRIVE)).min(*deadline);
            }
            State::AwaitingResponse(context, _) => context.persistence = Persistence::Close,
            State::Replying(reply) => reply.close_after(),
            State::Lingering(_) | State::Closed(_) => {}
        }
    }

    /// Responds to the last request. Does nothing unless the connection
    /// [awaits a response](Self::awaits_response).
    pub fn respond(&mut self, response: Response<Body<Connection<S>>>) {
        if let State::AwaitingResponse(context, _) = self.state {
            self.reply(response, context);
        }
    }

    /// Whether a request waits for its response.
    pub fn awaits_response(&self) -> bool {
        matches!(self.state, State::AwaitingResponse(..))
    }

    /// The stream that is being written, if the response is a stream.
    pub fn stream(&mut self) -> Option<&mut Connection<S>> {
        match &mut self.state {
            State::Replying(reply) => reply.stream(),
            _ => None,
        }
    }

    /// Why the stream ended: the one that is being written, or the last response.
    pub fn end_reason(&self) -> Option<EndReason> {
        match &self.state {
            State::Replying(reply) => reply.end_reason(),
            _ => self.end_reason,
        }
    }

    /// What the driver must do next. After [`ServerOutput::Wait`], the waker of `cx` is
    /// registered with the source of the stream.
    #[inline]
    pub fn poll_output(&mut self, now: Instant, cx: &mut Context<'_>) -> ServerOutput {
        loop {
            let output = match &mut self.state {
                // Nearly all polls are those of a stream.
                State::Replying(reply) => match reply.poll_output(now, cx) {
                    Progress::Write(wire) => return ServerOutput::Write(wire),
                    Progress::Wait => return ServerOutput::Wait,
                    progress => {
                        self.end_reply(progress, now);
                        None
                    }
                },
                _ => self.advance(now),
            };
            if let Some(output) = output {
                return output;
            }
        }
    }

    /// Acknowledges `n` more bytes of the last [`ServerOutput::Write`].
    pub fn handle_written(&mut self, n: usize, now: Instant) {
        if let State::Replying(reply) = &mut self.state {
            reply.handle_written(n, now);
        }
    }

    /// Writing to the socket has failed. An error of the kind
    /// [`TimedOut`](io::ErrorKind::TimedOut) means that the client acknowledges nothing:
    /// a stream then ends with [`EndReason::Stalled`].
    pub fn handle_write_error(&mut self, error: impl Into<TransportError>) {
        let error = error.into();
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if let State::Replying(reply) = &mut self.state {
            reply.abort(|stream| match kind {
                Some(io::ErrorKind::TimedOut) => stream.abort(EndReason::Stalled),
                _ => stream.handle_write_error(error),
            });
        }
    }

    /// Ends the connection at once, and its stream for a reason that only the driver knows.
    /// [`Close::Abort`] follows.
    pub fn abort(&mut self, reason: EndReason) {
        if let Some(stream) = self.stream() {
            stream.abort(reason);
        }
        self.end_reason = self.end_reason();
        if !self.is_closed() {
            self.close(Close::Abort);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), if nothing happens before.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::ReadingHead(deadline) | State::AwaitingResponse(_, deadline) => deadline.time(),
            State::Replying(reply) => reply.deadline(&self.config),
            State::Lingering(linger) => linger.deadline(),
            State::Closed(_) => None,
        }
    }

    /// The [`deadline`](Self::deadline) has come. A call that is too early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        // `poll_output` compares the other deadlines with the time.
        if let State::Replying(reply) = &mut self.state {
            reply.handle_timeout(now, &self.config);
        }
    }

    /// Whether the connection is closed: nothing follows.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// Takes one step in a state without a reply.
    fn advance(&mut self, now: Instant) -> Option<ServerOutput> {
        match &mut self.state {
            State::ReadingHead(deadline) => {
                let is_late = deadline.is_due(now);
                match self.read_head(is_late, now) {
                    Ok(Some(request)) => return Some(ServerOutput::Request(request)),
                    Ok(None) if is_late || self.is_peer_closed => self.close(Close::Clean),
                    Ok(None) => return Some(ServerOutput::Wait),
                    Err(bad) => self.refuse(bad.response()),
                }
            }
            State::AwaitingResponse(..) if self.is_peer_closed => self.close(Close::Abort),
            State::AwaitingResponse(_, deadline) if deadline.is_due(now) => {
                let text = "the server took too long to prepare a response";
                self.refuse(plain_text(StatusCode::SERVICE_UNAVAILABLE, &text));
            }
            State::AwaitingResponse(..) => return Some(ServerOutput::Wait),
            State::Lingering(linger) if self.is_peer_closed || linger.is_over(now) => {
                self.close(Close::Clean);
            }
            State::Lingering(linger) => return Some(linger.poll_output()),
            State::Closed(close) => return Some(ServerOutput::Close(*close)),
            State::Replying(_) => {}
        }
        None
    }

    fn end_reply(&mut self, progress: Progress, now: Instant) {
        self.end_reason = self.end_reason();
        match progress {
            Progress::Write(_) | Progress::Wait => {}
            Progress::Next => self.state = self.read_next(now),
            Progress::Close => self.state = State::Lingering(Linger::new(now)),
            Progress::Abort => self.close(Close::Abort),
        }
    }

    fn read_next(&self, now: Instant) -> State<S> {
        State::ReadingHead(Deadline::after(now, Some(self.config.head_timeout())))
    }

    /// Sends a response of the connection's own, and closes the connection.
    fn refuse(&mut self, response: Response<Bytes>) {
        self.input = None;
        self.reply(response.map(Body::Full), ResponseContext::BAD_REQUEST);
    }

    fn reply(&mut self, response: Response<Body<Connection<S>>>, context: ResponseContext) {
        self.state = State::Replying(Reply::new(response, context, &self.config));
        if self.is_peer_closed {
            self.handle_peer_closed();
        }
    }

    fn close(&mut self, close: Close) {
        self.state = State::Closed(close);
        self.input = None;
    }
}

/// How long a request can be on its way to a server that shuts down. A client whose
/// connection is closed meanwhile may not repeat the request.
const TIME_TO_ARRIVE: Duration = Duration::from_millis(500);
