//! The settings of runs that nodes share.

use std::time::Duration;

use lasse_tokio::RunsConfig;

/// The settings of [`RedisRuns`](crate::RedisRuns), which must be the same on all nodes.
///
/// The limits are those of [`RunsConfig`], over all nodes together: of the number of runs, of the
/// bytes of all runs, and of the time without readers. An ended run is kept for at least 10 seconds, so
/// that all nodes can read its end.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use lasse_redis::RedisRunsConfig;
/// use lasse_tokio::RunsConfig;
///
/// let limits = RunsConfig::new().with_idle_timeout(Duration::from_secs(20));
/// let config = RedisRunsConfig::new(limits).with_lease(Duration::from_secs(5));
/// ```
#[derive(Clone, Debug, Default)]
pub struct RedisRunsConfig {
    pub(super) runs: RunsConfig,
    lease: Option<Duration>,
}

impl RedisRunsConfig {
    /// These limits, and a lease of 7 seconds.
    pub fn new(runs: RunsConfig) -> Self {
        Self { runs, lease: None }
    }

    /// Sets how long a run continues without a sign of its producer's node, from 100 milliseconds to an
    /// hour: 7 seconds by default. A node renews its lease seven times in this time, and its readers
    /// on other nodes are sent `failed` about a seventh after it is over.
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        let lease = lease.clamp(Duration::from_millis(100), Duration::from_secs(3600));
        Self { lease: Some(lease), ..self }
    }

    pub(super) fn lease(&self) -> Duration {
        self.lease.unwrap_or(LEASE)
    }

    /// How often a lease is renewed, and each run is looked at.
    pub(super) fn tick(&self) -> Duration {
        self.lease() / LEASE_PARTS
    }

    /// After how long a connection the leases of others can be judged: first, their nodes must have
    /// had time to renew them, since Redis may have been away from all.
    pub(super) fn settle_time(&self) -> Duration {
        self.tick() * 2
    }

    pub(super) fn keep(&self) -> Duration {
        self.runs.keep().max(LEAST_KEEP)
    }
}

/// The default lease.
const LEASE: Duration = Duration::from_secs(7);

/// How often a lease is renewed in its time.
const LEASE_PARTS: u32 = 7;

/// How long an ended run is kept at least.
const LEAST_KEEP: Duration = Duration::from_secs(10);
