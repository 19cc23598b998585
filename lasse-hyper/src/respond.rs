//! How a request to a hyper, axum or tower service is answered.

use bytes::Bytes;
use futures_core::Stream;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Method, Response, StatusCode};
use lasse_tokio::lasse_core::{
    Accept, Body, Channel, Handler, HandlerSource, Init, Next, Notifier, RequestHead, Source,
    Subscriber,
};
use lasse_tokio::{Endpoint, EventStream, SessionBody};

use crate::body::EventBody;
use crate::end_reason_cell::EndReasonCell;

/// Answers a request by a stream of events, or as [`Accept::init`] decides.
///
/// `args` is given the notifier of the new stream, to put wherever its messages
/// will come from. It does not run if the request is refused.
///
/// # Examples
///
/// ```
/// # use lasse_hyper::lasse_core::{Accept, Event, Handler, Init, Next, RequestHead};
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
) -> Response<EventBody<HandlerSource<H>>> {
    let request = request.into();
    let asker = Asker::of(&request);
    asker.embody(lasse_tokio::respond(request, endpoint, args))
}

/// Answers a request by the events of a stream, each an
/// [`Event`](lasse_tokio::lasse_core::Event), a
/// [`Frame`](lasse_tokio::lasse_core::Frame) or a `Result` of one. An `Err` aborts
/// the response, so that the client does not take what it has for all there is; map it to
/// [`Next::last`] to send an event about it instead.
///
/// The stream is dropped when the response is over, or the client gone, which
/// cancels whatever feeds it.
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
/// use lasse_hyper::Endpoint;
/// use lasse_hyper::lasse_core::{StreamConfig, Event};
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
    let asker = Asker::of(&request);
    asker.embody(lasse_tokio::stream(request, endpoint, events))
}

/// Answers a request by the events of a channel, from where the client left off:
/// what it missed and what comes, without a gap and without a repeat. To who has
/// all of a channel that is over, the answer is 204.
///
/// # Examples
///
/// ```
/// use lasse_hyper::Endpoint;
/// use lasse_hyper::lasse_core::{Channel, ChannelConfig, Event};
///
/// let news = Channel::new(&ChannelConfig::new());
/// let request = http::Request::get("/news").body(())?;
/// let response = lasse_hyper::subscribe(&request, &Endpoint::default(), &news);
/// assert_eq!(response.headers()["content-type"], "text/event-stream");
/// news.publish(Event::new("tea is ready"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn subscribe<'a>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    channel: &Channel,
) -> Response<EventBody<Subscriber>> {
    let request = request.into();
    let asker = Asker::of(&request);
    asker.embody(lasse_tokio::subscribe(request, endpoint, channel))
}

/// Answers a request with the stream of any [`Source`], or as `init` decides.
pub fn respond_with<'a, S: Source>(
    request: impl Into<RequestHead<'a>>,
    endpoint: &Endpoint,
    init: impl FnOnce(&RequestHead<'_>) -> Init<S>,
) -> Response<EventBody<S>> {
    let request = request.into();
    let asker = Asker::of(&request);
    asker.embody(lasse_tokio::respond_with(request, endpoint, init))
}

/// What a body must know of its request.
struct Asker {
    is_head: bool,
    fate: Option<EndReasonCell>,
}

impl Asker {
    fn of(request: &RequestHead<'_>) -> Self {
        let fate = request.extensions().get::<EndReasonCell>().cloned();
        Self { is_head: request.method() == Method::HEAD, fate }
    }

    /// Makes a body of an answer. A HEAD gets none, but hears how long it would
    /// have been (RFC 9110 9.3.2).
    fn embody<S: Source>(self, response: Response<SessionBody<S>>) -> Response<EventBody<S>> {
        let (mut head, mut answer) = response.into_parts();
        if let (true, Body::Full(bytes)) = (self.is_head, &mut answer) {
            if !has_no_body(head.status) {
                head.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            }
            *bytes = Bytes::new();
        }
        Response::from_parts(head, EventBody::new(answer, self.fate))
    }
}

fn has_no_body(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}
