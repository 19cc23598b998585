//! The user's service, each request being introduced to it: who asks, and what
//! becomes of the answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;
use lasse_tokio::{Gate, PeerAddr};
use pin_project_lite::pin_project;

use super::streams::{Pace, Streams};
use crate::fate::Fate;

/// What is known of one connection.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) peer: PeerAddr,
    pub(super) gate: Gate,
    pub(super) fate: Fate,
    /// Whether the head of a request has come.
    pub(super) has_spoken: AtomicBool,
    /// Whether the end of a body is the end of the connection (RFC 9112 6.3), so
    /// that a broken one must end in another way.
    pub(super) ends_bodies_by_closing: AtomicBool,
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
        let is_http10 = request.version() == Version::HTTP_10;
        self.caller.has_spoken.store(true, Ordering::Relaxed);
        self.caller.ends_bodies_by_closing.store(is_http10, Ordering::Relaxed);
        let Caller { peer, gate, fate, .. } = &*self.caller;
        let fate = if self.streams.is_some() { fate.of_stream() } else { fate.clone() };
        let extensions = request.extensions_mut();
        extensions.insert(*peer);
        extensions.insert(gate.clone());
        extensions.insert(fate.clone());
        let pace = self.streams.as_ref().map(|streams| streams.expect(fate));
        let is_head = request.method() == Method::HEAD;
        Introduced { answer: Box::pin(self.service.call(request)), is_head, pace }
    }
}

/// The answer to a request, on its way. Hyper keeps the room for it as long as the
/// connection, so what it takes to make the answer is in a box.
pub(super) struct Introduced<F> {
    answer: Pin<Box<F>>,
    is_head: bool,
    pace: Option<Arc<Pace>>,
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
        let body = Some(body).filter(|_| !self.is_head);
        let pace = self.pace.take();
        Poll::Ready(Ok(Response::from_parts(head, PacedBody { body, pace })))
    }
}

pin_project! {
    /// A body that keeps count of its pace. A HEAD gets none, which hyper sees to
    /// on HTTP/1.1 only.
    pub(super) struct PacedBody<B> {
        #[pin]
        body: Option<B>,
        pace: Option<Arc<Pace>>,
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
        let Some(pace) = paced.pace else { return body.poll_frame(cx) };
        pace.bytes_are_taken();
        let frame = ready!(body.poll_frame(cx));
        if matches!(&frame, Some(Ok(frame)) if frame.data_ref().is_some_and(Buf::has_remaining)) {
            pace.bytes_are_out();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// Tells how long the body would have been. Of one that is empty nothing is said:
/// a 204 must not tell its length (RFC 9110 8.6).
fn tell_length(headers: &mut HeaderMap, body: &impl Body) {
    if let Some(len @ 1..) = body.size_hint().exact() {
        headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(len));
    }
}
