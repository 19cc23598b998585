//! One answer on its way to the client, from its head to its end.

use core::time::Duration;

use bytes::{Buf, Bytes};
use http::Response;

use super::framer::{Framer, Wire};
use super::request::{BadRequest, Persistence, Terms};
use crate::config::Config;
use crate::connection::{Body, Close, Connection, Output};
use crate::handler::{Handler, Reason, TransportError};
use crate::time::Instant;

/// An answer, whether it is a stream or not: what a driver of one's own writes.
///
/// Drive it as you would a [`Connection`]: what is to be written comes framed,
/// and the [`deadline`](Self::deadline) is that of the stream and of the frame
/// about it, to the last byte. Mail goes to the [`connection`](Self::connection)
/// within.
///
/// # Examples
///
/// ```
/// use lasse_core::http1::{Limits, Reply, Step, parse_request};
/// use lasse_core::{Close, Config, Connection, Instant};
/// # use lasse_core::{Accept, Event, Handler, Init, Next, RequestHead};
/// # struct Greeter;
/// # impl Accept for Greeter {
/// #     type Args = ();
/// #     fn init(_: (), _: &RequestHead<'_>) -> Init<Self> { Init::NoContent }
/// # }
/// # impl Handler for Greeter {
/// #     type Notify = ();
/// #     type Info = ();
/// #     fn handle_notify(&mut self, (): ()) -> Next { Next::Wait }
/// # }
///
/// let input = b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n";
/// let head = parse_request(input, &Limits::default())?.expect("a whole head");
/// let (config, now) = (Config::new(), Instant::from_nanos(0));
/// let response = Connection::<Greeter>::accept(&head.request, || (), &config, now);
///
/// let mut reply = Reply::new(response, head.terms, &config);
/// let mut sent = Vec::new();
/// while let Step::Write(wire) = reply.poll_output(now) {
///     sent.extend(wire.concat());
///     let n = wire.len();
///     reply.handle_written(n, now);
/// }
/// assert_eq!(sent, b"HTTP/1.1 204 No Content\r\n\r\n");
/// assert_eq!(reply.poll_output(now), Step::Close(Close::Clean));
/// # Ok::<(), lasse_core::http1::BadRequest>(())
/// ```
#[derive(Debug)]
pub struct Reply<H: Handler> {
    framer: Framer,
    connection: Option<Connection<H>>,
    /// What the connection offers, or what is left of a whole body.
    payload: Bytes,
    persistence: Persistence,
    write_timeout: Option<Duration>,
    /// When the client must have taken a byte.
    write_deadline: Option<Instant>,
    is_given_up: bool,
}

/// What the driver of a [`Reply`] is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step<'a> {
    /// Write these bytes, or some of them.
    Write(Wire<'a>),
    /// Wait for input or the deadline.
    Wait,
    /// All is done. After [`Close::Abort`], reset the connection; after
    /// [`Close::Clean`], see [`Reply::persistence`].
    Close(Close),
}

impl<H: Handler> Reply<H> {
    /// The answer to a request of these terms.
    pub fn new(response: Response<Body<H>>, terms: Terms, config: &Config) -> Self {
        let (parts, body) = response.into_parts();
        let head = Response::from_parts(parts, ());
        let (framer, connection, payload) = match body {
            Body::Events(connection) => {
                (Framer::of_stream(terms, &head), Some(connection), Bytes::new())
            }
            Body::HeadOnly => (Framer::of_stream(terms, &head), None, Bytes::new()),
            Body::Full(body) => {
                let (framer, payload) = Framer::of_body(terms, head.map(|()| body));
                (framer, None, payload)
            }
        };
        Self {
            framer,
            connection,
            payload,
            persistence: terms.persistence,
            write_timeout: config.settings().write_timeout,
            write_deadline: None,
            is_given_up: false,
        }
    }

    /// The answer to what is no request.
    pub fn refuse(bad: BadRequest, config: &Config) -> Self {
        Self::new(bad.response().map(Body::Full), Terms::BAD_REQUEST, config)
    }

    /// Whether another request may follow, once this is done.
    pub fn persistence(&self) -> Persistence {
        self.persistence
    }

    /// The stream, for mail, if there is one.
    pub fn connection(&mut self) -> Option<&mut Connection<H>> {
        self.connection.as_mut()
    }

    /// What to do next.
    pub fn poll_output(&mut self, now: Instant) -> Step<'_> {
        if self.is_given_up {
            return Step::Close(Close::Abort);
        }
        let is_over = match self.connection.as_mut().map(|stream| stream.poll_output(now)) {
            Some(Output::Close(Close::Abort)) => return Step::Close(Close::Abort),
            Some(Output::Write(payload)) => {
                self.payload = payload;
                false
            }
            Some(Output::Wait) => false,
            Some(Output::Close(Close::Clean)) | None => true,
        };
        let wire = if is_over && self.payload.is_empty() {
            self.framer.end()
        } else {
            self.framer.wire(&self.payload)
        };
        if wire.is_empty() {
            return if is_over { Step::Close(Close::Clean) } else { Step::Wait };
        }
        if self.write_deadline.is_none() {
            self.write_deadline = self.write_timeout.map(|timeout| now + timeout);
        }
        Step::Write(wire)
    }

    /// Tells that `n` more bytes of the last [`Step::Write`] are written.
    pub fn handle_written(&mut self, n: usize, now: Instant) {
        if n == 0 {
            return;
        }
        self.write_deadline = None;
        let payload = self.framer.handle_written(n);
        self.payload.advance(payload.min(self.payload.len()));
        if let Some(connection) = &mut self.connection {
            connection.handle_written(payload, now);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), if nothing else
    /// happens before.
    pub fn deadline(&self) -> Option<Instant> {
        let of_stream = self.connection.as_ref().and_then(Connection::deadline);
        [of_stream, self.write_deadline].into_iter().flatten().min()
    }

    /// Tells that the [`deadline`](Self::deadline) has come. Too early does no
    /// harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(connection) = &mut self.connection {
            connection.handle_timeout(now);
        }
        if self.write_deadline.is_some_and(|deadline| deadline <= now) {
            self.give_up(Connection::handle_stalled);
        }
    }

    /// Tells that the client is gone.
    pub fn handle_peer_closed(&mut self) {
        self.give_up(Connection::handle_peer_closed);
    }

    /// Tells that the bytes offered last cannot be written.
    pub fn handle_write_error(&mut self, error: impl Into<TransportError>) {
        self.give_up(|connection| connection.handle_write_error(error));
    }

    /// Why the stream ended, once it has.
    pub fn reason(&self) -> Option<Reason> {
        self.connection.as_ref().and_then(Connection::reason)
    }

    fn give_up(&mut self, tell: impl FnOnce(&mut Connection<H>)) {
        self.is_given_up = true;
        self.write_deadline = None;
        if let Some(connection) = &mut self.connection {
            tell(connection);
        }
    }
}
