//! A timer whose deadline can change.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use lasse_tokio::lasse_core::Instant;
use tokio::time::{Sleep, sleep_until};

/// A timer whose deadline can change.
#[derive(Debug, Default)]
pub(super) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Ready at `deadline`; without one, never.
    pub(super) fn poll_at(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        let deadline = tokio::time::Instant::from_std(deadline.into());
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }
}
