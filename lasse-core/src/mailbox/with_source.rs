//! A handler and another source on one stream.

use std::task::Context;

use super::handler_source::HandlerSource;
use crate::contain::contain;
use crate::end::{EndReason, SendError};
use crate::frame::Frame;
use crate::handler::Handler;
use crate::source::{Next, Progress, Source};
use crate::time::Instant;

/// A handler and another source on one stream, made by [`HandlerSource::with_source`].
///
/// The stream ends when either of them ends it. Both receive
/// `handle_error`, with the frames of both, and `terminate`.
#[derive(Debug)]
pub struct WithSource<H: Handler, S> {
    handler: HandlerSource<H>,
    source: S,
    /// Whether the last frame was the handler's: then it is the source's turn.
    is_source_next: bool,
}

impl<H: Handler, S: Source> WithSource<H, S> {
    pub(super) fn new(handler: HandlerSource<H>, source: S) -> Self {
        Self { handler, source, is_source_next: false }
    }

    /// The handler.
    pub fn handler(&self) -> &H {
        self.handler.handler()
    }

    /// The other source.
    pub fn source(&self) -> &S {
        &self.source
    }

    fn poll(&mut self, of_source: bool, now: Instant, cx: &mut Context<'_>) -> Next {
        if of_source { self.source.poll_next(now, cx) } else { self.handler.poll_next(now, cx) }
    }
}

impl<H: Handler, S: Source> Source for WithSource<H, S> {
    fn poll_next(&mut self, now: Instant, cx: &mut Context<'_>) -> Next {
        let mut deadline: Option<Instant> = None;
        for of_source in [self.is_source_next, !self.is_source_next] {
            match self.poll(of_source, now, cx) {
                Next::Wait(until) => {
                    deadline = [deadline, until].into_iter().flatten().min();
                }
                next => {
                    self.is_source_next = !of_source;
                    return next;
                }
            }
        }
        Next::Wait(deadline)
    }

    fn has_more(&self) -> bool {
        self.handler.has_more() || self.source.has_more()
    }

    fn keep_alive(&mut self) -> Option<Frame> {
        self.source.keep_alive()
    }

    /// The last write may have been a message.
    fn progress(&self) -> Option<Progress> {
        self.source.progress().map(|progress| Progress { published: None, ..progress })
    }

    fn handle_error(&mut self, unsent: &[Frame], error: &SendError) {
        contain(|| self.handler.handle_error(unsent, error)).ok();
        self.source.handle_error(unsent, error);
    }

    fn terminate(&mut self, reason: EndReason) {
        contain(|| self.handler.terminate(reason)).ok();
        self.source.terminate(reason);
    }
}
