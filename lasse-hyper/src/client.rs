//! The reconnecting client, over any service that sends requests.

mod client_event;
mod error;
mod exchange;
mod timer;

use std::fmt;
use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_core::Stream;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use lasse_tokio::lasse_core::{Client, ClientClosed, ClientOutput, Instant};
use lasse_tokio::now;
use tokio::task::coop::poll_proceed;
use tower_service::Service;

use exchange::{Exchange, Progress};
use timer::Timer;

pub use client_event::{ClientEvent, DisconnectReason, MessageEvent};
pub use error::EventSourceError;

/// The events of a server, across reconnects: a [`Client`] and the service that
/// sends its requests.
///
/// The service is anything from requests to responses that does not follow
/// redirects: hyper-util's client with a connector of your choice, or layers of
/// tower around it. All other options are those of the [`Client`]. It runs within
/// tokio.
///
/// As a [`Stream`] it returns the events alone, and ends when the server has no
/// more of them (204). [`next_event`](Self::next_event) also returns comments and
/// notices about the connection. To disconnect, drop it.
///
/// Without a [read timeout](Client::with_read_timeout), a server that vanished is
/// not noticed. Over HTTP/2, also let the service ping its connections
/// (`http2_keep_alive_interval` of hyper-util's builder): a read timeout ends a
/// stream, and the next request is sent on the same connection, even if that is
/// dead.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
///
/// use bytes::Bytes;
/// use http::Request;
/// use hyper_util::client::legacy;
/// use hyper_util::rt::TokioExecutor;
/// use lasse_hyper::EventSource;
/// use lasse_hyper::lasse_core::Client;
/// use tokio_stream::StreamExt;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let request = Request::get("http://127.0.0.1:4000/news").body(Bytes::new())?;
/// let client = Client::new(request).with_read_timeout(Duration::from_secs(45));
/// let http = legacy::Client::builder(TokioExecutor::new()).build_http();
///
/// let mut events = EventSource::new(client, http);
/// while let Some(event) = events.next().await {
///     let event = event?;
///     println!("{}: {}", event.name(), event.data());
/// }
/// # Ok(())
/// # }
/// ```
///
/// A request that must not be repeated, such as one to a language model, is sent
/// by [`Client::once`]. If it is refused, the error has the server's explanation:
///
/// ```no_run
/// # use bytes::Bytes;
/// # use http::Request;
/// # use hyper_util::client::legacy;
/// # use hyper_util::rt::TokioExecutor;
/// use lasse_hyper::lasse_core::Client;
/// use lasse_hyper::{EventSource, EventSourceError};
/// use tokio_stream::StreamExt;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let request = Request::post("http://127.0.0.1:4000/v1/chat/completions")
///     .header("content-type", "application/json")
///     .body(Bytes::from_static(br#"{"stream":true}"#))?;
/// # let http = legacy::Client::builder(TokioExecutor::new()).build_http();
/// let mut tokens = EventSource::new(Client::once(request), http);
/// while let Some(token) = tokens.next().await {
///     match token {
///         Ok(token) => print!("{}", token.data()),
///         Err(EventSourceError::Closed { reason, body, .. }) => {
///             eprintln!("{reason}: {}", String::from_utf8_lossy(&body));
///         }
///         Err(error) => return Err(error.into()),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "reconnect")]
pub struct EventSource<S: Service<Request<Full<Bytes>>>> {
    client: Client,
    service: S,
    exchange: Exchange<S::Future, S::Response>,
    /// Received bytes that are not decoded yet.
    bytes: Bytes,
    /// Why the connection was lost, until that is returned.
    disconnect: Option<DisconnectReason>,
    /// The beginning of the body that was refused last.
    refused_body: Bytes,
    /// How long a refused body is read.
    refused_until: Option<Instant>,
    timer: Timer,
    is_closed: bool,
}

impl<S: Service<Request<Full<Bytes>>>> EventSource<S> {
    /// The events that `client` receives through `service`. It connects when it is
    /// polled first.
    ///
    /// Most services need requests for absolute URIs, as `http://host/path`.
    pub fn new(client: Client, service: S) -> Self {
        Self {
            client,
            service,
            exchange: Exchange::Over,
            bytes: Bytes::new(),
            disconnect: None,
            refused_body: Bytes::new(),
            refused_until: None,
            timer: Timer::default(),
            is_closed: false,
        }
    }

    /// Where another client can resume later ([`Client::with_last_event_id`]).
    /// Empty if no event had an id.
    pub fn last_event_id(&self) -> &str {
        self.client.last_event_id()
    }
}

impl<S, B> EventSource<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error: Into<BoxError>>,
    B: Body<Error: Into<BoxError>> + Unpin,
{
    /// Returns the next event, comment, or notice about the connection. `None`
    /// when the server has no more events, and after the error that closes the
    /// client.
    ///
    /// It is cancel safe: if the future is dropped, nothing is lost.
    ///
    /// # Errors
    ///
    /// If an event is too large; the stream continues. If the client is closed; the
    /// stream is over.
    pub async fn next_event(&mut self) -> Option<Result<ClientEvent, EventSourceError>> {
        poll_fn(|cx| self.poll_next_event(cx)).await
    }

    /// The same as [`next_event`](Self::next_event), as a poll.
    pub fn poll_next_event(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<ClientEvent, EventSourceError>>> {
        while !self.is_closed {
            // Bytes that arrived in time count before the timeout, even if the user polls late.
            if let Some(event) = self.decode() {
                return Poll::Ready(Some(event));
            }
            match self.exchange.poll(&mut self.service, cx) {
                Poll::Ready(progress) => match self.handle(progress) {
                    Some(event) => return Poll::Ready(Some(Ok(event))),
                    None => continue,
                },
                Poll::Pending => ready!(self.poll_refused(cx)),
            }
            let now = now();
            match self.client.poll_output(now, random()) {
                ClientOutput::Connect(request) => {
                    let disconnect = self.disconnect();
                    self.exchange = Exchange::Due(request.map(Full::new));
                    if let Some(why) = disconnect {
                        return Poll::Ready(Some(Ok(ClientEvent::Lost {
                            why,
                            wait: Duration::ZERO,
                        })));
                    }
                }
                ClientOutput::Listen(until) => ready!(self.timer.poll_at(until, cx)),
                ClientOutput::Wait(until) => {
                    if let Some(why) = self.disconnect() {
                        let wait = until.saturating_duration_since(now);
                        return Poll::Ready(Some(Ok(ClientEvent::Lost { why, wait })));
                    }
                    ready!(self.timer.poll_at(Some(until), cx));
                }
                ClientOutput::Closed(reason) => return Poll::Ready(self.close(reason).map(Err)),
            }
        }
        Poll::Ready(None)
    }

    fn decode(&mut self) -> Option<Result<ClientEvent, EventSourceError>> {
        if self.bytes.is_empty() {
            return None;
        }
        let mut input = &*self.bytes;
        let decoded = self.client.handle_bytes(&mut input, now());
        let event = decoded.map(|decoded| decoded.map(ClientEvent::from)).transpose();
        let rest = input.len();
        self.bytes.advance(self.bytes.len() - rest);
        Some(event?.map_err(EventSourceError::TooLarge))
    }

    /// Passes progress on to the client.
    fn handle(&mut self, progress: Progress<B>) -> Option<ClientEvent> {
        match progress {
            Progress::Sent(uri) => return Some(ClientEvent::Connecting(uri)),
            Progress::Head(response) => return self.handle_head(response),
            Progress::Bytes(bytes) => self.bytes = bytes,
            Progress::RefusedBody(body) => self.refused_body = body,
            Progress::Ended => {
                self.disconnect = Some(DisconnectReason::Ended);
                self.client.handle_end(now());
            }
            Progress::Failed(error) => {
                self.disconnect = Some(DisconnectReason::Failed(error));
                self.client.handle_error(now());
            }
        }
        None
    }

    fn handle_head(&mut self, response: Response<B>) -> Option<ClientEvent> {
        let now = now();
        let status = response.status();
        self.client.handle_head(&response, now);
        self.refused_body = Bytes::new();
        if self.client.is_open() {
            let headers = response.headers().clone();
            self.exchange = Exchange::Open(response);
            return Some(ClientEvent::Open(headers));
        }
        if !status.is_redirection() {
            self.disconnect = Some(DisconnectReason::Status(status));
            if status != StatusCode::NO_CONTENT {
                self.refused_until = Some(now + REFUSED_BODY_TIMEOUT);
                self.exchange.refuse(response);
            }
        }
        None
    }

    /// Pending while a refused body is read, until its time is over.
    fn poll_refused(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Exchange::Refused(..) = self.exchange {
            ready!(self.timer.poll_at(self.refused_until, cx));
            self.refused_body = self.exchange.take_refused().unwrap_or_default();
        }
        Poll::Ready(())
    }

    /// Closes the connection, and returns why it was lost if that is not returned yet. A
    /// connection that still exists has only been silent.
    fn disconnect(&mut self) -> Option<DisconnectReason> {
        let is_connected = !matches!(self.exchange, Exchange::Over);
        self.exchange = Exchange::Over;
        self.disconnect.take().or_else(|| is_connected.then_some(DisconnectReason::Silent))
    }

    /// The only way to the end.
    fn close(&mut self, reason: ClientClosed) -> Option<EventSourceError> {
        self.is_closed = true;
        let last = self.disconnect();
        let body = std::mem::take(&mut self.refused_body);
        match reason {
            ClientClosed::NoContent | ClientClosed::Ended => None,
            ClientClosed::Failures(_) | ClientClosed::Disconnected => {
                Some(EventSourceError::Closed { reason, last, body })
            }
            _ => Some(EventSourceError::Closed { reason, last: None, body }),
        }
    }
}

impl<S, B> Stream for EventSource<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error: Into<BoxError>>,
    B: Body<Error: Into<BoxError>> + Unpin,
{
    type Item = Result<MessageEvent, EventSourceError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let source = self.get_mut();
        loop {
            match ready!(source.poll_next_event(cx)).transpose()? {
                Some(ClientEvent::Message(event)) => return Poll::Ready(Some(Ok(event))),
                // A server that only sends comments must not keep the task to itself.
                Some(_) => ready!(poll_proceed(cx)).made_progress(),
                None => return Poll::Ready(None),
            }
        }
    }
}

/// The only pinned part is in a box of its own.
impl<S: Service<Request<Full<Bytes>>>> Unpin for EventSource<S> {}

impl<S: Service<Request<Full<Bytes>>>> fmt::Debug for EventSource<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSource").field("client", &self.client).finish_non_exhaustive()
    }
}

/// A random number for the client's delays.
fn random() -> u64 {
    // Each state hashes with keys of its own.
    RandomState::new().hash_one(())
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long the body of a refused response is read.
const REFUSED_BODY_TIMEOUT: Duration = Duration::from_secs(2);
