//! Answers requests with streams.

use futures_core::Stream;
use http::Response;
use lasse_core::channel::MergedSubscriber;
use lasse_core::{
    Accept, Body, Channel, Connection, Handler, HandlerSource, Init, MergeError,
    MergedSubscription, Next, Notifier, Refusal, RequestHead, Source, Subscriber, TopicFilter,
    mailbox,
};

use crate::clock::now;
use crate::endpoint::Endpoint;
use crate::event_stream::EventStream;
use crate::expires_at::ExpiresAt;
use crate::gate::{CLIENT_RETRY, Permit};
use crate::random::{point_in, random};
use crate::session::Session;

/// Answers a request with the stream of a handler, or as [`Accept::init`] decides.
///
/// `args` receives the notifier of the new stream: keep it where messages are sent from. It does
/// not run if the request is refused: for its method, or by the endpoint's gate.
///
/// # Examples
///
/// ```
/// # use lasse_tokio::lasse_core::{Accept, Event, Handler, Init, Next, RequestHead};
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
/// use lasse_tokio::Endpoint;
///
/// let endpoint = Endpoint::default();
/// let request = http::Request::get("/events").body(())?;
/// let mut subscribers = Vec::new();
/// let response =
///     lasse_tokio::respond::<Echo>(&request, &endpoint, |notifier| subscribers.push(notifier));
/// assert_eq!(response.status(), 200);
/// subscribers[0].notify("hello")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn respond<'a, H: Handler + Accept>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    args: impl FnOnce(Notifier<H>) -> H::Args,
) -> Response<SessionBody<HandlerSource<H>>> {
    respond_with(request, endpoint, |request| {
        let (notifier, mailbox) = mailbox(endpoint.mailbox_capacity());
        HandlerSource::init((args(notifier), mailbox), request)
    })
}

/// Answers a request with the stream of any [`Source`], or as `init` decides.
///
/// # Examples
///
/// Private messages in addition to the events of a channel:
///
/// ```
/// # use lasse_tokio::lasse_core::{Channel, Event, Handler, Next};
/// # struct Private;
/// # impl Handler for Private {
/// #     type Notify = String;
/// #     type Info = ();
/// #     fn handle_notify(&mut self, text: String) -> Next { Next::send(Event::new(text)) }
/// # }
/// # let news = Channel::new(&Default::default());
/// # let mut notifiers = Vec::new();
/// use lasse_tokio::lasse_core::{HandlerSource, mailbox};
/// use lasse_tokio::{Endpoint, respond_with};
///
/// let request = http::Request::get("/news").body(())?;
/// let response = respond_with(&request, &Endpoint::default(), |request| {
///     let (notifier, mailbox) = mailbox(64);
///     notifiers.push(notifier);
///     let handler = HandlerSource::new(Private, mailbox);
///     let subscription = news.subscribe(request.last_event_id());
///     subscription.into_init(request, |events| handler.with_source(events))
/// });
/// # let _ = response;
/// # Ok::<(), http::Error>(())
/// ```
pub fn respond_with<'a, S: Source>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    init: impl FnOnce(&RequestHead<'_>) -> Init<S>,
) -> Response<SessionBody<S>> {
    let request = request.into();
    let expires_at = request.extensions().get::<ExpiresAt>().copied();
    if expires_at.is_some_and(ExpiresAt::has_passed) {
        return unauthorized(request, endpoint);
    }
    let mut permit = None;
    let init = |request: &RequestHead<'_>| match endpoint.admit(request) {
        Ok(admitted) => {
            permit = admitted;
            init(request)
        }
        Err(rejected) => Init::Refuse(rejected.into()),
    };
    let response = Connection::accept_with(request, init, endpoint.config(), now());
    response.map(|body| match body {
        Body::Stream(_) => body.map(|mut connection| {
            if let Some(ExpiresAt(time)) = expires_at {
                connection.expire_at(time);
            }
            permit.iter_mut().for_each(Permit::confirm);
            Box::new(Session::from_parts(connection, permit))
        }),
        body => {
            permit.into_iter().for_each(Permit::withdraw);
            body.map(|connection| Box::new(Session::new(connection)))
        }
    })
}

/// Answers a request with the events of a stream, each an [`Event`](lasse_core::Event), a
/// [`Frame`](lasse_core::Frame) or a `Result` of one. An `Err` aborts the response, so that the
/// client does not take a part for the whole; map it to [`Next::last`] to send an event about it
/// instead.
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
/// use lasse_tokio::Endpoint;
/// use lasse_tokio::lasse_core::{StreamConfig, Event};
///
/// let endpoint = Endpoint::new(StreamConfig::new().with_finite(true));
/// let request = http::Request::get("/tokens").body(())?;
/// let response = lasse_tokio::stream(&request, &endpoint, Tokens);
/// assert_eq!(response.headers()["content-type"], "text/event-stream");
/// # Ok::<(), http::Error>(())
/// ```
pub fn stream<'a, S: Stream<Item: Into<Next>>>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    events: S,
) -> Response<SessionBody<EventStream<S>>> {
    respond_with(request, endpoint, |_| Init::Stream(EventStream::new(events), Vec::new()))
}

/// Answers a request with the events of a channel, from where the client left off:
/// first those that it missed, then new ones, without a gap and without a repeat. Also
/// passes the time to the channel, by which its events expire.
///
/// # Examples
///
/// ```
/// use lasse_tokio::Endpoint;
/// use lasse_tokio::lasse_core::{Channel, ChannelConfig, Event};
///
/// let news = Channel::new(&ChannelConfig::new());
/// let request = http::Request::get("/news").body(())?;
/// let response = lasse_tokio::subscribe(&request, &Endpoint::default(), &news);
/// news.publish(Event::new("tea is ready"))?;
/// # let _ = response;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "broadcast")]
pub fn subscribe<'a>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    channel: &Channel,
) -> Response<SessionBody<Subscriber>> {
    respond_with(request, endpoint, |request| {
        channel.advance(now());
        channel.subscribe(request.last_event_id()).into_init(request, |subscriber| subscriber)
    })
}

/// Answers a request with the events of a channel whose topics match `filter`, from where the client
/// left off. Which topics the client may read is the caller's decision.
///
/// To change the filter while the stream is open, answer with [`respond_with`] and keep a
/// [`FilterHandle`](lasse_core::FilterHandle).
///
/// # Examples
///
/// ```
/// use lasse_tokio::Endpoint;
/// use lasse_tokio::lasse_core::{Channel, ChannelConfig, Event, Topic, TopicFilter};
///
/// let rooms = Channel::new(&ChannelConfig::new());
/// let filter = TopicFilter::new([Topic::new("user.ada")?, Topic::new("room.tea")?])?;
/// let request = http::Request::get("/events").body(())?;
/// let response = lasse_tokio::subscribe_to(&request, &Endpoint::default(), &rooms, &filter);
/// rooms.publish_to(&Topic::new("room.tea")?, Event::new("The kettle is on."))?;
/// # let _ = response;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn subscribe_to<'a>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    channel: &Channel,
    filter: &TopicFilter,
) -> Response<SessionBody<Subscriber>> {
    respond_with(request, endpoint, |request| {
        channel.advance(now());
        let subscription = channel.subscribe_to(filter, request.last_event_id());
        subscription.into_init(request, |subscriber| subscriber)
    })
}

/// Answers a request with the events of up to four channels on one stream, from where the client
/// left off in each: such as the private channel of a user and a channel for all. The names of the
/// channels are in the ids of the stream, and in resets.
///
/// For topics, snapshots or channels of several nodes, make a
/// [`MergedSubscription`] of subscriptions, and answer with [`respond_with`].
///
/// # Errors
///
/// If the names, or the number of channels, are not valid, if the events of a channel have ids of
/// their own, or if the names and epochs do not fit into the ids. That does not depend on the request.
///
/// # Examples
///
/// ```
/// use lasse_tokio::Endpoint;
/// use lasse_tokio::lasse_core::{Channel, ChannelConfig, Event};
///
/// let (own, all) = (Channel::new(&ChannelConfig::new()), Channel::new(&ChannelConfig::new()));
/// let request = http::Request::get("/events").body(())?;
/// let channels = [("me", &own), ("all", &all)];
/// let response = lasse_tokio::subscribe_merged(&request, &Endpoint::default(), channels)?;
/// own.publish(Event::new("for you"))?;
/// # let _ = response;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "merge")]
pub fn subscribe_merged<'a, 'c, N: AsRef<str>>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    channels: impl IntoIterator<Item = (N, &'c Channel)>,
) -> Result<Response<SessionBody<MergedSubscriber>>, MergeError> {
    let request = request.into();
    let channels = channels.into_iter().inspect(|(_, channel)| channel.advance(now()));
    let merged = MergedSubscription::of_channels(channels, request.last_event_id())?;
    Ok(respond_with(request, endpoint, |request| merged.into_init(request, |events| events)))
}

/// Refuses a request whose client must sign in: [`Refusal::unauthorized`], after which the client
/// returns in 60 to 75 seconds. An `EventSource` gets an event named `unauthorized`, since a 401
/// would end it permanently; answer with your own 401 if you want that.
///
/// # Examples
///
/// ```
/// # use lasse_tokio::lasse_core::Channel;
/// use lasse_tokio::{Endpoint, subscribe, unauthorized};
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
) -> Response<SessionBody<S>> {
    refuse(request, endpoint, Refusal::unauthorized(point_in(CLIENT_RETRY, random())))
}

/// Refuses a request, in the form that its client understands, without asking a gate.
pub fn refuse<'a, S: Source>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    refusal: Refusal,
) -> Response<SessionBody<S>> {
    let init = |_: &RequestHead<'_>| Init::Refuse(refusal);
    let response = Connection::accept_with(request, init, endpoint.config(), now());
    response.map(|body| body.map(|connection| Box::new(Session::new(connection))))
}

/// The body of a response: the [`Session`] of a stream, or bytes.
pub type SessionBody<S> = Body<Box<Session<S>>>;
