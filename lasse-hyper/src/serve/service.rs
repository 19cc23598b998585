//! The user's service, as hyper calls it for one connection.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRAILER, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use lasse_tokio::lasse_core::http1::{BadRequest, check_request};
use tokio::time::{Sleep, sleep};

use super::body::{Busy, ResponseBody};
use super::context::ConnectionContext;
use super::exchange::{Exchange, WriteMode};
use super::request_end::RequestEnd;
use super::stream_executor::{StreamExecutor, StreamProgress};

/// What hyper accepts as an error.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A service that the server can serve.
pub(super) trait UserService:
    Service<
        Request<Incoming>,
        Response = Response<Self::ResponseBody>,
        Future: Send,
        Error: Into<BoxError>,
    > + Send
    + 'static
{
    type ResponseBody: Body<Data: Send, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> UserService for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Future: Send, Error: Into<BoxError>>
        + Send
        + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type ResponseBody = B;
}

/// The user's service, as hyper calls it for one connection.
#[derive(Debug)]
pub(super) struct ConnectionService<S, B> {
    pub(super) service: S,
    pub(super) context: Arc<ConnectionContext>,
    pub(super) version: HttpVersion<B>,
}

/// The version of HTTP of a connection, with what its responses need.
#[derive(Debug)]
pub(super) enum HttpVersion<B> {
    Http1(Arc<Exchange<B>>),
    Http2(StreamExecutor),
}

impl<S: UserService> Service<Request<Incoming>> for ConnectionService<S, S::ResponseBody> {
    type Response = Response<ResponseBody<S::ResponseBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, S::ResponseBody>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.context.handle_request();
        let facts = RequestFacts::new(&mut request);
        let checked = check_request(&mut request);
        let (end_reason, carrier) = match &self.version {
            HttpVersion::Http1(exchange) => {
                let busy = Busy::new(exchange.clone());
                let context = self.context.clone();
                (context.end_reason.clone(), Carrier::Http1 { context, busy })
            }
            HttpVersion::Http2(streams) => {
                let end_reason = self.context.end_reason.of_stream();
                (end_reason.clone(), Carrier::Http2(streams.expect_stream(end_reason)))
            }
        };
        let extensions = request.extensions_mut();
        extensions.insert(self.context.peer);
        extensions.insert(self.context.settings.gate.clone());
        extensions.insert(end_reason);
        let response = match checked {
            Ok(()) => PendingResponse::Waiting(Box::pin(self.service.call(request))),
            Err(error) => PendingResponse::Refused(error),
        };
        let timeout = self.context.settings.config.response_timeout();
        ResponseFuture { response, timeout, timer: None, facts, carrier: Some(carrier) }
    }
}

/// What the response depends on, of its request.
#[derive(Clone, Debug)]
struct RequestFacts {
    is_http10: bool,
    is_head: bool,
    is_connect: bool,
    /// `None` if the request has no body, or a stream of its own.
    end: Option<RequestEnd>,
}

impl RequestFacts {
    fn new(request: &mut Request<Incoming>) -> Self {
        let has_body = request.version() != Version::HTTP_2 && !request.body().is_end_stream();
        let end = has_body.then(RequestEnd::default);
        if let Some(end) = &end {
            request.extensions_mut().insert(end.clone());
        }
        Self {
            is_http10: request.version() == Version::HTTP_10,
            is_head: request.method() == Method::HEAD,
            is_connect: request.method() == Method::CONNECT,
            end,
        }
    }
}

/// The future of a response. Hyper keeps the memory for it as long as the connection,
/// so its parts are in boxes.
#[derive(Debug)]
pub(super) struct ResponseFuture<F, B> {
    response: PendingResponse<F, B>,
    /// How long the service can take.
    timeout: Duration,
    /// Runs if the service was pending.
    timer: Option<Pin<Box<Sleep>>>,
    facts: RequestFacts,
    carrier: Option<Carrier<B>>,
}

#[derive(Debug)]
enum PendingResponse<F, B> {
    /// The service does not get the request.
    Refused(BadRequest),
    Waiting(Pin<Box<F>>),
    /// It upgrades the connection, and waits until the task has prepared that.
    Upgrade(Box<Response<B>>),
    Returned,
}

/// What carries a response: a connection, or a stream of one.
#[derive(Debug)]
enum Carrier<B> {
    Http1 { context: Arc<ConnectionContext>, busy: Busy<B> },
    Http2(Arc<StreamProgress>),
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = &mut *self;
        if let PendingResponse::Waiting(waiting) = &mut future.response {
            let Poll::Ready(response) = waiting.as_mut().poll(cx)? else {
                ready!(future.poll_timer(cx));
                future.response = PendingResponse::Returned;
                return Poll::Ready(Ok(future.facts.refuse(StatusCode::SERVICE_UNAVAILABLE)));
            };
            future.response = PendingResponse::Returned;
            if !future.must_prepare_upgrade(&response) {
                return Poll::Ready(Ok(future.finish(response)));
            }
            future.response = PendingResponse::Upgrade(Box::new(response));
        }
        if matches!(future.response, PendingResponse::Upgrade(_)) && !future.is_upgrade_prepared() {
            return Poll::Pending;
        }
        match mem::replace(&mut future.response, PendingResponse::Returned) {
            PendingResponse::Refused(error) => {
                Poll::Ready(Ok(future.facts.refuse(error.response().status())))
            }
            PendingResponse::Upgrade(response) => Poll::Ready(Ok(future.finish(*response))),
            PendingResponse::Waiting(_) | PendingResponse::Returned => Poll::Pending,
        }
    }
}

impl<F, B: Body> ResponseFuture<F, B> {
    /// Ready when the service has taken too long.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timeout = self.timeout;
        self.timer.get_or_insert_with(|| Box::pin(sleep(timeout))).as_mut().poll(cx)
    }

    fn must_prepare_upgrade(&self, response: &Response<B>) -> bool {
        let is_upgrade = self.facts.is_upgraded_by(response.status());
        match &self.carrier {
            Some(Carrier::Http1 { busy, .. }) if is_upgrade => {
                busy.0.set_wants_upgrade(true);
                true
            }
            _ => false,
        }
    }

    fn is_upgrade_prepared(&self) -> bool {
        match &self.carrier {
            Some(Carrier::Http1 { busy, .. }) => busy.0.mode() == WriteMode::Upgrade,
            _ => true,
        }
    }

    /// Sets what the server decides about the head, and chooses what polls the body.
    fn finish(&mut self, response: Response<B>) -> Response<ResponseBody<B>> {
        let (mut head, body) = response.into_parts();
        let facts = self.facts.clone();
        if facts.is_head {
            set_length(&mut head.headers, &body);
        }
        let body = match self.carrier.take() {
            Some(Carrier::Http1 { context, busy }) => {
                if context.settings.gate.is_draining() || facts.is_last_response(&head) {
                    facts.set_close(&mut head);
                }
                facts.http1_body(&head, body, context, busy)
            }
            Some(Carrier::Http2(progress)) if !facts.is_head => {
                ResponseBody::Http2 { body, progress }
            }
            Some(Carrier::Http2(_)) | None => ResponseBody::Empty,
        };
        Response::from_parts(head, body)
    }
}

impl RequestFacts {
    fn http1_body<B: Body>(
        &self,
        head: &Parts,
        body: B,
        context: Arc<ConnectionContext>,
        busy: Busy<B>,
    ) -> ResponseBody<B> {
        if self.is_head {
            return ResponseBody::Empty;
        }
        if self.can_hand_over(head, &body) {
            busy.0.hand_over(body);
            return ResponseBody::HandedOver { busy };
        }
        if self.is_http10 && has_no_length(head, &body) {
            busy.0.set_mode(WriteMode::CloseDelimited);
        }
        ResponseBody::Http1 { body, context, busy }
    }

    /// Whether the task of the connection can write the body in place of hyper: a stream
    /// of events in chunks, after which the next request follows.
    fn can_hand_over(&self, head: &Parts, body: &impl Body) -> bool {
        !self.is_http10
            && !self.is_connect
            && self.end.as_ref().is_none_or(RequestEnd::is_read)
            && head.status == StatusCode::OK
            && is_event_stream(&head.headers)
            && !head.headers.contains_key(TRANSFER_ENCODING)
            && !head.headers.contains_key(TRAILER)
            && has_no_length(head, body)
    }

    fn is_upgraded_by(&self, status: StatusCode) -> bool {
        status == StatusCode::SWITCHING_PROTOCOLS || self.is_connect && status.is_success()
    }

    /// Whether the request was not read to its end, as far as the status shows. The
    /// client should not send the rest.
    fn is_last_response(&self, head: &Parts) -> bool {
        let is_cut = [StatusCode::PAYLOAD_TOO_LARGE, StatusCode::REQUEST_TIMEOUT];
        self.end.is_some() && is_cut.contains(&head.status)
    }

    /// A response of the server's own, after which the connection closes.
    fn refuse<B>(&self, status: StatusCode) -> Response<ResponseBody<B>> {
        let (mut head, ()) = Response::new(()).into_parts();
        head.status = status;
        self.set_close(&mut head);
        Response::from_parts(head, ResponseBody::Empty)
    }

    /// States that the connection closes after this response.
    fn set_close(&self, head: &mut Parts) {
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if self.is_http10 {
            // To a response of HTTP/1.1, hyper would add the `keep-alive` that the client wants.
            head.version = Version::HTTP_10;
        }
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let essence = headers.get(CONTENT_TYPE).and_then(|value| {
        let essence = value.as_bytes().split(|byte| *byte == b';').next()?;
        Some(essence.trim_ascii())
    });
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case(b"text/event-stream"))
}

fn has_no_length(head: &Parts, body: &impl Body) -> bool {
    !body.is_end_stream()
        && body.size_hint().exact().is_none()
        && !head.headers.contains_key(CONTENT_LENGTH)
}

/// Sets the length that the body of a response to GET has. An empty body has none:
/// a 204 must not have the field (RFC 9110 8.6).
fn set_length(headers: &mut HeaderMap, body: &impl Body) {
    if let Some(len @ 1..) = body.size_hint().exact() {
        headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(len));
    }
}
