//! A stream as the body of a response, to be polled by hyper.

use std::error::Error;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use lasse_tokio::lasse_core::{Body, Close, EndReason, Output, Source};
use lasse_tokio::{Session, SessionBody};

use crate::end_reason_cell::EndReasonCell;

/// The body of a response that [`respond`](crate::respond) gives: a stream, or a
/// few bytes.
///
/// Bytes that it hands out count as written when it is asked for more. To drop it
/// is to end the stream: its handler hears what the server told the request's
/// [`EndReasonCell`], or [`EndReason::Dropped`].
#[derive(Debug)]
pub struct EventBody<S: Source> {
    answer: SessionBody<S>,
    /// How many bytes were handed out last.
    handed_out: usize,
    fate: Option<EndReasonCell>,
}

impl<S: Source> EventBody<S> {
    /// The body of an answer. The fate is the one in the extensions of the
    /// request, if the server put one there.
    pub fn new(answer: SessionBody<S>, fate: Option<EndReasonCell>) -> Self {
        Self { answer, handed_out: 0, fate }
    }
}

impl<S: Source> http_body::Body for EventBody<S> {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        let body = self.get_mut();
        match &mut body.answer {
            Body::Stream(session) => {
                let handed_out = mem::take(&mut body.handed_out);
                let polled = contain(session, |session| {
                    if handed_out > 0 {
                        session.handle_written(handed_out);
                    }
                    session.poll_output(cx)
                });
                if handed_out > 0 && polled == Poll::Ready(Output::Close(Close::Abort)) {
                    // Hyper throws away what it has not flushed when a body fails,
                    // and flushes when a body waits.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                polled.map(|output| body.hand_out(output))
            }
            Body::Full(bytes) => {
                let bytes = mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Body::HeadOnly => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.answer {
            Body::Stream(_) => false,
            Body::Full(bytes) => bytes.is_empty(),
            Body::HeadOnly => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.answer {
            Body::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            // A length of zero would be told to a HEAD, where a GET gets a stream.
            Body::Stream(_) | Body::HeadOnly => SizeHint::default(),
        }
    }
}

impl<S: Source> EventBody<S> {
    fn hand_out(&mut self, output: Output) -> Option<Result<Frame<Bytes>, Aborted>> {
        match output {
            Output::Write(mut bytes) => {
                bytes.truncate(MOST_AT_ONCE);
                self.handed_out = bytes.len();
                Some(Ok(Frame::data(bytes)))
            }
            Output::Close(close) => {
                let over = mem::replace(&mut self.answer, Body::HeadOnly);
                let reason = match &over {
                    Body::Stream(session) => session.reason(),
                    Body::Full(_) | Body::HeadOnly => None,
                };
                let reason = reason.filter(|_| close == Close::Abort)?;
                self.fate.iter().for_each(|fate| fate.decide(reason));
                Some(Err(Aborted(reason)))
            }
            Output::Wait => None,
        }
    }
}

impl<S: Source> Drop for EventBody<S> {
    fn drop(&mut self) {
        if let (Body::Stream(session), Some(fate)) = (&mut self.answer, &self.fate) {
            session.abort(fate.reason());
        }
    }
}

/// Why a body ended before its time: its client must not take what it has for
/// all.
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

/// Keeps a panic of the handler or of its mail from the streams that share the
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

/// How many bytes are handed out at once. What is not asked for again in time
/// has stalled, so a large event must not be one piece.
const MOST_AT_ONCE: usize = 16 * 1024;
