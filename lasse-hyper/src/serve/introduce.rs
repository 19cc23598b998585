//! The user's service, each request being introduced to it: who asks, and what
//! becomes of the answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;
use lasse_tokio::{Gate, PeerAddr};
use pin_project_lite::pin_project;

use super::streams::{Pace, Streams};
use crate::end_reason_cell::EndReasonCell;

/// What is known of one connection.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) peer: PeerAddr,
    pub(super) gate: Gate,
    pub(super) fate: EndReasonCell,
    /// Whether the head of a request has come.
    has_spoken: AtomicBool,
    /// Whether it has one request at a time, and that is not answered.
    is_busy: AtomicBool,
    /// Whether a response is under way that ends with the connection (RFC 9112
    /// 6.3): if it is cut off, the connection must be reset.
    is_close_delimited: AtomicBool,
    /// Whether its task has been woken since the body last had nothing to say.
    is_awake: AtomicBool,
}

impl Caller {
    pub(super) fn new(peer: PeerAddr, gate: Gate) -> Self {
        let [has_spoken, is_busy, is_close_delimited, is_awake] =
            [const { AtomicBool::new(false) }; 4];
        let fate = EndReasonCell::new();
        Self { peer, gate, fate, has_spoken, is_busy, is_close_delimited, is_awake }
    }

    /// The task of the connection runs.
    pub(super) fn handle_woken(&self) {
        self.is_awake.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_spoken(&self) -> bool {
        self.has_spoken.load(Ordering::Relaxed)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Relaxed)
    }

    /// All responses are written and flushed to their ends.
    pub(super) fn handle_flushed(&self) {
        self.is_close_delimited.store(false, Ordering::Relaxed);
    }

    /// Whether the client would take a response for whole that is cut off.
    pub(super) fn must_reset(&self) -> bool {
        self.is_close_delimited.load(Ordering::Relaxed)
    }
}

/// The service of one connection.
#[derive(Debug)]
pub(super) struct Introduce<S> {
    pub(super) service: S,
    pub(super) caller: Arc<Caller>,
    /// Where the streams run, if there are several at a time.
    pub(super) streams: Option<Streams>,
}

impl<S, B> Service<Request<Incoming>> for Introduce<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    B: Body,
{
    type Response = Response<PacedBody<B>>;
    type Error = S::Error;
    type Future = Introduced<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Introduced<S::Future> {
        let caller = &self.caller;
        let is_http10 = request.version() == Version::HTTP_10;
        caller.has_spoken.store(true, Ordering::Relaxed);
        let (fate, lane) = match &self.streams {
            Some(streams) => {
                let fate = caller.fate.of_stream();
                (fate.clone(), Lane::Shared(streams.expect(fate)))
            }
            None => {
                caller.is_busy.store(true, Ordering::Relaxed);
                (caller.fate.clone(), Lane::Own(caller.clone()))
            }
        };
        let is_head = request.method() == Method::HEAD;
        let extensions = request.extensions_mut();
        extensions.insert(caller.peer);
        extensions.insert(caller.gate.clone());
        extensions.insert(fate);
        let answer = Box::pin(self.service.call(request));
        Introduced { answer, is_head, is_http10, lane: Some(lane) }
    }
}

/// What an answer goes by: a connection, or a stream of one.
#[derive(Debug)]
enum Lane {
    Own(Arc<Caller>),
    Shared(Arc<Pace>),
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Self::Own(caller) = self {
            caller.is_busy.store(false, Ordering::Relaxed);
        }
    }
}

/// The answer to a request, on its way. Hyper keeps the room for it as long as the
/// connection, so what it takes to make the answer is in a box.
pub(super) struct Introduced<F> {
    answer: Pin<Box<F>>,
    is_head: bool,
    is_http10: bool,
    lane: Option<Lane>,
}

impl<F, B, E> Future for Introduced<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<PacedBody<B>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.answer.as_mut().poll(cx))?;
        let (mut head, body) = response.into_parts();
        if self.is_head {
            tell_length(&mut head.headers, &body);
        }
        let lane = self.lane.take();
        if let Some(Lane::Own(caller)) = &lane {
            tell_end(&mut head, &caller.gate);
            let is_close_delimited = self.is_http10 && !self.is_head && has_no_length(&head, &body);
            caller.is_close_delimited.store(is_close_delimited, Ordering::Relaxed);
        }
        let body = Some(body).filter(|_| !self.is_head);
        Poll::Ready(Ok(Response::from_parts(head, PacedBody { body, lane })))
    }
}

pin_project! {
    /// A body that is asked when there is a point in it, and keeps count of its
    /// pace. A HEAD gets none, which hyper sees to on HTTP/1.1 only.
    pub(super) struct PacedBody<B> {
        #[pin]
        body: Option<B>,
        lane: Option<Lane>,
    }
}

impl<B: Body> Body for PacedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let paced = self.project();
        let Some(body) = paced.body.as_pin_mut() else { return Poll::Ready(None) };
        match paced.lane {
            Some(Lane::Own(caller)) => {
                // Hyper asks again once it has flushed, whoever was woken.
                if !caller.is_awake.load(Ordering::Relaxed) {
                    return Poll::Pending;
                }
                let frame = body.poll_frame(cx);
                caller.is_awake.store(frame.is_ready(), Ordering::Relaxed);
                frame
            }
            Some(Lane::Shared(pace)) => {
                pace.bytes_are_taken();
                let frame = ready!(body.poll_frame(cx));
                let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
                if data.is_some_and(Buf::has_remaining) {
                    pace.bytes_are_out();
                }
                Poll::Ready(frame)
            }
            None => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// Tells the client of a server that shuts down to ask elsewhere next.
fn tell_end(head: &mut Parts, gate: &Gate) {
    if gate.is_draining() && head.status != StatusCode::SWITCHING_PROTOCOLS {
        head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Whether only the end of the connection can end the body, to HTTP/1.0.
fn has_no_length(head: &Parts, body: &impl Body) -> bool {
    !body.is_end_stream()
        && body.size_hint().exact().is_none()
        && !head.headers.contains_key(CONTENT_LENGTH)
}

/// Tells how long the body would have been. Of one that is empty nothing is said:
/// a 204 must not tell its length (RFC 9110 8.6).
fn tell_length(headers: &mut HeaderMap, body: &impl Body) {
    if let Some(len @ 1..) = body.size_hint().exact() {
        headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(len));
    }
}
