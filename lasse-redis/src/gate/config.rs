//! The settings of a gate that nodes share.

use std::ops::RangeInclusive;
use std::time::Duration;

use lasse_tokio::KeyLimitPolicy;

use crate::shared::random_in;

/// The settings of a [`RedisGate`](crate::RedisGate), which should be the same on all nodes.
///
/// | setting | default |
/// |---|---|
/// | streams per key | no limit; beyond one, the newest is refused |
/// | lease of a node | 5 s |
/// | new streams while Redis does not answer | admitted by the limit of this node |
/// | time to admit, and to list | 1 s |
/// | isolation | no limit |
#[derive(Clone, Debug)]
pub struct RedisGateConfig {
    pub(super) limit: usize,
    policy: KeyLimitPolicy,
    pub(super) lease: Duration,
    pub(super) outage: OutagePolicy,
    pub(super) timeout: Duration,
    pub(super) max_isolation: Option<Duration>,
    client_retry: RangeInclusive<Duration>,
}

/// What happens to new streams while Redis does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutagePolicy {
    /// They are admitted by the limit per key, counted on this node alone. So a user can have as many
    /// streams on each node. When Redis is back, all nodes count them together again, and with
    /// [`KeyLimitPolicy::ReplaceOldest`] the oldest end.
    #[default]
    AdmitLocally,
    /// They are refused as unavailable (503), and retry after a few seconds.
    Refuse,
}

impl RedisGateConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many streams with the same key can be open at a time, on all nodes together. With
    /// zero, all are refused.
    #[must_use]
    pub fn with_limit_per_key(self, streams: usize) -> Self {
        Self { limit: streams, ..self }
    }

    /// Sets which stream yields if a client opens more than its limit allows. An old stream yields
    /// when the new one opens: a request that `init` or a gate refuses replaces none.
    #[must_use]
    pub fn with_key_limit_policy(self, policy: KeyLimitPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Sets for how long the streams of a node count after the node was killed: from 100 milliseconds
    /// to an hour. A node renews its lease five times in this time.
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        Self { lease: lease.clamp(Duration::from_millis(100), Duration::from_secs(3600)), ..self }
    }

    /// Sets what happens to new streams while Redis does not answer.
    #[must_use]
    pub fn with_outage_policy(self, policy: OutagePolicy) -> Self {
        Self { outage: policy, ..self }
    }

    /// Sets how long a new stream waits for Redis, and how long a list waits for other nodes.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sends each stream with tags to reconnect after this time without a connection to Redis, so
    /// that it is checked again by the application. Without it, a node that is cut off keeps the
    /// streams of users that other nodes have ended, until it reads that. The least time is twice
    /// the [block time](crate::BackplaneConfig::with_block).
    #[must_use]
    pub fn with_max_isolation(self, time: impl Into<Option<Duration>>) -> Self {
        Self { max_isolation: time.into(), ..self }
    }

    /// Sets the span of the random time after which a client returns if the limit of its key is
    /// reached or its stream was replaced: 60 to 75 seconds by default.
    #[must_use]
    pub fn with_client_retry(self, span: RangeInclusive<Duration>) -> Self {
        Self { client_retry: span, ..self }
    }

    /// Whether new streams replace old ones of the same key.
    pub(super) fn replaces_oldest(&self) -> bool {
        self.policy == KeyLimitPolicy::ReplaceOldest
    }

    /// When a client retries whose key is at its limit.
    pub(super) fn client_retry(&self) -> Duration {
        random_in(self.client_retry.clone())
    }

    /// When a client retries that is refused because Redis is away.
    pub(super) fn outage_retry(&self) -> Duration {
        random_in(OUTAGE_RETRY)
    }
}

impl Default for RedisGateConfig {
    fn default() -> Self {
        Self {
            limit: usize::MAX,
            policy: KeyLimitPolicy::default(),
            lease: Duration::from_secs(5),
            outage: OutagePolicy::default(),
            timeout: Duration::from_secs(1),
            max_isolation: None,
            client_retry: Duration::from_secs(60)..=Duration::from_secs(75),
        }
    }
}

/// When a client retries that was refused because Redis is away.
const OUTAGE_RETRY: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(15);
