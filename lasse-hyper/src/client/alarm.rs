//! One time to wake at, which may change.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use lasse_tokio::lasse_core::Instant;
use tokio::time::{Sleep, sleep_until};

/// One time to wake at, which may change.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready at the time given; without one, never.
    pub(super) fn poll_at(&mut self, time: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(time) = time else { return Poll::Pending };
        let time = tokio::time::Instant::from_std(time.into());
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(time)));
        if sleep.deadline() != time {
            sleep.as_mut().reset(time);
        }
        sleep.as_mut().poll(cx)
    }
}
