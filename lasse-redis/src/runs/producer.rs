//! The task of a run whose producer is on this node: it writes the events into Redis, and keeps the
//! lease.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lasse_core::{Epoch, Event, LastEventId, Subscriber, Subscription};
use lasse_tokio::{Run, RunFailure, RunOutcome};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::node::{Node, State, state};
use super::queue::Queue;
use super::scripts;
use crate::entry;
use crate::error::Failure;
use crate::report;
use crate::shared::{millis, random};

/// The task of a run whose producer is on this node.
pub(super) struct Producer {
    node: Arc<Node>,
    run: Run,
    queue: Arc<Queue>,
    /// Which only this producer knows.
    token: String,
    wake: Arc<Notify>,
    /// While other nodes have readers, one here stands for them: so the run is not abandoned.
    /// In a mutex that nothing locks, because a future that refers to this must be `Send`.
    remote: Mutex<Option<Subscriber>>,
}

impl Producer {
    pub(super) fn new(node: Arc<Node>, run: Run, queue: Arc<Queue>, token: String) -> Self {
        let wake = Arc::new(Notify::new());
        node.insert_producer(run.id(), &wake);
        Self { node, run, queue, token, wake, remote: Mutex::default() }
    }

    /// Writes until the run has ended.
    pub(super) async fn work(mut self) {
        let mut failing_since = None;
        loop {
            match self.write().await {
                Ok(true) => return,
                Ok(false) => {
                    failing_since = None;
                    tokio::select! {
                        () = self.queue.changed.notified() => {}
                        () = self.wake.notified() => {}
                        () = sleep(self.node.config.tick()) => {}
                    }
                }
                Err(_) => {
                    let since = *failing_since.get_or_insert_with(Instant::now);
                    // A shutdown does not wait for ever. The others take the run for lost by then.
                    let is_last = self.queue.is_ending() && self.node.local.is_shut_down();
                    if is_last && since.elapsed() > self.node.config.lease() {
                        return lose(&self.run);
                    }
                    sleep(RETRY.min(self.node.config.tick())).await;
                }
            }
        }
    }

    /// Writes what there is, and renews the lease. Returns whether the run has ended.
    async fn write(&mut self) -> Result<bool, Failure> {
        loop {
            let (first, events) = self.queue.batch();
            let started = Instant::now();
            let appended = self.append(first, &events).await;
            if !events.is_empty() {
                report::appended(appended.is_ok(), started.elapsed());
            }
            match appended? {
                State::Running(readers) => self.set_remote(readers > 0),
                State::Ended(outcome, count) => {
                    // Redis can have events whose acknowledgement was lost: readers of other nodes
                    // are sent them.
                    let written = (count + 1).saturating_sub(first);
                    let written = usize::try_from(written).unwrap_or(usize::MAX);
                    self.publish(events.iter().take(written));
                    match count + 1 < first {
                        // Redis has lost events that readers have.
                        true => lose(&self.run),
                        false => decide(&self.run, outcome),
                    }
                    return Ok(true);
                }
                State::Absent => {
                    lose(&self.run);
                    return Ok(true);
                }
            }
            self.publish(events.iter());
            if let Some(outcome) = self.queue.outcome() {
                return self.end(&outcome).await;
            }
            if events.is_empty() || self.queue.batch().1.is_empty() {
                return Ok(false);
            }
        }
    }

    /// Publishes events that Redis has to the readers of this node.
    fn publish<'a>(&self, events: impl Iterator<Item = &'a Event<'static>>) {
        for event in events {
            // The channel has the same numbers. It has ended only with the run.
            let _ = self.run.channel().publish(event);
            // At once, since the limit of the run counts both.
            self.queue.remove(1);
        }
    }

    async fn append(&self, first: u64, events: &[Event<'static>]) -> Result<State, Failure> {
        let most = self.node.config.runs.max_total_bytes();
        let reply = self.node.run_script(&scripts::APPEND, |call| {
            call.arg(self.run.id().as_str()).arg(&self.token);
            call.arg(millis(self.node.config.lease())).arg(most).arg(first);
            for event in events {
                let fields = entry::fields(event, None);
                call.arg(fields.len() * 2);
                for (name, value) in &fields {
                    call.arg(*name).arg(value.as_bytes());
                }
            }
        });
        state(&reply.await?)
    }

    async fn end(&self, outcome: &RunOutcome) -> Result<bool, Failure> {
        let id = self.run.id().as_str();
        match self.node.end(id, "token", &self.token, outcome).await? {
            State::Ended(outcome, _) => decide(&self.run, outcome),
            State::Absent | State::Running(_) => lose(&self.run),
        }
        Ok(true)
    }

    fn set_remote(&mut self, has_readers: bool) {
        let channel = self.run.channel();
        let remote = self.remote.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !has_readers {
            *remote = None;
        } else if remote.is_none() {
            if let Subscription::Stream(reader) = channel.subscribe(&LastEventId::Absent) {
                *remote = Some(reader);
            }
        }
    }
}

impl Drop for Producer {
    /// If the runtime is gone, nothing else would end the run on this node.
    fn drop(&mut self) {
        self.node.remove_producer(self.run.id(), &self.wake);
        self.run.decide(RunOutcome::Failed(RunFailure::ShutDown));
    }
}

/// Ends a run as Redis has it.
pub(super) fn decide(run: &Run, outcome: RunOutcome) {
    match outcome {
        RunOutcome::Failed(RunFailure::Lost) => lose(run),
        outcome => run.decide(outcome),
    }
}

/// Fails a run that its producer or Redis has lost, or that this node cannot end there. What follows
/// has ids of an epoch of its own, which is the same on all nodes: under the next number of the run's
/// epoch, other nodes can have had an event that Redis has lost.
pub(super) fn lose(run: &Run) {
    if run.outcome().is_some() {
        return;
    }
    report::run_lost();
    let _ = run.channel().begin_epoch(lost_epoch(run.channel().epoch().as_str()));
    run.decide(RunOutcome::Failed(RunFailure::Lost));
}

/// The epoch of what follows when a run of this epoch was lost.
pub(super) fn lost_epoch(epoch: &str) -> Epoch {
    Epoch::new(&format!("{epoch}_lost")).unwrap_or_else(|_| Epoch::from(random()))
}

/// How often a write is repeated while Redis does not answer.
const RETRY: Duration = Duration::from_millis(100);
