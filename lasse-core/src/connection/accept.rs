//! Answers a request with a stream, or with another response.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Method, Response};

use super::Connection;
use crate::config::StreamConfig;
use crate::contain::contain;
use crate::end::EndReason;
use crate::request::{Accept, Init, RequestHead, has_no_body};
use crate::source::Source;
use crate::time::Instant;

/// The body of a response: a stream `T`, or bytes.
#[derive(Clone, Debug)]
pub enum Body<T> {
    /// A stream of events.
    Stream(T),
    /// A whole body, which may be empty.
    Full(Bytes),
    /// No body, because the request was a HEAD. The head is that of a GET: for
    /// a whole body, it has the `content-length`.
    HeadOnly,
}

impl<T> Body<T> {
    /// The same body with `map(stream)` in place of its stream.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Body<U> {
        match self {
            Self::Stream(stream) => Body::Stream(map(stream)),
            Self::Full(bytes) => Body::Full(bytes),
            Self::HeadOnly => Body::HeadOnly,
        }
    }
}

impl<T, B: Into<Bytes>> From<B> for Body<T> {
    fn from(bytes: B) -> Self {
        Self::Full(bytes.into())
    }
}

impl<S: Source + Accept> Connection<S> {
    /// Answers a request as [`Accept::init`] decides. Methods other than GET and HEAD
    /// get a 405 before `args` runs. A HEAD gets the head that a GET would get, and its
    /// source terminates at once (RFC 9110 9.3.2).
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::{Body, Channel, Connection, Instant, StreamConfig, Subscriber};
    ///
    /// let news = Channel::new(&Default::default());
    /// let request = http::Request::get("/events").body(())?;
    /// let (config, now) = (StreamConfig::new(), Instant::from_nanos(0));
    /// let response = Connection::<Subscriber>::accept(&request, || news.clone(), &config, now);
    /// assert_eq!(response.headers()["content-type"], "text/event-stream");
    /// assert!(matches!(response.into_body(), Body::Stream(_)));
    /// # Ok::<(), http::Error>(())
    /// ```
    pub fn accept<'a>(
        request: impl Into<RequestHead<'a>>,
        args: impl FnOnce() -> S::Args,
        config: &StreamConfig,
        now: Instant,
    ) -> Response<Body<Self>> {
        Self::accept_with(request, |request| S::init(args(), request), config, now)
    }
}

impl<S: Source> Connection<S> {
    /// Answers a request as `init` decides, which does not run if the method is
    /// refused. For sources that are not made by [`Accept`].
    pub fn accept_with<'a>(
        request: impl Into<RequestHead<'a>>,
        init: impl FnOnce(&RequestHead<'_>) -> Init<S>,
        config: &StreamConfig,
        now: Instant,
    ) -> Response<Body<Self>> {
        let responses = &config.settings().responses;
        let request = request.into().in_dialect(config.settings().dialect);
        let dialect = request.dialect();
        let is_head = request.method() == Method::HEAD;
        if let Some(refusal) = responses.refusal(&request) {
            return whole(refusal, is_head);
        }
        match init(&request) {
            Init::Stream(mut source, _) if is_head => {
                contain(|| source.terminate(EndReason::HeadOnly)).ok();
                responses.stream().map(|()| Body::HeadOnly)
            }
            Init::Stream(source, first) => {
                let connection = Self::open_in(dialect, source, first, config, now);
                responses.stream().map(|()| Body::Stream(connection))
            }
            Init::Complete => whole(responses.complete(dialect), is_head),
            Init::Respond(response) => whole(responses.own(response), is_head),
            Init::Refuse(refusal) => whole(responses.refuse(dialect, refusal), is_head),
        }
    }
}

/// A response with a whole body. A HEAD gets the length instead (RFC 9110 9.3.2).
fn whole<T>(response: Response<Bytes>, is_head: bool) -> Response<Body<T>> {
    if !is_head {
        return response.map(Body::Full);
    }
    let (mut head, body) = response.into_parts();
    if !has_no_body(head.status) {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    Response::from_parts(head, Body::HeadOnly)
}
