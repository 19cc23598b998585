//! The task of a run: it polls the producer until the run ends, and forgets the run in time.

use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lasse_core::channel::IdleWatch;
use lasse_core::{Channel, Instant, ResetReason};
use tokio::time::timeout;

use super::{Registry, Run, RunFailure, RunOutcome};
use crate::clock::ready;
use crate::dispatch::dispatch;

pub(super) struct RunTask {
    run: Run,
    registry: Arc<Registry>,
}

impl RunTask {
    pub(super) fn new(run: Run, registry: Arc<Registry>) -> Self {
        Self { run, registry }
    }

    pub(super) fn spawn<F, E>(self, producer: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + 'static,
    {
        drop(tokio::spawn(dispatch(self.run.channel())));
        drop(tokio::spawn(self.work(contained(producer))));
    }

    async fn work(self, producer: impl Future<Output = RunOutcome> + Send) {
        self.run.end(self.outcome(producer).await);
        self.run.ended().await;
        // Until then, this task keeps the memory of the run.
        drop(timeout(self.registry.config.keep, self.run.removed()).await);
        self.registry.remove(&self.run);
    }

    /// Returns when the run ends, and drops the producer.
    async fn outcome(&self, producer: impl Future<Output = RunOutcome> + Send) -> RunOutcome {
        let producer = Box::pin(producer);
        tokio::select! {
            biased;
            outcome = self.run.ended() => outcome,
            outcome = producer => outcome,
            () = abandoned(self.run.channel(), self.registry.config.idle_timeout) => {
                RunOutcome::Abandoned
            }
        }
    }
}

impl Drop for RunTask {
    /// If the runtime is gone, no one else would end the run.
    fn drop(&mut self) {
        self.run.end(RunOutcome::Failed(RunFailure::ShutDown));
    }
}

/// What the producer comes to, a panic included.
async fn contained<F, E>(producer: F) -> RunOutcome
where
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    let mut producer = Box::pin(producer);
    poll_fn(|cx| {
        let producer: Pin<&mut F> = producer.as_mut();
        let polled = catch_unwind(AssertUnwindSafe(|| producer.poll(cx).map(into_outcome)));
        polled.unwrap_or(Poll::Ready(RunOutcome::Failed(RunFailure::Panicked)))
    })
    .await
}

fn into_outcome<E: Display>(result: Result<(), E>) -> RunOutcome {
    match result {
        Ok(()) => RunOutcome::Done,
        Err(error) => RunOutcome::Failed(RunFailure::Producer(error.to_string().into())),
    }
}

/// Returns when the channel has had no readers for the time of `grace`.
async fn abandoned(channel: &Channel, grace: Duration) {
    let mut had_readers = false;
    let mut watch = channel.idle(grace.max(FIRST_READER));
    let poll = |watch: &mut IdleWatch, now: Instant, cx: &mut Context<'_>| {
        if !had_readers && has_had_readers(channel) {
            had_readers = true;
            *watch = channel.idle(grace);
        }
        watch.poll_idle(now, cx)
    };
    ready(&mut watch, poll, IdleWatch::deadline).await;
}

fn has_had_readers(channel: &Channel) -> bool {
    let stats = channel.stats();
    let resets =
        [ResetReason::Expired, ResetReason::Foreign, ResetReason::Ahead, ResetReason::Unknown];
    let reset: u64 = resets.into_iter().map(|reason| stats.resets(reason)).sum();
    stats.fresh + stats.resumed + reset > 0
}

/// How long the first reader may take to come.
const FIRST_READER: Duration = Duration::from_secs(10);
