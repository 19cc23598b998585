//! Runs: work whose events outlive the connection that started it.

mod config;
mod id;
mod log;
mod outcome;
mod report;
mod run;
mod task;
mod writer;

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

pub use config::RunsConfig;
pub use id::{InvalidRunId, RunId};
pub use log::RunLog;
pub use outcome::{RunFailure, RunOutcome};
pub use run::{RUN_ID, Run};
use task::RunTask;
pub use writer::{RunWriteError, RunWriter};

/// Runs by id: each is a task that produces events, and a channel that keeps all of them.
///
/// A run is for work that must not stop when a connection is lost, such as the answer of a
/// language model. The first request [`start`](Self::start)s it; every client that knows its id
/// reads it from the beginning, or resumes by `Last-Event-ID`. The run ends when its producer is
/// done or fails, when [`Run::stop`] is called, or when it has had no readers for a time.
///
/// | limit | default | at the limit |
/// |---|---|---|
/// | time without readers | 60 seconds | the run ends as [`RunOutcome::Abandoned`] |
/// | time that an ended run stays readable | 5 minutes | its id is unknown again |
/// | runs | 10,000 | the run that ended first is forgotten; if none has ended, [`start`](Self::start) fails |
/// | bytes of one run | 4 MiB | the run fails; its beginning is never dropped |
/// | bytes of all runs | 256 MiB | the runs that ended first are forgotten; if none has ended, the run that publishes fails |
///
/// A clone is another handle to the same runs. Call [`start`](Self::start) within a tokio runtime:
/// each run is a task of it.
///
/// # Examples
///
/// ```
/// use lasse_tokio::lasse_core::{AppendError, Event};
/// use lasse_tokio::{RunId, RunOutcome, Runs, RunsConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runs = Runs::new(RunsConfig::new());
/// let run = runs.start(RunId::new("chat-1")?, "ada", async |writer| {
///     writer.publish(Event::new("to be"))?;
///     writer.publish(Event::new("or not to be"))?;
///     Ok::<(), lasse_tokio::RunWriteError>(())
/// })?;
/// assert!(matches!(run.ended().await, RunOutcome::Done));
/// assert_eq!(run.channel().stats().events, 2);
/// assert!(runs.get("chat-1", "eve").is_none(), "the run is Ada's");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Runs(Arc<Registry>);

/// What the handles and the tasks of all runs share.
struct Registry {
    config: RunsConfig,
    runs: Mutex<Map>,
    /// How many bytes the channels of all runs take.
    bytes: AtomicUsize,
    /// Notified when a run has ended.
    ended: Notify,
}

#[derive(Default)]
struct Map {
    by_id: HashMap<RunId, Run>,
    /// The runs that have ended, in the order of their ends.
    ended: VecDeque<Run>,
    /// Whether runs can no longer start.
    is_shut: bool,
}

impl Runs {
    /// No runs yet.
    pub fn new(config: RunsConfig) -> Self {
        let (runs, bytes, ended) = (Mutex::default(), AtomicUsize::new(0), Notify::new());
        Self(Arc::new(Registry { config, runs, bytes, ended }))
    }

    /// Starts a run, or returns the one that `owner` started with this id: a request that is sent
    /// twice starts one run. `producer` runs in a task of its own; when it returns, the run is
    /// finished, and an error fails it. When the run is stopped or abandoned, the producer is
    /// dropped.
    ///
    /// `owner` is the application's name for the user, such as an account id. It is compared, and
    /// never sent to a client.
    ///
    /// # Errors
    ///
    /// When too many runs are running, another owner has a run of this id, or
    /// [`shut_down`](Self::shut_down) was called.
    pub fn start<P, F, E>(&self, id: RunId, owner: &str, producer: P) -> Result<Run, StartError>
    where
        P: FnOnce(RunWriter) -> F,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display + 'static,
    {
        let (run, is_new) = self.insert(id, owner).inspect_err(|error| report::refused(*error))?;
        if is_new {
            self.produce(&run, producer);
        }
        Ok(run)
    }

    /// The run of this id, and whether it is new.
    fn insert(&self, id: RunId, owner: &str) -> Result<(Run, bool), StartError> {
        let mut runs = self.0.lock();
        if let Some(run) = runs.by_id.get(&id) {
            let is_owner = run.owner() == owner;
            return if is_owner { Ok((run.clone(), false)) } else { Err(StartError::Foreign) };
        }
        if runs.is_shut {
            return Err(StartError::ShutDown);
        }
        let max_runs = self.0.config.max_runs;
        let is_full = runs.by_id.len() >= max_runs;
        let forgotten = if is_full { runs.remove_oldest() } else { None };
        if is_full && forgotten.is_none() {
            return Err(StartError::Full(max_runs));
        }
        let run = Run::new(id.clone(), owner, &self.0);
        runs.by_id.insert(id, run.clone());
        drop(runs);
        forgotten.iter().for_each(|run| run.remove_bytes(&self.0.bytes));
        Ok((run, true))
    }

    /// Runs the producer of a run with a [`RunLog`], whose start the log has decided. The limit of the
    /// number of runs is the log's, too.
    pub fn adopt<P, F, E>(&self, run: &Run, producer: P)
    where
        P: FnOnce(RunWriter) -> F,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display + 'static,
    {
        run.set_registry(&self.0);
        let mut runs = self.0.lock();
        let earlier = runs.by_id.get(run.id()).cloned();
        let removed = earlier.as_ref().map(|earlier| runs.remove(earlier));
        runs.by_id.insert(run.id().clone(), run.clone());
        drop(runs);
        drop(removed);
        earlier.iter().for_each(|run| run.remove_bytes(&self.0.bytes));
        self.produce(run, producer);
    }

    fn produce<P, F, E>(&self, run: &Run, producer: P)
    where
        P: FnOnce(RunWriter) -> F,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display + 'static,
    {
        report::started();
        let writer = RunWriter::new(run.clone(), Arc::clone(&self.0));
        RunTask::new(run.clone(), Arc::clone(&self.0)).spawn(producer(writer));
    }

    /// Forgets a run that has ended, before its time: its id is unknown then, and its bytes no
    /// longer count. Its readers can continue to read.
    pub fn forget(&self, run: &Run) {
        if !run.is_running() {
            self.0.remove(run);
        }
    }

    /// Whether [`shut_down`](Self::shut_down) was called.
    pub fn is_shut_down(&self) -> bool {
        self.0.lock().is_shut
    }

    /// The run of this id, if `owner` started it. A run that has expired, one that never was, and
    /// another owner's are the same here: answer 404 to each.
    pub fn get(&self, id: &str, owner: &str) -> Option<Run> {
        self.0.lock().by_id.get(id).filter(|run| run.owner() == owner).cloned()
    }

    /// The runs of `owner` that are readable, in no order.
    pub fn list(&self, owner: &str) -> Vec<Run> {
        self.0.lock().by_id.values().filter(|run| run.owner() == owner).cloned().collect()
    }

    /// How many runs are readable, ended ones included.
    pub fn len(&self) -> usize {
        self.0.lock().by_id.len()
    }

    /// Whether no run is readable.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes the channels of all runs take.
    pub fn bytes(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Starts no more runs, and returns when all have ended. Runs that have not ended within
    /// `grace` fail as [`RunFailure::ShutDown`]. Drain the gate at the same time: readers of a run
    /// then move to another server while its producer continues here.
    #[doc(alias = "drain")]
    pub async fn shut_down(&self, grace: Duration) {
        self.0.lock().is_shut = true;
        if timeout(grace, self.0.all_ended()).await.is_err() {
            let running: Vec<Run> = self.0.lock().running().cloned().collect();
            running.iter().for_each(|run| run.end(RunOutcome::Failed(RunFailure::ShutDown)));
            self.0.all_ended().await;
        }
    }
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Map> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn all_ended(&self) {
        loop {
            let mut ended = pin!(self.ended.notified());
            ended.as_mut().enable();
            if self.lock().running().next().is_none() {
                return;
            }
            ended.await;
        }
    }

    /// Takes note of the end of a run.
    fn handle_ended(&self, run: &Run, outcome: &RunOutcome) {
        report::ended(outcome, run.age());
        let mut runs = self.lock();
        // Its task may have seen the end before.
        if !run.is_removed() {
            runs.ended.push_back(run.clone());
        }
        drop(runs);
        self.ended.notify_waiters();
    }

    /// Forgets a run, unless that was done before.
    fn remove(&self, run: &Run) {
        run.remove_bytes(&self.bytes);
        let removed = self.lock().remove(run);
        drop(removed);
    }

    /// Whether all runs together can take so many bytes more. If necessary, forgets the runs that
    /// ended first.
    fn has_room(&self, bytes: usize) -> bool {
        let Some(most) = self.config.max_total_bytes.checked_sub(bytes) else { return false };
        while self.bytes.load(Ordering::Relaxed) > most {
            let Some(oldest) = self.lock().remove_oldest() else { return false };
            oldest.remove_bytes(&self.bytes);
        }
        true
    }
}

impl Map {
    fn running(&self) -> impl Iterator<Item = &Run> {
        self.by_id.values().filter(|run| run.is_running())
    }

    /// Removes the run that ended first.
    fn remove_oldest(&mut self) -> Option<Run> {
        let oldest = self.ended.pop_front()?;
        self.by_id.remove(oldest.id());
        Some(oldest)
    }

    /// Removes a run, unless another one has its id by now.
    fn remove(&mut self, run: &Run) -> [Option<Run>; 2] {
        let is_present = self.by_id.get(run.id()).is_some_and(|present| present.is(run));
        let present = if is_present { self.by_id.remove(run.id()) } else { None };
        // All are kept equally long, so it is the first one.
        let at = self.ended.iter().position(|ended| ended.is(run));
        [present, at.and_then(|at| self.ended.remove(at))]
    }
}

impl fmt::Debug for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runs").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Why a run was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// There are as many runs as allowed: answer 503.
    Full(usize),
    /// Another owner has a run of this id: answer 404, as for one that does not exist.
    Foreign,
    /// The server is shutting down: answer 503.
    ShutDown,
}

impl StartError {
    /// The reason as one word, for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full(_) => "full",
            Self::Foreign => "foreign",
            Self::ShutDown => "shutdown",
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(most) => write!(f, "there are {most} runs already, which is the limit"),
            Self::Foreign => f.write_str("another owner has a run of this id"),
            Self::ShutDown => f.write_str("no run can start: the server is shutting down"),
        }
    }
}

impl Error for StartError {}
