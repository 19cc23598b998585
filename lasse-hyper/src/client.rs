//! The reconnecting client, over whatever brings requests to servers.

mod alarm;
mod client_event;
mod error;
mod exchange;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_core::Stream;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use lasse_tokio::lasse_core::{Client, ClientClosed, ClientOutput};
use lasse_tokio::{chance, now};
use tokio::task::coop::poll_proceed;
use tower_service::Service;

use alarm::Alarm;
use exchange::{Exchange, Progress};

pub use client_event::{ClientEvent, DisconnectReason, MessageEvent};
pub use error::EventSourceError;

/// The events of a server, wherever the connection breaks: a [`Client`] and the
/// service that brings its requests to the server.
///
/// The service is any from requests to responses that follows no redirects by
/// itself: hyper-util's client with a connector of your choice, or layers of
/// tower around it. All other settings are the [`Client`]'s. Runs within tokio.
///
/// As a [`Stream`] it gives the events alone, and ends when the server has said
/// enough (204). [`next_event`](Self::next_event) also tells comments, and what becomes of
/// the connection. To drop it is to hang up.
///
/// Over HTTP/2, let the service ping its connections (`http2_keep_alive_interval`
/// of hyper-util's builder): a read timeout ends a stream, and the next is asked
/// for on the same connection, be it dead or not.
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
pub struct EventSource<S: Service<Request<Full<Bytes>>>> {
    client: Client,
    service: S,
    exchange: Exchange<S::Future, S::Response>,
    /// What has come and is not decoded yet.
    bytes: Bytes,
    /// Why the stream was lost, until it is told.
    loss: Option<DisconnectReason>,
    alarm: Alarm,
    is_over: bool,
}

impl<S: Service<Request<Full<Bytes>>>> EventSource<S> {
    /// What `client` hears by way of `service`, from the first poll on.
    ///
    /// Most services want requests for absolute URIs, as `http://host/path`.
    pub fn new(client: Client, service: S) -> Self {
        Self {
            client,
            service,
            exchange: Exchange::Over,
            bytes: Bytes::new(),
            loss: None,
            alarm: Alarm::default(),
            is_over: false,
        }
    }

    /// Where to resume, for another client at another time
    /// ([`Client::with_last_event_id`]). Empty if there is no such place.
    pub fn last_event_id(&self) -> &str {
        self.client.last_event_id()
    }
}

impl<S, B> EventSource<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error: Into<BoxError>>,
    B: Body<Error: Into<BoxError>> + Unpin,
{
    /// The next thing heard, be it an event or not. `None` when the server has
    /// said enough, or after the error that ends it.
    ///
    /// To drop the future loses nothing.
    ///
    /// # Errors
    ///
    /// When an event was too large, which is no end; and when the client will not
    /// come back, which is.
    pub async fn next_event(&mut self) -> Option<Result<ClientEvent, EventSourceError>> {
        poll_fn(|cx| self.poll_next_event(cx)).await
    }

    /// [`next_event`](Self::next_event), to be polled.
    pub fn poll_next_event(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<ClientEvent, EventSourceError>>> {
        while !self.is_over {
            // What has come counts before the time does: the user may have been away.
            if let Some(heard) = self.decode() {
                return Poll::Ready(Some(heard));
            }
            if let Poll::Ready(progress) = self.exchange.poll(&mut self.service, cx) {
                match self.take(progress) {
                    Some(heard) => return Poll::Ready(Some(Ok(heard))),
                    None => continue,
                }
            }
            let now = now();
            match self.client.poll_output(now, chance()) {
                ClientOutput::Connect(request) => {
                    let loss = self.hang_up();
                    self.exchange = Exchange::Due(request.map(Full::new));
                    if let Some(why) = loss {
                        return Poll::Ready(Some(Ok(ClientEvent::Lost {
                            why,
                            wait: Duration::ZERO,
                        })));
                    }
                }
                ClientOutput::Listen(until) => ready!(self.alarm.poll_at(until, cx)),
                ClientOutput::Wait(until) => {
                    if let Some(why) = self.hang_up() {
                        let wait = until.saturating_duration_since(now);
                        return Poll::Ready(Some(Ok(ClientEvent::Lost { why, wait })));
                    }
                    ready!(self.alarm.poll_at(Some(until), cx));
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
        let heard = decoded.map(|decoded| decoded.map(ClientEvent::from)).transpose();
        let rest = input.len();
        self.bytes.advance(self.bytes.len() - rest);
        Some(heard?.map_err(EventSourceError::TooLarge))
    }

    /// Tells the client what came of its request.
    fn take(&mut self, progress: Progress<B>) -> Option<ClientEvent> {
        match progress {
            Progress::Asked(uri) => return Some(ClientEvent::Connecting(uri)),
            Progress::Answered(response) => return self.take_head(response),
            Progress::Bytes(bytes) => self.bytes = bytes,
            Progress::Ended => {
                self.loss = Some(DisconnectReason::Ended);
                self.client.handle_end(now());
            }
            Progress::Failed(error) => {
                self.loss = Some(DisconnectReason::Failed(error));
                self.client.handle_error(now());
            }
        }
        None
    }

    fn take_head(&mut self, response: Response<B>) -> Option<ClientEvent> {
        self.client.handle_head(&response, now());
        if self.client.is_open() {
            let headers = response.headers().clone();
            self.exchange = Exchange::Answered(response);
            return Some(ClientEvent::Open(headers));
        }
        if !response.status().is_redirection() {
            self.loss = Some(DisconnectReason::Status(response.status()));
        }
        None
    }

    /// Leaves the connection, and says what was wrong with it, if that is not told
    /// yet. Nothing was, but that it was silent, if it is there still.
    fn hang_up(&mut self) -> Option<DisconnectReason> {
        let is_there = !matches!(self.exchange, Exchange::Over);
        self.exchange = Exchange::Over;
        self.loss.take().or_else(|| is_there.then_some(DisconnectReason::Silent))
    }

    /// The only way to the end.
    fn close(&mut self, reason: ClientClosed) -> Option<EventSourceError> {
        self.is_over = true;
        let last = self.hang_up();
        match reason {
            ClientClosed::NoContent => None,
            ClientClosed::Failures(_) => Some(EventSourceError::Closed { reason, last }),
            _ => Some(EventSourceError::Closed { reason, last: None }),
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
                // A server that only comments must not keep the task to itself.
                Some(_) => ready!(poll_proceed(cx)).made_progress(),
                None => return Poll::Ready(None),
            }
        }
    }
}

/// Nothing within is pinned that is not in a box of its own.
impl<S: Service<Request<Full<Bytes>>>> Unpin for EventSource<S> {}

impl<S: Service<Request<Full<Bytes>>>> fmt::Debug for EventSource<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSource").field("client", &self.client).finish_non_exhaustive()
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
