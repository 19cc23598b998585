//! A stream as the body of a response, polled by hyper.

use std::error::Error;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use lasse_tokio::{Body, Close, EndReason, Output, Session, SessionBody, Source};

use crate::end_reason_cell::EndReasonCell;

/// The body of a response: a stream, or bytes.
///
/// Returned bytes count as written when the body is polled again. Dropping the body ends
/// the stream, with the reason that the server has put into the request's
/// [`EndReasonCell`], or [`EndReason::Dropped`].
#[derive(Debug)]
pub struct EventBody<S: Source> {
    body: SessionBody<S>,
    /// How many of the bytes that were returned last do not count as written yet.
    unacknowledged: usize,
    reason: Option<EndReasonCell>,
}

impl<S: Source> EventBody<S> {
    /// Wraps a body. `reason` is the cell in the extensions of the request, if the
    /// server has put one there.
    pub fn new(body: SessionBody<S>, reason: Option<EndReasonCell>) -> Self {
        Self { body, unacknowledged: 0, reason }
    }

    fn poll_session(&mut self, cx: &mut Context<'_>) -> Poll<Output> {
        let Body::Stream(session) = &mut self.body else {
            return Poll::Ready(Output::Close(Close::Clean));
        };
        let written = mem::take(&mut self.unacknowledged);
        let polled = contain(session, |session| session.poll_output_after(written, cx));
        if written > 0 && polled == Poll::Ready(Output::Close(Close::Abort)) {
            // Hyper discards what it has not flushed when a body fails, and flushes
            // when a body is pending.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        polled
    }

    fn handle_output(&mut self, output: Output) -> Option<Result<Frame<Bytes>, Aborted>> {
        match output {
            Output::Write(mut bytes) => {
                bytes.truncate(LARGEST_FRAME);
                self.unacknowledged = bytes.len();
                Some(Ok(Frame::data(bytes)))
            }
            Output::Close(close) => {
                let ended = mem::replace(&mut self.body, Body::HeadOnly);
                let reason = match &ended {
                    Body::Stream(session) => session.reason(),
                    Body::Full(_) | Body::HeadOnly => None,
                };
                let reason = reason.filter(|_| close == Close::Abort)?;
                self.reason.iter().for_each(|cell| cell.decide(reason));
                Some(Err(Aborted(reason)))
            }
            Output::Wait => None,
        }
    }
}

impl<S: Source> http_body::Body for EventBody<S> {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        let this = self.get_mut();
        match &mut this.body {
            Body::Stream(_) => this.poll_session(cx).map(|output| this.handle_output(output)),
            Body::Full(bytes) => {
                let bytes = mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Body::HeadOnly => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Body::Stream(_) => false,
            Body::Full(bytes) => bytes.is_empty(),
            Body::HeadOnly => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Body::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            // An exact size of zero would become a `content-length`, which a GET for
            // a stream would not get.
            Body::Stream(_) | Body::HeadOnly => SizeHint::default(),
        }
    }
}

impl<S: Source> Drop for EventBody<S> {
    fn drop(&mut self) {
        if let (Body::Stream(session), Some(reason)) = (&mut self.body, &self.reason) {
            session.abort(reason.reason());
        }
    }
}

/// The error of a body that is aborted: the client must not take a part for the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aborted(EndReason);

impl Aborted {
    /// Why the stream ended.
    pub fn reason(&self) -> EndReason {
        self.0
    }
}

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stream was aborted: {}", self.0)
    }
}

impl Error for Aborted {}

/// Catches a panic of the source, which must not end the other streams of the
/// connection.
fn contain<S: Source>(
    session: &mut Session<S>,
    poll: impl FnOnce(&mut Session<S>) -> Poll<Output>,
) -> Poll<Output> {
    match catch_unwind(AssertUnwindSafe(|| poll(session))) {
        Ok(output) => output,
        Err(_) => {
            session.abort(EndReason::Panicked);
            Poll::Ready(Output::Close(Close::Abort))
        }
    }
}

/// How many bytes are returned at once. The stall timer restarts with each frame, so a
/// large event must not be one frame.
const LARGEST_FRAME: usize = 16 * 1024;
