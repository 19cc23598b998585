//! Runs of several nodes: started, read and stopped on any of them.

mod config;
mod error;
mod inbox;
mod mirror;
mod node;
mod outcome;
mod producer;
mod queue;
mod scripts;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lasse_core::Epoch;
use lasse_tokio::{Run, RunId, RunOutcome, RunWriter, StartError};
use redis::Value;
use tokio::task::AbortHandle;

use crate::backplane::Backplane;
use crate::error::Failure;
use crate::reply::text;
use crate::report;
use crate::shared::{millis, random};
use crate::stream::InvalidStreamName;

pub use config::RedisRunsConfig;
pub use error::RedisRunsError;
use mirror::Mirror;
use node::{Node, State};
use producer::Producer;
use queue::{ProducerLog, Queue};

/// Runs of several nodes: each is a task on one of them, and its events are in Redis, so that it is
/// started, read and stopped on any node.
///
/// This is [`lasse_tokio::Runs`] over Redis, with the same producers, limits and outcomes. A
/// [`Run`] here is this node's view of a run: its channel has the same events under the same ids on
/// all nodes.
///
/// | what happens | readers, on any node |
/// |---|---|
/// | the run is stopped, on any node | are sent `stopped`; the producer is dropped within a second |
/// | the producer's node dies | are sent `failed` within 10 seconds |
/// | the producer's node is suspended for longer than its lease | the same; what it writes afterwards is refused |
/// | Redis is away | wait; the run continues when it is back. The events wait on the producer's node, within the limits |
/// | Redis has lost the run | are sent `failed` |
/// | there are too many runs, or too many bytes | read on; the run that ended first is unknown to new requests |
///
/// A clone is another handle.
///
/// # Examples
///
/// ```no_run
/// use lasse_core::Event;
/// use lasse_redis::{Backplane, BackplaneConfig, RedisRuns, RedisRunsConfig, RedisServer};
/// use lasse_tokio::{RunId, RunWriteError};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let server = RedisServer::new("redis://127.0.0.1:6379")?;
/// let backplane = Backplane::start(server, &BackplaneConfig::new());
/// let runs = RedisRuns::open(&backplane, "chat", RedisRunsConfig::default())?;
/// let run = runs.start(RunId::new("chat-1")?, "ada", async |writer| {
///     writer.publish(Event::new("to be"))?;
///     writer.publish(Event::new("or not to be"))?;
///     Ok::<(), RunWriteError>(())
/// }).await?;
/// // On another node:
/// let run = runs.get("chat-1", "ada").await?;
/// let stopped = runs.stop("chat-1", "ada").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RedisRuns(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    node: Arc<Node>,
    inbox: AbortHandle,
}

/// A run in a [list](RedisRuns::list).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedRun {
    /// Its id.
    pub id: RunId,
    /// How it ended, if it has.
    pub outcome: Option<RunOutcome>,
}

impl RedisRuns {
    /// Shares the runs `name`, which is a part of their keys in Redis, with other nodes.
    ///
    /// # Errors
    ///
    /// If the name cannot be a part of keys.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn open(
        backplane: &Backplane,
        name: &str,
        config: RedisRunsConfig,
    ) -> Result<Self, InvalidStreamName> {
        let node = Arc::new(Node::new(backplane, name, config)?);
        let inbox = tokio::spawn(inbox::run(Arc::clone(&node))).abort_handle();
        Ok(Self(Arc::new(Inner { node, inbox })))
    }

    /// Starts a run on this node, or returns the one that `owner` started with this id on any node: a
    /// request that is sent twice starts one run. See [`lasse_tokio::Runs::start`].
    ///
    /// # Errors
    ///
    /// If there are too many runs, another owner has a run of this id, [`shut_down`](Self::shut_down)
    /// was called, or Redis does not answer. If Redis took the start and its answer was lost, the run
    /// fails when its lease is over.
    pub async fn start<P, F, E>(
        &self,
        id: RunId,
        owner: &str,
        producer: P,
    ) -> Result<Run, RedisRunsError>
    where
        P: FnOnce(RunWriter) -> F,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display + 'static,
    {
        let started = self.start_or_get(id, owner, producer).await;
        if let Err(RedisRunsError::Start(error)) = &started {
            report::run_refused(*error);
        }
        started
    }

    async fn start_or_get<P, F, E>(
        &self,
        id: RunId,
        owner: &str,
        producer: P,
    ) -> Result<Run, RedisRunsError>
    where
        P: FnOnce(RunWriter) -> F,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display + 'static,
    {
        let node = &self.0.node;
        let (epoch, token) = (hex(random()), hex(random()) + &hex(random()));
        for _ in 0..ATTEMPTS {
            if node.local.is_shut_down() {
                return Err(StartError::ShutDown.into());
            }
            match self.try_start(&id, owner, &epoch, &token).await?.as_str() {
                "started" => return Ok(self.produce(id, owner, &epoch, token, producer)),
                "foreign" => return Err(StartError::Foreign.into()),
                "full" => return Err(StartError::Full(node.config.runs.max_runs()).into()),
                _ => {}
            }
            // Between the two calls, it can expire.
            if let Some(run) = self.get(id.as_str(), owner).await? {
                return Ok(run);
            }
        }
        Err(RedisRunsError::NotReachable("the run appears and disappears".into()))
    }

    /// The run of this id, if `owner` started it on any node, with all events that Redis has now. A run
    /// that has expired, one that never was, and another owner's are the same here: answer 404 to
    /// each.
    ///
    /// # Errors
    ///
    /// If Redis does not answer, and this node does not hold the run: answer 503.
    pub async fn get(&self, id: &str, owner: &str) -> Result<Option<Run>, RedisRunsError> {
        let node = &self.0.node;
        let Ok(id) = RunId::new(id) else { return Ok(None) };
        if let Some(run) = node.local.get(id.as_str(), owner) {
            // Other nodes forget ended runs to make room, and then another can have the id.
            if run.outcome().is_none() || node.holds(&run).await.unwrap_or(true) {
                return Ok(Some(run));
            }
            node.local.forget(&run);
        }
        let held = node.mirror(id.as_str()).filter(|mirror| mirror.run.owner() == owner);
        if let Some(mirror) = held {
            // What this node holds is served also without Redis.
            if mirror.read(node, true).await.unwrap_or(true) {
                return Ok(Some(mirror.run.clone()));
            }
        }
        let Some(mirror) = Mirror::open(node, &id, owner).await? else { return Ok(None) };
        let is_there = mirror.read(node, true).await?;
        Ok(is_there.then(|| mirror.run.clone()))
    }

    /// Stops a run, on any node: its producer is dropped, and readers are sent an event named
    /// `stopped`. Returns whether there is a run of this id and owner; if it has ended before,
    /// nothing happens.
    ///
    /// # Errors
    ///
    /// If Redis does not answer.
    #[doc(alias("cancel", "abort"))]
    pub async fn stop(&self, id: &str, owner: &str) -> Result<bool, RedisRunsError> {
        let Ok(id) = RunId::new(id) else { return Ok(false) };
        let node = &self.0.node;
        let state = node.end(id.as_str(), "owner", owner, &RunOutcome::Stopped).await?;
        // On this node, at once.
        node.wake(id.as_str());
        Ok(state != State::Absent)
    }

    /// The runs of `owner` that are readable, those of all nodes, the oldest first.
    ///
    /// # Errors
    ///
    /// If Redis does not answer.
    pub async fn list(&self, owner: &str) -> Result<Vec<ListedRun>, RedisRunsError> {
        let node = &self.0.node;
        let reply = node.run_script(&scripts::LIST, |call| {
            call.arg(owner).arg(i32::from(node.can_judge()));
        });
        let Value::Array(parts) = reply.await? else { return Ok(Vec::new()) };
        let run = |parts: &[Value]| {
            let [id, word, detail] = parts else { return None };
            let id = RunId::new(text(id)?).ok()?;
            Some(ListedRun { id, outcome: outcome::outcome(text(word)?, text(detail)?) })
        };
        Ok(parts.chunks(3).filter_map(run).collect())
    }

    /// Starts no more runs here, and returns when the runs with producers here have ended. See
    /// [`lasse_tokio::Runs::shut_down`].
    #[doc(alias = "drain")]
    pub async fn shut_down(&self, grace: Duration) {
        self.0.node.local.shut_down(grace).await;
    }

    /// Asks Redis to start a run. If the answer is lost, asks again: the token shows that the run is
    /// this call's.
    async fn try_start(
        &self,
        id: &RunId,
        owner: &str,
        epoch: &str,
        token: &str,
    ) -> Result<String, Failure> {
        let node = &self.0.node;
        let mut result = Err(Failure::NotReachable(String::new()));
        for _ in 0..ATTEMPTS {
            let reply = node.run_script(&scripts::START, |call| {
                call.arg(id.as_str()).arg(owner).arg(epoch).arg(token).arg(&node.name);
                call.arg(millis(node.config.lease())).arg(node.config.runs.max_runs());
                call.arg(i32::from(node.can_judge()));
            });
            result = reply.await.map(|reply| text(&reply).unwrap_or_default().to_owned());
            if !matches!(result, Err(Failure::Unknown(_))) {
                break;
            }
        }
        result
    }

    fn produce<P, F, E>(
        &self,
        id: RunId,
        owner: &str,
        epoch: &str,
        token: String,
        producer: P,
    ) -> Run
    where
        P: FnOnce(RunWriter) -> F,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display + 'static,
    {
        let node = &self.0.node;
        let queue = Arc::new(Queue::new(epoch));
        let log = ProducerLog(Arc::clone(&queue));
        // Hexadecimal digits are an epoch.
        let epoch = Epoch::new(epoch).unwrap_or_else(|_| Epoch::from(random()));
        let run = Run::with_log(id, owner, epoch, &node.config.runs, log);
        tokio::spawn(Producer::new(Arc::clone(node), run.clone(), queue, token).work());
        node.local.adopt(&run, producer);
        run
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.inbox.abort();
    }
}

fn hex(number: u64) -> String {
    format!("{number:016x}")
}

/// How often a call is repeated if its answer is lost.
const ATTEMPTS: usize = 3;
