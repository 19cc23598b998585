//! What wakes the task of a stream: its gate, or a timer of its own.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lasse_core::{EndReason, Instant};
use tokio::time::{Sleep, sleep_until};

use crate::clock::at;
use crate::gate::{Permit, Signal};

/// What wakes the task of a stream: the gate that gave it a permit, or a timer of its
/// own if it has no permit.
#[derive(Debug, Default)]
pub(crate) struct StreamTimer {
    permit: Option<Permit>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl StreamTimer {
    /// A timer that uses the gate of `permit`.
    pub(crate) fn new(permit: Option<Permit>) -> Self {
        Self { permit, sleep: None }
    }

    /// Whether there is a permit.
    pub(crate) fn has_permit(&self) -> bool {
        self.permit.is_some()
    }

    /// The permit of a stream that continues elsewhere.
    pub(crate) fn into_permit(self) -> Option<Permit> {
        self.permit
    }

    /// Ready when the stream must end, now or in a drain of the gate.
    #[inline]
    pub(crate) fn poll_signal(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        self.permit.as_mut().map_or(Poll::Pending, |permit| permit.poll_signal(cx))
    }

    /// Ready at `time`. Each sent event postpones the deadline. The timer is not
    /// postponed with it: one early wake-up costs less than setting the timer each time.
    #[inline]
    pub(crate) fn poll_until(
        &mut self,
        time: Instant,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if time <= now {
            return Poll::Ready(());
        }
        if let Some(permit) = &mut self.permit {
            permit.wake_at(time, now, cx);
            return Poll::Pending;
        }
        let time = at(time);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(time)));
        loop {
            if time < sleep.deadline() {
                sleep.as_mut().reset(time);
            }
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() == time {
                self.sleep = None;
                return Poll::Ready(());
            }
            sleep.as_mut().reset(time);
        }
    }

    /// Sets why the stream has ended. The gate counts it when the permit is dropped;
    /// `None` counts as [`EndReason::Dropped`].
    pub(crate) fn record(&mut self, reason: Option<EndReason>) {
        if let Some(permit) = &mut self.permit {
            permit.record(reason.unwrap_or(EndReason::Dropped));
        }
    }

    /// Calls into the stream. If that panics, the gate counts [`EndReason::Panicked`].
    pub(crate) fn record_panic<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        self.record(Some(EndReason::Panicked));
        poll()
    }
}
