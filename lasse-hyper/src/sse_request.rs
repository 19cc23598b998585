//! A request for a stream, as an argument of an axum handler.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::Response;
use futures_core::Stream;
use http::request::Parts;
use lasse_tokio::lasse_core::{
    Accept, Channel, Handler, Init, LastEventId, MergeError, Next, Notifier, Refusal, RequestHead,
    Source, Subscriber, TopicFilter,
};
use lasse_tokio::{Endpoint, ExpiresAt, PeerAddr, Subscribable};

use crate::respond::{refuse, respond, respond_with, stream, subscribe_merged, unauthorized};

/// A request for a stream, as an argument of an axum handler.
///
/// It can be combined with other extractors. One that reads the body, such as `Json`, must be the
/// last argument.
///
/// The settings of the stream are those of the [`Endpoint`] in the extensions of the
/// request, which `Router::layer(Extension(endpoint))` puts there, or of
/// [`with_endpoint`](Self::with_endpoint), or the defaults. A gate is found in the
/// endpoint, or in the extensions.
///
/// Return the response from the handler. Every method makes a complete response: a 405
/// or 406 if the request cannot be answered by a stream, and a refusal if the gate
/// does not admit it.
///
/// # Examples
///
/// ```
/// use axum::Router;
/// use axum::extract::State;
/// use axum::response::IntoResponse;
/// use axum::routing::get;
/// use lasse_hyper::SseRequest;
/// use lasse_hyper::lasse_core::{Channel, ChannelConfig};
///
/// async fn news(request: SseRequest, State(news): State<Channel>) -> impl IntoResponse {
///     request.subscribe(&news).await
/// }
///
/// let news_channel = Channel::new(&ChannelConfig::new());
/// let router: Router = Router::new().route("/news", get(news)).with_state(news_channel);
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "Sse")]
#[doc(alias = "extractor")]
pub struct SseRequest {
    parts: Parts,
    last_event_id: LastEventId,
    endpoint: Endpoint,
}

impl SseRequest {
    /// The id of the last event that the client received: from the `Last-Event-ID`
    /// field, else from the query.
    pub fn last_event_id(&self) -> &LastEventId {
        &self.last_event_id
    }

    /// The head of the request.
    pub fn head(&self) -> RequestHead<'_> {
        RequestHead::from(&self.parts)
    }

    /// Uses the settings of `endpoint`, such as one in the state of the router.
    #[must_use]
    pub fn with_endpoint(self, endpoint: &Endpoint) -> Self {
        Self { endpoint: endpoint.clone(), ..self }
    }

    /// Ends the stream at this time, when the credentials of the request expire.
    #[must_use]
    pub fn with_expiry(mut self, expires_at: ExpiresAt) -> Self {
        self.parts.extensions.insert(expires_at);
        self
    }

    /// Answers with the events of a channel, from where the client left off, like
    /// [`subscribe`](crate::subscribe()). The channel can be one of several nodes, such as a
    /// `RedisChannel`.
    #[doc(alias = "broadcast")]
    pub async fn subscribe(self, channel: &(impl Subscribable + ?Sized)) -> Response {
        self.answer(channel, None).await
    }

    /// Answers with the events of a channel whose topics match `filter`, from where the client left
    /// off, like [`subscribe_to`](crate::subscribe_to()). Which topics the client may read is the
    /// caller's decision.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::extract::{Path, State};
    /// use axum::http::StatusCode;
    /// use axum::response::Response;
    /// use lasse_hyper::SseRequest;
    /// use lasse_hyper::lasse_core::{Channel, Topic, TopicFilter};
    ///
    /// async fn room(
    ///     request: SseRequest,
    ///     State(rooms): State<Channel>,
    ///     Path(room): Path<String>,
    /// ) -> Result<Response, StatusCode> {
    ///     let topic = Topic::new(format!("room.{room}")).map_err(|_| StatusCode::BAD_REQUEST)?;
    ///     Ok(request.subscribe_to(&rooms, &TopicFilter::from(topic)).await)
    /// }
    /// # let router: axum::Router<Channel> =
    /// #     axum::Router::new().route("/{room}", axum::routing::get(room));
    /// ```
    pub async fn subscribe_to(
        self,
        channel: &(impl Subscribable + ?Sized),
        filter: &TopicFilter,
    ) -> Response {
        self.answer(channel, Some(filter)).await
    }

    /// Answers with the events of up to four channels on one stream, from where the client left off in
    /// each, like [`subscribe_merged`](crate::subscribe_merged()).
    ///
    /// # Errors
    ///
    /// If the channels cannot be merged, which does not depend on the request.
    ///
    /// # Examples
    ///
    /// The private channel of a user, and the channel for all:
    ///
    /// ```
    /// use axum::extract::{Path, State};
    /// use axum::http::StatusCode;
    /// use axum::response::Response;
    /// use lasse_hyper::SseRequest;
    /// use lasse_hyper::lasse_core::{Channel, Channels};
    ///
    /// #[derive(Clone)]
    /// struct Feeds {
    ///     own: Channels<String>,
    ///     all: Channel,
    /// }
    ///
    /// async fn events(
    ///     request: SseRequest,
    ///     State(feeds): State<Feeds>,
    ///     Path(user): Path<String>,
    /// ) -> Result<Response, StatusCode> {
    ///     let own = feeds.own.open(user);
    ///     let channels = [("me", &own), ("all", &feeds.all)];
    ///     let response = request.subscribe_merged(channels).await;
    ///     response.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    /// }
    /// # let router: axum::Router<Feeds> =
    /// #     axum::Router::new().route("/{user}", axum::routing::get(events));
    /// ```
    #[doc(alias = "merge")]
    pub async fn subscribe_merged<'c, N: AsRef<str>>(
        self,
        channels: impl IntoIterator<Item = (N, &'c Channel)>,
    ) -> Result<Response, MergeError> {
        let response = subscribe_merged(&self.parts, &self.endpoint, channels)?;
        Ok(response.map(Body::new))
    }

    /// Answers with the events of a stream, each an
    /// [`Event`](lasse_tokio::lasse_core::Event), a
    /// [`Frame`](lasse_tokio::lasse_core::Frame) or a `Result` of one, like
    /// [`stream`](crate::stream()).
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::response::IntoResponse;
    /// use lasse_hyper::SseRequest;
    /// use lasse_hyper::lasse_core::Event;
    ///
    /// async fn count(request: SseRequest) -> impl IntoResponse {
    ///     let numbers = (1..=3).map(|number: u32| Event::new(number.to_string()));
    ///     request.stream(tokio_stream::iter(numbers))
    /// }
    /// # let router: axum::Router = axum::Router::new().route("/", axum::routing::get(count));
    /// ```
    pub fn stream<S>(self, events: S) -> Response
    where
        S: Stream<Item: Into<Next>> + Send + 'static,
    {
        stream(&self.parts, &self.endpoint, events).map(Body::new)
    }

    /// Answers with the stream of a handler, or as [`Accept::init`] decides, like
    /// [`respond`](crate::respond()).
    pub fn respond<H>(self, args: impl FnOnce(Notifier<H>) -> H::Args) -> Response
    where
        H: Handler<Notify: Send, Info: Send> + Accept + Send + 'static,
    {
        respond::<H>(&self.parts, &self.endpoint, args).map(Body::new)
    }

    /// Answers with the stream of any [`Source`], or as `init` decides.
    pub fn respond_with<S>(self, init: impl FnOnce(&RequestHead<'_>) -> Init<S>) -> Response
    where
        S: Source + Send + 'static,
    {
        respond_with(&self.parts, &self.endpoint, init).map(Body::new)
    }

    /// Refuses the request because the client must sign in, like
    /// [`unauthorized`](crate::unauthorized()).
    #[doc(alias("401", "sign-in"))]
    pub fn unauthorized(self) -> Response {
        unauthorized::<Subscriber>(&self.parts, &self.endpoint).map(Body::new)
    }

    /// Refuses the request, in the form that its client understands.
    pub fn refuse(self, refusal: Refusal) -> Response {
        refuse::<Subscriber>(&self.parts, &self.endpoint, refusal).map(Body::new)
    }

    async fn answer(
        self,
        channel: &(impl Subscribable + ?Sized),
        filter: Option<&TopicFilter>,
    ) -> Response {
        let decide = channel.decide(filter, &self.last_event_id).made().await;
        let init = |head: &RequestHead<'_>| decide().into_init(head, |events| events);
        respond_with(&self.parts, &self.endpoint, init).map(Body::new)
    }
}

impl<S: Sync> FromRequestParts<S> for SseRequest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let mut parts = parts.clone();
        // Gates and handlers find the address where lasse's own servers put it.
        if let Some(peer) = PeerAddr::from_extensions(&parts.extensions) {
            parts.extensions.insert(peer);
        }
        let last_event_id = RequestHead::from(&parts).last_event_id().clone();
        let endpoint = parts.extensions.get().cloned().unwrap_or_default();
        Ok(Self { parts, last_event_id, endpoint })
    }
}
