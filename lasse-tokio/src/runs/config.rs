//! The limits of runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lasse_core::{ChannelConfig, Event, Retention, StartAt};

use super::RunOutcome;

/// The limits of [`Runs`](crate::Runs), which its docs list with their defaults.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use lasse_tokio::RunsConfig;
///
/// let config = RunsConfig::new()
///     .with_idle_timeout(Duration::from_secs(20))
///     .with_max_run_bytes(1 << 20);
/// ```
#[derive(Clone)]
pub struct RunsConfig {
    pub(super) channel: ChannelConfig,
    pub(super) idle_timeout: Duration,
    pub(super) keep: Duration,
    pub(super) max_runs: usize,
    pub(super) max_run_bytes: usize,
    pub(super) max_total_bytes: usize,
    pub(super) last_event: Arc<LastEvent>,
}

/// Makes the last event of a run.
pub(super) type LastEvent = dyn Fn(&RunOutcome) -> Option<Event<'static>> + Send + Sync;

impl RunsConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends a run that has had no readers for this long. The time counts from when the last reader
    /// left. Before the first reader, it counts from the start of the run, and is at least 10
    /// seconds. With zero, a run ends as soon as its last client leaves.
    #[must_use]
    pub fn with_idle_timeout(self, idle_timeout: Duration) -> Self {
        Self { idle_timeout, ..self }
    }

    /// Keeps a run readable for this long after its end.
    #[must_use]
    pub fn with_keep(self, keep: Duration) -> Self {
        Self { keep, ..self }
    }

    /// Holds at most this many runs, ended ones included: a new one takes the place of the one that
    /// ended first.
    #[must_use]
    pub fn with_max_runs(self, max_runs: usize) -> Self {
        Self { max_runs, ..self }
    }

    /// Fails a run whose events take more than `bytes` of memory. A log allocates up to 64 KiB at
    /// once, so that much more may be allocated by then.
    #[must_use]
    pub fn with_max_run_bytes(self, bytes: usize) -> Self {
        Self { max_run_bytes: bytes, ..self }
    }

    /// Fails a run that publishes while the events of all runs that have not ended take more than `bytes`
    /// of memory. Ended runs are forgotten before that, in the order of their ends.
    #[must_use]
    pub fn with_max_total_bytes(self, bytes: usize) -> Self {
        Self { max_total_bytes: bytes, ..self }
    }

    /// Sets what readers are sent at the end of a run, after the producer's events. By default, an
    /// event named `failed`, `stopped` or `abandoned`, and nothing if the producer is done. Clients
    /// that take all data for their own, such as OpenAI's, need a form of theirs.
    #[must_use]
    pub fn with_last_event<F>(self, last_event: F) -> Self
    where
        F: Fn(&RunOutcome) -> Option<Event<'static>> + Send + Sync + 'static,
    {
        Self { last_event: Arc::new(last_event), ..self }
    }

    /// Lets the events of a run gather for this long before readers are woken, for fewer and larger
    /// writes: 30 milliseconds by default.
    #[must_use]
    pub fn with_linger(mut self, linger: Duration) -> Self {
        self.channel = self.channel.with_linger(linger);
        self
    }
}

/// What a [`RunLog`](crate::run_log::RunLog) shares.
impl RunsConfig {
    /// How long an ended run is readable.
    pub fn keep(&self) -> Duration {
        self.keep
    }

    /// How many runs there can be.
    pub fn max_runs(&self) -> usize {
        self.max_runs
    }

    /// How many bytes all runs together can have.
    pub fn max_total_bytes(&self) -> usize {
        self.max_total_bytes
    }
}

impl Default for RunsConfig {
    fn default() -> Self {
        // The bounds of a run are counted by its writer, which fails the run; the log must drop
        // nothing.
        let everything = Retention::new().with_bytes(usize::MAX);
        let channel = ChannelConfig::new()
            .with_retention(everything)
            .with_start(StartAt::Oldest)
            // A client without an id starts at the beginning, so it needs no position.
            .with_position(None)
            .with_linger(Duration::from_millis(30));
        Self {
            channel,
            idle_timeout: Duration::from_secs(60),
            keep: Duration::from_secs(300),
            max_runs: 10_000,
            max_run_bytes: 4 << 20,
            max_total_bytes: 256 << 20,
            last_event: Arc::new(RunOutcome::last_event),
        }
    }
}

impl fmt::Debug for RunsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunsConfig")
            .field("idle_timeout", &self.idle_timeout)
            .field("keep", &self.keep)
            .field("max_runs", &self.max_runs)
            .field("max_run_bytes", &self.max_run_bytes)
            .field("max_total_bytes", &self.max_total_bytes)
            .finish_non_exhaustive()
    }
}
