//! The end of a single stream, which is requested from elsewhere.

use std::mem::replace;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lasse_core::EndReason;

use super::Signal;

/// Ends one stream, once.
#[derive(Debug, Default)]
pub(super) struct EndSwitch(Mutex<State>);

#[derive(Debug)]
enum State {
    /// The waker is that of the stream's task.
    Open(Option<Waker>),
    /// The stream must end.
    Ending(EndReason, Duration),
    /// The stream was given its end.
    Ended,
}

impl Default for State {
    fn default() -> Self {
        Self::Open(None)
    }
}

impl EndSwitch {
    /// Ends the stream, unless that was done before.
    pub(super) fn end(&self, reason: EndReason, retry: Duration) -> bool {
        let mut state = self.lock();
        let State::Open(waker) = &mut *state else { return false };
        let waker = waker.take();
        *state = State::Ending(reason, retry);
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        true
    }

    /// Ready once, when the stream must end. Until then, registers the waker of `cx`.
    pub(super) fn poll_end(&self, cx: &Context<'_>) -> Poll<Signal> {
        // Cloned and dropped without the lock, because it is the runtime's code that runs.
        let waker = cx.waker().clone();
        let mut state = self.lock();
        match &mut *state {
            State::Open(registered) => {
                let old = registered.replace(waker);
                drop(state);
                drop(old);
                Poll::Pending
            }
            State::Ending(..) => match replace(&mut *state, State::Ended) {
                State::Ending(reason, retry) => Poll::Ready(Signal::End { reason, retry }),
                State::Open(_) | State::Ended => Poll::Pending,
            },
            State::Ended => Poll::Pending,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
