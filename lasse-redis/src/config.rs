//! The settings of a backplane.

use std::time::Duration;

use tokio::sync::Semaphore;

/// The settings of a [`Backplane`](crate::Backplane).
///
/// | setting | default |
/// |---|---|
/// | time to publish | 5 s |
/// | time to connect | 3 s |
/// | entries that a stream keeps, about | 100,000 |
/// | block time of a read | 2 s |
/// | time to decide on a client | 2 s |
/// | delay of a client that cannot be decided on | 1 to 2 s |
/// | delay between attempts to connect | up to 5 s |
/// | lifetime of an idempotency key | 1 hour |
/// | pages that are read for clients at once | 32 |
/// | lifetime of a stream by key that is not used | 1 day |
/// | channels by key with readers | 100,000 |
/// | events that are loaded at the start | as many as the channel keeps |
/// | ready only while Redis answers | no |
#[derive(Clone, Debug)]
pub struct BackplaneConfig {
    pub(crate) publish_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) max_len: u64,
    pub(crate) block: Duration,
    pub(crate) decision_timeout: Duration,
    pub(crate) retry_delay: Duration,
    pub(crate) max_backoff: Duration,
    pub(crate) once_lifetime: Duration,
    pub(crate) max_backfills: usize,
    pub(crate) is_ready_only_connected: bool,
    pub(crate) stream_lifetime: Duration,
    pub(crate) max_watched: usize,
}

impl BackplaneConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long [`publish`](crate::RedisChannel::publish) can take before it returns an error.
    #[must_use]
    pub fn with_publish_timeout(self, timeout: Duration) -> Self {
        Self { publish_timeout: timeout, ..self }
    }

    /// Sets how long a connection can take to be made, with its handshake.
    #[must_use]
    pub fn with_connect_timeout(self, timeout: Duration) -> Self {
        Self { connect_timeout: timeout, ..self }
    }

    /// Sets how many entries Redis keeps of each stream, at least. Redis drops older ones in groups,
    /// so that it keeps some more (`MAXLEN ~`).
    #[doc(alias = "MAXLEN")]
    #[must_use]
    pub fn with_max_len(self, entries: u64) -> Self {
        Self { max_len: entries.max(1), ..self }
    }

    /// Sets how long a read waits for new entries before it is repeated, from a millisecond up to a
    /// minute.
    #[doc(alias = "BLOCK")]
    #[must_use]
    pub fn with_block(self, time: Duration) -> Self {
        Self { block: time.clamp(Duration::from_millis(1), Duration::from_secs(60)), ..self }
    }

    /// Sets how long a new client waits for the decision whether it can resume, if Redis must be
    /// asked: two seconds by default. If Redis has lost the client's event, the client waits for up to
    /// half of that time until the loss is recorded, so that it is reset once.
    #[must_use]
    pub fn with_decision_timeout(self, timeout: Duration) -> Self {
        Self { decision_timeout: timeout, ..self }
    }

    /// Sets when a client retries that could not be decided on: after `delay` to twice `delay`.
    #[must_use]
    pub fn with_retry_delay(self, delay: Duration) -> Self {
        Self { retry_delay: delay, ..self }
    }

    /// Sets the longest delay between two attempts to connect.
    #[must_use]
    pub fn with_max_backoff(self, delay: Duration) -> Self {
        Self { max_backoff: delay, ..self }
    }

    /// Sets for how many clients pages are read from Redis at once, of events that the node no longer
    /// holds, at least one. Others wait with an open stream.
    #[must_use]
    pub fn with_max_backfills(self, clients: usize) -> Self {
        Self { max_backfills: clients.clamp(1, Semaphore::MAX_PERMITS), ..self }
    }

    /// Sets whether a node is [ready](crate::Health::is_ready) only while Redis answers its reader.
    /// Off by default: all nodes lose Redis at the same time, so that their load balancer would be
    /// left without any, although each of them can serve what it holds.
    ///
    /// If Redis stops without an error on the connection, a node is unready after the block time and the
    /// time to connect.
    #[must_use]
    pub fn with_ready_only_connected(self, is_on: bool) -> Self {
        Self { is_ready_only_connected: is_on, ..self }
    }

    /// Sets how long Redis keeps the stream of a [channel by key](crate::RedisChannels) that is not
    /// used: nothing was published to it, and it has no readers on any node. At least a second.
    #[doc(alias = "expire")]
    #[must_use]
    pub fn with_stream_lifetime(self, lifetime: Duration) -> Self {
        Self { stream_lifetime: lifetime.max(Duration::from_secs(1)), ..self }
    }

    /// Sets how many channels by key can have readers on this node, at least one. Clients of others
    /// retry later.
    #[must_use]
    pub fn with_max_watched(self, channels: usize) -> Self {
        Self { max_watched: channels.max(1), ..self }
    }

    /// Sets how long Redis remembers an idempotency key.
    #[must_use]
    pub fn with_once_lifetime(self, lifetime: Duration) -> Self {
        Self { once_lifetime: lifetime.max(Duration::from_millis(1)), ..self }
    }
}

impl Default for BackplaneConfig {
    fn default() -> Self {
        Self {
            publish_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(3),
            max_len: 100_000,
            block: Duration::from_secs(2),
            decision_timeout: Duration::from_secs(2),
            retry_delay: Duration::from_secs(1),
            max_backoff: Duration::from_secs(5),
            once_lifetime: Duration::from_secs(3600),
            max_backfills: 32,
            is_ready_only_connected: false,
            stream_lifetime: Duration::from_secs(24 * 3600),
            max_watched: 100_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_kept_within_their_bounds() {
        let least = BackplaneConfig::new()
            .with_stream_lifetime(Duration::ZERO)
            .with_max_watched(0)
            .with_max_backfills(0)
            .with_max_len(0)
            .with_block(Duration::ZERO);
        assert_eq!(least.stream_lifetime, Duration::from_secs(1));
        assert_eq!((least.max_watched, least.max_backfills, least.max_len), (1, 1, 1));
        assert_eq!(least.block, Duration::from_millis(1));
        let most = BackplaneConfig::new()
            .with_stream_lifetime(Duration::MAX)
            .with_max_watched(usize::MAX)
            .with_max_backfills(usize::MAX)
            .with_block(Duration::MAX);
        assert_eq!((most.stream_lifetime, most.max_watched), (Duration::MAX, usize::MAX));
        assert_eq!(most.max_backfills, Semaphore::MAX_PERMITS);
        assert_eq!(most.block, Duration::from_secs(60));
    }
}
