//! How a request becomes a stream, or another answer.

use bytes::Bytes;
use http::{Method, Response};

use super::Connection;
use crate::config::StreamConfig;
use crate::frame::Frame;
use crate::handler::{EndReason, Handler};
use crate::request::{Accept, Init, RequestHead};
use crate::time::Instant;

/// The body of an answer.
#[derive(Debug)]
pub enum Body<H: Handler> {
    /// A stream of events, to be driven.
    Events(Connection<H>),
    /// All there is to say, if anything.
    Full(Bytes),
    /// None, though a GET would have been answered by a stream.
    HeadOnly,
}

impl<H: Accept> Connection<H> {
    /// Answers a request. Methods other than GET and HEAD are refused by a 405
    /// before `args` are made; a HEAD gets the head that a GET would get, and its
    /// handler terminates at once (RFC 9110 9.3.2).
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::{Body, StreamConfig, Connection, Instant};
    /// # use lasse_core::{Accept, Handler, Init, Next, RequestHead};
    /// # struct Greeter;
    /// # impl Accept for Greeter {
    /// #     type Args = String;
    /// #     fn init(_: String, _: &RequestHead<'_>) -> Init<Self> { Init::Stream(Self, vec![]) }
    /// # }
    /// # impl Handler for Greeter {
    /// #     type Notify = ();
    /// #     type Info = ();
    /// #     fn handle_notify(&mut self, (): ()) -> Next { Next::Wait }
    /// # }
    ///
    /// let request = http::Request::get("/events").body(())?;
    /// let (config, now) = (StreamConfig::new(), Instant::from_nanos(0));
    /// let (head, body) =
    ///     Connection::<Greeter>::accept(&request, || "hello".into(), &config, now).into_parts();
    /// assert_eq!(head.headers["content-type"], "text/event-stream");
    /// assert!(matches!(body, Body::Events(_)));
    /// # Ok::<(), http::Error>(())
    /// ```
    pub fn accept<'a>(
        request: impl Into<RequestHead<'a>>,
        args: impl FnOnce() -> H::Args,
        config: &StreamConfig,
        now: Instant,
    ) -> Response<Body<H>> {
        Self::accept_with(request, |request| H::init(args(), request), config, now)
    }
}

impl<H: Handler> Connection<H> {
    /// Answers a request as `init` decides, which does not run for a refused
    /// method: [`accept`](Self::accept) for handlers that are made elsewhere.
    pub fn accept_with<'a>(
        request: impl Into<RequestHead<'a>>,
        init: impl FnOnce(&RequestHead<'_>) -> Init<H>,
        config: &StreamConfig,
        now: Instant,
    ) -> Response<Body<H>> {
        let request = request.into();
        let answers = &config.settings().answers;
        if let Some(refusal) = answers.refusal(&request) {
            return refusal.map(Body::Full);
        }
        match init(&request) {
            Init::Stream(mut handler, _) if request.method() == Method::HEAD => {
                handler.terminate(EndReason::HeadOnly);
                answers.stream().map(|()| Body::HeadOnly)
            }
            Init::Stream(handler, first) => {
                let connection = Self::open(handler, first, config, now);
                answers.stream().map(|()| Body::Events(connection))
            }
            Init::NoContent => answers.no_content().map(Body::Full),
            Init::Respond(response) => answers.own(response).map(Body::Full),
            Init::Refuse { retry_after } => {
                answers.stream().map(|()| Body::Full(Frame::retry(retry_after).into_bytes()))
            }
        }
    }
}
