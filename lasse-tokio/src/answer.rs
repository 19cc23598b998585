//! What a request is answered with.

use bytes::Bytes;
use futures_core::Stream;
use http::Response;
use lasse_core::{Accept, Body, Channel, Connection, Handler, Init, RequestHead, Subscriber};

use crate::clock::now;
use crate::endpoint::Endpoint;
use crate::events::{Events, Relay, Said};
use crate::gate::Permit;
use crate::mailbox::{Mail, Mailbox, Notifier, Silence, mailbox};
use crate::session::Session;

/// Answers a request by a stream of events, or as [`Accept::init`] decides.
///
/// `args` is given the notifier of the new stream, to put wherever its messages
/// will come from. It does not run if the request is refused: for its method, or
/// by the endpoint's gate.
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
pub fn respond<'a, H: Accept>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    args: impl FnOnce(Notifier<H>) -> H::Args,
) -> Response<Answer<H>> {
    respond_with(request, endpoint, |request| {
        let (notifier, mailbox) = mailbox(endpoint.mailbox_capacity());
        (H::init(args(notifier), request), mailbox)
    })
}

/// Answers a request as `init` decides, by a stream that is fed by the mail
/// which comes with the decision.
///
/// # Examples
///
/// ```
/// use lasse_tokio::lasse_core::Init;
/// use lasse_tokio::{Events, Relay, Endpoint};
/// # use lasse_tokio::Silence;
///
/// # let events = Silence::<Relay>::new();
/// # let request = http::Request::get("/tokens").body(())?;
/// let endpoint = Endpoint::default();
/// let response = lasse_tokio::respond_with(&request, &endpoint, |request| {
///     let init = match request.last_event_id().id() {
///         Some(_) => Init::NoContent,
///         None => Init::Stream(Relay, vec![]),
///     };
///     (init, events)
/// });
/// # let _ = response;
/// # Ok::<(), http::Error>(())
/// ```
pub fn respond_with<'a, H: Handler, M: Stream<Item = Mail<H>> + Unpin>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    init: impl FnOnce(&RequestHead<'_>) -> (Init<H>, M),
) -> Response<Answer<H, M>> {
    let (mut mail, mut permit) = (None, None);
    let init = |request: &RequestHead<'_>| match endpoint.admit(request) {
        Ok(admitted) => {
            permit = admitted;
            let (answer, source) = init(request);
            mail = Some(source);
            answer
        }
        Err(refused) => endpoint.refuse(refused),
    };
    let response = Connection::accept_with(request, init, endpoint.config(), now());
    response.map(|body| Answer::new(body, mail, permit))
}

/// Answers a request by the events of a stream, each an
/// [`Event`](lasse_core::Event), a [`Frame`](lasse_core::Frame) or a `Result` of
/// one. An `Err` aborts the response, lest the client take what it has for all;
/// map it to [`Said::last`] where the client should be told of it.
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
pub fn stream<'a, S: Stream<Item: Into<Said>>>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    events: S,
) -> Response<Answer<Relay, Events<S>>> {
    respond_with(request, endpoint, |_| (Init::Stream(Relay, Vec::new()), Events::new(events)))
}

/// Answers a request by the events of a channel, from where the client left off:
/// what it missed and what comes, without a gap and without a repeat. Tells the
/// channel the time, too, by which its events grow old.
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
/// news.publish(&Event::new("tea is ready"))?;
/// # let _ = response;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn subscribe<'a>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    channel: &Channel,
) -> Response<Answer<Subscriber, Silence<Subscriber>>> {
    respond_with(request, endpoint, |request| {
        channel.advance(now());
        let subscription = channel.subscribe(request.last_event_id());
        (subscription.into_init(|subscriber| subscriber), Silence::new())
    })
}

/// The body of an answer: a stream, or bytes.
#[derive(Debug)]
pub enum Answer<H: Handler, M = Mailbox<H>> {
    /// A stream of events.
    Events(Box<Session<H, M>>),
    /// All there is to say, if anything.
    Full(Bytes),
    /// None, though a GET would have been answered by a stream.
    HeadOnly,
}

impl<H: Handler, M> Answer<H, M> {
    fn new(body: Body<H>, mail: Option<M>, permit: Option<Permit>) -> Self {
        let answer = match body {
            Body::Events(connection) => {
                return Self::Events(Box::new(Session::from_parts(connection, mail, permit)));
            }
            Body::Full(bytes) => Self::Full(bytes),
            Body::HeadOnly => Self::HeadOnly,
        };
        permit.into_iter().for_each(Permit::withdraw);
        answer
    }
}

impl<H: Handler, M, T: Into<Bytes>> From<T> for Answer<H, M> {
    fn from(bytes: T) -> Self {
        Self::Full(bytes.into())
    }
}
