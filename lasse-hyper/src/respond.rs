//! Answers requests to hyper, axum and tower services with streams.

use futures_core::Stream;
use http::Response;
use lasse_tokio::channel::MergedSubscriber;
use lasse_tokio::{
    Accept, Channel, Endpoint, EventStream, Handler, HandlerSource, Init, MergeError, Next,
    Notifier, Refusal, RequestHead, Source, Subscriber, TopicFilter,
};

use crate::body::EventBody;
use crate::end_reason_cell::EndReasonCell;

/// Answers a request with the stream of a handler, or as [`Accept::init`] decides.
///
/// `args` receives the notifier of the new stream: keep it where messages are sent from. It does
/// not run if the request is refused: for its method, or by the endpoint's gate.
///
/// # Examples
///
/// ```
/// # use lasse_hyper::{Accept, Event, Handler, Init, Next, RequestHead};
/// # struct Echo;
/// # impl Handler for Echo {
/// #     type Notify = &'static str;
/// #     type Info = ();
/// #     fn handle_notify(&mut self, text: &'static str) -> Next { Next::send(Event::new(text)) }
/// # }
/// # impl Accept for Echo {
/// #     type Args = ();
/// #     fn init((): (), _: &RequestHead<'_>) -> Init<Self> { Init::Stream(Self, vec![]) }
/// # }
/// use lasse_hyper::Endpoint;
///
/// let endpoint = Endpoint::default();
/// let request = http::Request::get("/events").body(())?;
/// let mut subscribers = Vec::new();
/// let response =
///     lasse_hyper::respond::<Echo>(&request, &endpoint, |notifier| subscribers.push(notifier));
/// assert_eq!(response.headers()["content-type"], "text/event-stream");
/// subscribers[0].notify("hello")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn respond<'a, H: Handler + Accept>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    args: impl FnOnce(Notifier<H>) -> H::Args,
) -> Response<HandlerBody<H>> {
    let request = request.into();
    let reason = reason_of(&request);
    lasse_tokio::respond(request, endpoint, args).map(|body| EventBody::new(body, reason))
}

/// Answers a request with the events of a stream, each an [`Event`](crate::Event), a
/// [`Frame`](crate::Frame) or a `Result` of one. An `Err` aborts the response, so that the client
/// does not take a part for the whole; map it to [`Next::last`] to send an event about it instead.
///
/// The stream is dropped when the response ends, for any reason, which cancels its producer.
///
/// # Examples
///
/// ```
/// # use std::{pin::Pin, task::{Context, Poll}};
/// # struct Tokens;
/// # impl futures_core::Stream for Tokens {
/// #     type Item = Result<Event<'static>, std::io::Error>;
/// #     fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
/// #         Poll::Ready(None)
/// #     }
/// # }
/// use lasse_hyper::{Endpoint, Event, StreamConfig};
///
/// let endpoint = Endpoint::new(StreamConfig::new().with_finite(true));
/// let request = http::Request::get("/tokens").body(())?;
/// let response = lasse_hyper::stream(&request, &endpoint, Tokens);
/// assert_eq!(response.headers()["content-type"], "text/event-stream");
/// # Ok::<(), http::Error>(())
/// ```
pub fn stream<'a, S: Stream<Item: Into<Next>>>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    events: S,
) -> Response<EventBody<EventStream<S>>> {
    let request = request.into();
    let reason = reason_of(&request);
    lasse_tokio::stream(request, endpoint, events).map(|body| EventBody::new(body, reason))
}

/// Answers a request with the events of a channel, from where the client left off:
/// first those that it missed, then new ones, without a gap and without a repeat. A client
/// that has received all events of a finished channel gets a 204.
///
/// # Examples
///
/// ```
/// use lasse_hyper::{Channel, ChannelConfig, Endpoint, Event};
///
/// let news = Channel::new(&ChannelConfig::new());
/// let request = http::Request::get("/news").body(())?;
/// let response = lasse_hyper::subscribe(&request, &Endpoint::default(), &news);
/// assert_eq!(response.headers()["content-type"], "text/event-stream");
/// news.publish(Event::new("tea is ready"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "broadcast")]
pub fn subscribe<'a>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    channel: &Channel,
) -> Response<ChannelBody> {
    let request = request.into();
    let reason = reason_of(&request);
    lasse_tokio::subscribe(request, endpoint, channel).map(|body| EventBody::new(body, reason))
}

/// Answers a request with the events of a channel whose topics match `filter`, from where the client
/// left off. Which topics the client may read is the caller's decision.
///
/// # Examples
///
/// ```
/// use lasse_hyper::{Channel, ChannelConfig, Endpoint, Topic, TopicFilter};
///
/// let rooms = Channel::new(&ChannelConfig::new());
/// let filter = TopicFilter::new([Topic::new("user.ada")?, Topic::new("room.tea")?])?;
/// let request = http::Request::get("/events").body(())?;
/// let response = lasse_hyper::subscribe_to(&request, &Endpoint::default(), &rooms, &filter);
/// assert_eq!(response.headers()["content-type"], "text/event-stream");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn subscribe_to<'a>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    channel: &Channel,
    filter: &TopicFilter,
) -> Response<ChannelBody> {
    let request = request.into();
    let reason = reason_of(&request);
    let response = lasse_tokio::subscribe_to(request, endpoint, channel, filter);
    response.map(|body| EventBody::new(body, reason))
}

/// Answers a request with the events of up to four channels on one stream, from where the client
/// left off in each: such as the private channel of a user and a channel for all. The names of the
/// channels are in the ids of the stream, and in resets.
///
/// For topics, snapshots or channels of several nodes, make a
/// [`MergedSubscription`](lasse_tokio::MergedSubscription) of subscriptions, and answer with
/// [`respond_with`].
///
/// # Errors
///
/// If the names, or the number of channels, are not valid, if the events of a channel have ids of
/// their own, or if the names and epochs do not fit into the ids. That does not depend on the request.
///
/// # Examples
///
/// ```
/// use lasse_hyper::{Channel, ChannelConfig, Endpoint, Event};
///
/// let (own, all) = (Channel::new(&ChannelConfig::new()), Channel::new(&ChannelConfig::new()));
/// let request = http::Request::get("/events").body(())?;
/// let channels = [("me", &own), ("all", &all)];
/// let response = lasse_hyper::subscribe_merged(&request, &Endpoint::default(), channels)?;
/// assert_eq!(response.headers()["content-type"], "text/event-stream");
/// own.publish(Event::new("for you"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "merge")]
pub fn subscribe_merged<'a, 'c, N: AsRef<str>>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    channels: impl IntoIterator<Item = (N, &'c Channel)>,
) -> Result<Response<MergedBody>, MergeError> {
    let request = request.into();
    let reason = reason_of(&request);
    let response = lasse_tokio::subscribe_merged(request, endpoint, channels)?;
    Ok(response.map(|body| EventBody::new(body, reason)))
}

/// Answers a request with the stream of any [`Source`], or as `init` decides.
pub fn respond_with<'a, S: Source>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    init: impl FnOnce(&RequestHead<'_>) -> Init<S>,
) -> Response<EventBody<S>> {
    let request = request.into();
    let reason = reason_of(&request);
    lasse_tokio::respond_with(request, endpoint, init).map(|body| EventBody::new(body, reason))
}

/// Refuses a request whose client must sign in: an `EventSource` by an event named `unauthorized`,
/// other clients by a 401. It returns in 60 to 75 seconds.
///
/// # Examples
///
/// ```
/// # use lasse_hyper::Channel;
/// use lasse_hyper::{Endpoint, subscribe, unauthorized};
///
/// # let news = Channel::new(&Default::default());
/// let (endpoint, request) = (Endpoint::default(), http::Request::get("/news").body(())?);
/// let response = match request.headers().get("cookie") {
///     Some(_) => subscribe(&request, &endpoint, &news),
///     None => unauthorized(&request, &endpoint),
/// };
/// assert_eq!(response.status(), 200);
/// # Ok::<(), http::Error>(())
/// ```
#[doc(alias("401", "sign-in"))]
pub fn unauthorized<'a, S: Source>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
) -> Response<EventBody<S>> {
    lasse_tokio::unauthorized(request, endpoint).map(|body| EventBody::new(body, None))
}

/// Refuses a request, in the form that its client understands, without asking a gate.
pub fn refuse<'a, S: Source>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    refusal: Refusal,
) -> Response<EventBody<S>> {
    lasse_tokio::refuse(request, endpoint, refusal).map(|body| EventBody::new(body, None))
}

/// The body of a response by [`subscribe`].
pub type ChannelBody = EventBody<Subscriber>;

/// The body of a response by [`subscribe_merged`].
pub type MergedBody = EventBody<MergedSubscriber>;

/// The body of a response by [`respond`], with a handler `H`.
pub type HandlerBody<H> = EventBody<HandlerSource<H>>;

fn reason_of(request: &RequestHead<'_>) -> Option<EndReasonCell> {
    request.extensions().get().cloned()
}
