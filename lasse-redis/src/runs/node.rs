//! A node that shares runs: its scripts, and the runs that it holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lasse_tokio::{RunId, RunOutcome, Runs};
use redis::{Script, ScriptInvocation, Value};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::config::RedisRunsConfig;
use super::mirror::Mirror;
use super::outcome::{outcome, words};
use super::scripts;
use crate::backplane::Backplane;
use crate::error::Failure;
use crate::problems::ProblemPlace;
use crate::reply::text;
use crate::shared::{millis, random};
use crate::stream::{InvalidStreamName, beside};

/// A node that shares runs.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) backplane: Backplane,
    pub(super) config: RedisRunsConfig,
    /// A name for this node, under which it has an inbox.
    pub(super) name: String,
    /// The runs whose producers are here.
    pub(super) local: Runs,
    prefix: String,
    mirrors: Mutex<HashMap<RunId, Arc<Mirror>>>,
    /// Wakes the tasks of the runs whose producers are here.
    producers: Mutex<HashMap<RunId, Arc<Notify>>>,
    link: Mutex<Link>,
    pub(super) problem: ProblemPlace,
}

/// The connection of the inbox.
#[derive(Debug, Default)]
struct Link {
    /// Since when it has answered without a break.
    since: Option<Instant>,
    last_reply: Option<Instant>,
}

/// What a script returned on the state of a run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The run continues, and this many nodes have readers.
    Running(i64),
    /// The run has ended, with this many events in Redis.
    Ended(RunOutcome, u64),
    /// Redis has no such run.
    Absent,
}

impl Node {
    pub(super) fn new(
        backplane: &Backplane,
        name: &str,
        config: RedisRunsConfig,
    ) -> Result<Self, InvalidStreamName> {
        Ok(Self {
            backplane: backplane.clone(),
            local: Runs::new(config.runs.clone()),
            config,
            name: format!("{:016x}", random()),
            prefix: beside(name, "")?,
            mirrors: Mutex::default(),
            producers: Mutex::default(),
            link: Mutex::default(),
            problem: backplane.shared().problems.place(format!("runs {name}")),
        })
    }

    /// Calls a script: its first key is the prefix of all keys, and its first argument the time that
    /// an ended run is kept.
    pub(super) async fn run_script(
        &self,
        script: &Script,
        with_arguments: impl FnOnce(&mut ScriptInvocation<'_>),
    ) -> Result<Value, Failure> {
        let mut call = script.key(&self.prefix);
        call.arg(millis(self.config.keep()));
        with_arguments(&mut call);
        let connector = &self.backplane.shared().connector;
        connector.call(async |on| call.invoke_async(&mut on.connection).await).await
    }

    /// Ends a run; the first outcome counts. `by` is `owner` or `token`.
    pub(super) async fn end(
        &self,
        id: &str,
        by: &str,
        value: &str,
        outcome: &RunOutcome,
    ) -> Result<State, Failure> {
        let (word, detail) = words(outcome);
        let reply = self.run_script(&scripts::END, |call| {
            call.arg(id).arg(by).arg(value).arg(word).arg(detail);
        });
        state(&reply.await?)
    }

    pub(super) fn inbox_key(&self) -> String {
        format!("{}inbox:{}", self.prefix, self.name)
    }

    /// Wakes the task of a run.
    pub(super) fn wake(&self, id: &str) {
        if let Some(producer) = lock(&self.producers).get(id) {
            producer.notify_one();
        }
        if let Some(mirror) = lock(&self.mirrors).get(id) {
            mirror.wake.notify_one();
        }
    }

    pub(super) fn insert_producer(&self, id: &RunId, wake: &Arc<Notify>) {
        lock(&self.producers).insert(id.clone(), Arc::clone(wake));
    }

    pub(super) fn remove_producer(&self, id: &RunId, wake: &Arc<Notify>) {
        let mut producers = lock(&self.producers);
        if producers.get(id).is_some_and(|held| Arc::ptr_eq(held, wake)) {
            producers.remove(id);
        }
    }

    pub(super) fn mirror(&self, id: &str) -> Option<Arc<Mirror>> {
        lock(&self.mirrors).get(id).cloned()
    }

    /// Keeps a mirror, unless there is one of the same run. Returns the one that is kept, and whether
    /// it is new.
    pub(super) fn insert_mirror(&self, mirror: Mirror) -> (Arc<Mirror>, bool) {
        let mut mirrors = lock(&self.mirrors);
        let held = mirrors.get(mirror.run.id());
        if let Some(held) = held.filter(|held| held.epoch == mirror.epoch) {
            return (Arc::clone(held), false);
        }
        let mirror = Arc::new(mirror);
        let replaced = mirrors.insert(mirror.run.id().clone(), Arc::clone(&mirror));
        drop(mirrors);
        drop(replaced);
        (mirror, true)
    }

    pub(super) fn remove_mirror(&self, mirror: &Arc<Mirror>) {
        let mut mirrors = lock(&self.mirrors);
        if mirrors.get(mirror.run.id()).is_some_and(|held| Arc::ptr_eq(held, mirror)) {
            mirrors.remove(mirror.run.id());
        }
    }

    /// The inbox has a new connection.
    pub(super) fn record_connected(&self) {
        let now = Some(Instant::now());
        *lock(&self.link) = Link { since: now, last_reply: now };
    }

    /// The inbox has a reply, as it has after each tick.
    pub(super) fn record_reply(&self) {
        let mut link = lock(&self.link);
        let now = Instant::now();
        if link.last_reply.is_none_or(|last| now - last > self.longest_silence()) {
            link.since = Some(now);
        }
        link.last_reply = Some(now);
    }

    /// Whether a lease that is over means that its node is gone, as far as this node can know.
    pub(super) fn can_judge(&self) -> bool {
        let link = lock(&self.link);
        let is_recent = |time: Instant| time.elapsed() <= self.longest_silence();
        link.last_reply.is_some_and(is_recent)
            && link.since.is_some_and(|since| since.elapsed() >= self.config.settle_time())
    }

    fn longest_silence(&self) -> Duration {
        self.config.tick() * 2 + Duration::from_millis(500)
    }
}

/// Reads the reply of a script.
pub(super) fn state(reply: &Value) -> Result<State, Failure> {
    let unknown = || Failure::Refused("the script returned something else".into());
    let Value::Array(parts) = reply else { return Err(unknown()) };
    match parts.as_slice() {
        [word, Value::Int(readers)] if text(word) == Some("ok") => Ok(State::Running(*readers)),
        [word, ended, detail, Value::Int(count)] if text(word) == Some("ended") => {
            let detail = text(detail).unwrap_or_default();
            let count = u64::try_from(*count).unwrap_or_default();
            text(ended)
                .and_then(|ended| outcome(ended, detail))
                .map(|outcome| State::Ended(outcome, count))
                .ok_or_else(unknown)
        }
        [word] if text(word) == Some("absent") => Ok(State::Absent),
        _ => Err(unknown()),
    }
}

/// Poison is ignored, because no panic can leave a change half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
