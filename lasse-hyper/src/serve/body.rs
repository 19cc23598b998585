//! The body of a response, as hyper sees it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::context::ConnectionContext;
use super::exchange::Exchange;
use super::stream_executor::StreamProgress;

pin_project! {
    /// The body of a response, as hyper sees it.
    #[project = ResponseBodyMut]
    pub(super) enum ResponseBody<B> {
        // Nothing: the response to a HEAD, which hyper cuts over HTTP/1.1 only, or to a
        // request that the service does not get.
        Empty,
        // Over HTTP/1, polled in the task of the connection.
        Http1 {
            #[pin]
            body: B,
            context: Arc<ConnectionContext>,
            busy: Busy<B>,
        },
        // Left to the task of the connection.
        HandedOver {
            busy: Busy<B>,
        },
        // Over HTTP/2, polled in a task of its own.
        Http2 {
            #[pin]
            body: B,
            progress: Arc<StreamProgress>,
        },
    }
}

/// Marks a connection as busy until it is dropped.
#[derive(Debug)]
pub(super) struct Busy<B>(pub(super) Arc<Exchange<B>>);

impl<B> Busy<B> {
    pub(super) fn new(exchange: Arc<Exchange<B>>) -> Self {
        exchange.set_busy(true);
        Self(exchange)
    }
}

impl<B> Drop for Busy<B> {
    fn drop(&mut self) {
        self.0.set_busy(false);
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project() {
            ResponseBodyMut::Empty => Poll::Ready(None),
            ResponseBodyMut::Http1 { body, context, .. } => {
                // Hyper polls again after each flush, whether the body woke it or not.
                if !context.has_new_wake() {
                    return Poll::Pending;
                }
                let frame = body.poll_frame(cx);
                if frame.is_pending() {
                    context.handle_pending();
                }
                frame
            }
            ResponseBodyMut::HandedOver { busy } => {
                busy.0.handle_head_encoded();
                Poll::Pending
            }
            ResponseBodyMut::Http2 { body, progress } => {
                progress.handle_taken();
                let frame = ready!(body.poll_frame(cx));
                let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
                if data.is_some_and(Buf::has_remaining) {
                    progress.handle_sent();
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::HandedOver { .. } => false,
            Self::Http1 { body, .. } | Self::Http2 { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::HandedOver { .. } => SizeHint::default(),
            Self::Http1 { body, .. } | Self::Http2 { body, .. } => body.size_hint(),
        }
    }
}
