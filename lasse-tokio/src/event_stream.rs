//! A `Stream` of events as the source of a response.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use lasse_core::{EndReason, Instant, Next, Source};

/// A `Stream` of events as the [`Source`] of a response.
///
/// Each item is an [`Event`](lasse_core::Event), a [`Frame`](lasse_core::Frame), or a `Result` of
/// one. The response ends cleanly with the stream. An `Err` aborts it, so that the client does not
/// take a part for the whole. An item can also be a [`Next`]: [`Next::last`] sends a last event,
/// for example one that reports an error, and ends the response cleanly.
///
/// The stream is dropped when the response ends, for any reason, which cancels its producer.
pub struct EventStream<S> {
    /// `None` once the response has ended.
    stream: Option<Pin<Box<S>>>,
}

impl<S> EventStream<S> {
    /// The events of `stream`.
    pub fn new(stream: S) -> Self {
        Self { stream: Some(Box::pin(stream)) }
    }
}

impl<S: Stream<Item: Into<Next>>> Source for EventStream<S> {
    fn poll_next(&mut self, _: Instant, cx: &mut Context<'_>) -> Next {
        let Some(stream) = &mut self.stream else { return Next::Stop };
        match stream.as_mut().poll_next(cx) {
            Poll::Ready(Some(item)) => match item.into() {
                Next::Wait(_) => {
                    // The stream was ready, so it has not registered the waker.
                    cx.waker().wake_by_ref();
                    Next::Wait(None)
                }
                next => next,
            },
            Poll::Ready(None) => Next::Stop,
            Poll::Pending => Next::Wait(None),
        }
    }

    fn has_more(&self) -> bool {
        true
    }

    fn terminate(&mut self, _: EndReason) {
        self.stream = None;
    }
}

impl<S> fmt::Debug for EventStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").finish_non_exhaustive()
    }
}
