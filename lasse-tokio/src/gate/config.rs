//! The configuration of a gate: limits, delays, and the plan of a drain.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lasse_core::RequestHead;

use super::DrainPlan;
use crate::random::{point_in, random};

/// How many streams a [`Gate`](crate::Gate) admits, and how it ends them.
///
/// | setting | default |
/// |---|---|
/// | streams in all | no limit |
/// | streams per key | no limit |
/// | a rejected client tries again | after 5 to 15 seconds |
/// | plan of a drain | [the default one](DrainPlan) |
///
/// # Examples
///
/// At most six streams for each IP address. Behind a proxy, take the address from the header
/// that the proxy sets, because all connections come from the proxy:
///
/// ```
/// use lasse_tokio::{Gate, GateConfig, PeerAddr};
///
/// let config = GateConfig::new()
///     .with_limit(10_000)
///     .with_limit_per_key(6, |request| {
///         PeerAddr::from_extensions(request.extensions()).map(|PeerAddr(peer)| peer.ip())
///     });
/// let gate = Gate::new(config);
/// ```
#[doc(alias = "rate limit")]
pub struct GateConfig {
    limit: usize,
    per_key: Option<PerKey>,
    retry: RangeInclusive<Duration>,
    drain_plan: DrainPlan,
    random: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl GateConfig {
    /// The defaults: all streams are admitted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many streams can be open at a time. With zero, all are rejected.
    #[must_use]
    pub fn with_limit(self, streams: usize) -> Self {
        Self { limit: streams, ..self }
    }

    /// Sets how many streams with the same key can be open at a time. The key can be a user,
    /// a tenant or an [address](crate::PeerAddr). A stream without a key has no limit.
    #[must_use]
    pub fn with_limit_per_key<K: Hash>(
        self,
        streams: usize,
        key: impl Fn(&RequestHead<'_>) -> Option<K> + Send + Sync + 'static,
    ) -> Self {
        Self { per_key: Some(PerKey::new(streams, key)), ..self }
    }

    /// Sets the span of which each client that a limit rejects is sent a random time, after
    /// which it tries again. With zero it tries again at once.
    #[must_use]
    pub fn with_retry(self, span: RangeInclusive<Duration>) -> Self {
        Self { retry: span, ..self }
    }

    /// Sets the plan of the drain that [`Gate::shut_on`](crate::Gate::shut_on) starts, and
    /// with it a server with a graceful shutdown.
    #[must_use]
    pub fn with_drain_plan(self, plan: DrainPlan) -> Self {
        Self { drain_plan: plan, ..self }
    }

    /// Sets the source of the random numbers from which the gate draws its delays. Each
    /// number must be any `u64` with equal probability. A simulation that must repeat passes
    /// a seeded generator.
    #[must_use]
    pub fn with_random(self, random: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { random: Box::new(random), ..self }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn drain_plan(&self) -> &DrainPlan {
        &self.drain_plan
    }

    /// After how long a client that a limit rejects tries again.
    pub(super) fn retry(&self) -> Duration {
        self.draw(self.retry.clone())
    }

    /// A random point of `span`.
    pub(super) fn draw(&self, span: RangeInclusive<Duration>) -> Duration {
        point_in(span, (self.random)())
    }

    /// Counts one more stream with the request's key, if it has one, unless there are too
    /// many.
    pub(super) fn take_key(&self, request: &RequestHead<'_>) -> Result<Option<Key>, ()> {
        let Some(per_key) = &self.per_key else { return Ok(None) };
        let Some(key) = (per_key.key)(request) else { return Ok(None) };
        let mut streams = per_key.streams();
        let count = streams.get(&key).copied().unwrap_or(0);
        if count >= per_key.limit {
            return Err(());
        }
        streams.insert(key, count + 1);
        Ok(Some(key))
    }

    /// Counts one stream less with this key.
    pub(super) fn return_key(&self, key: Key) {
        let Some(per_key) = &self.per_key else { return };
        let mut streams = per_key.streams();
        if let Some(count) = streams.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                streams.remove(&key);
            }
        }
    }
}

impl Default for GateConfig {
    fn default() -> Self {
        let retry = Duration::from_secs(5)..=Duration::from_secs(15);
        let drain_plan = DrainPlan::default();
        Self { limit: usize::MAX, per_key: None, retry, drain_plan, random: Box::new(random) }
    }
}

impl fmt::Debug for GateConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateConfig")
            .field("limit", &self.limit)
            .field("limit_per_key", &self.per_key.as_ref().map(|per_key| per_key.limit))
            .field("retry", &self.retry)
            .field("drain_plan", &self.drain_plan)
            .finish_non_exhaustive()
    }
}

/// The hash of a user's key. Two keys have the same hash with a probability of 2^-64.
pub(super) type Key = NonZeroU64;

struct PerKey {
    limit: usize,
    key: Box<KeyOf>,
    streams: Mutex<HashMap<Key, usize>>,
}

type KeyOf = dyn Fn(&RequestHead<'_>) -> Option<Key> + Send + Sync;

impl PerKey {
    fn new<K: Hash>(
        limit: usize,
        key: impl Fn(&RequestHead<'_>) -> Option<K> + Send + Sync + 'static,
    ) -> Self {
        let hasher = RandomState::new();
        let hash = move |key| NonZeroU64::new(hasher.hash_one(key)).unwrap_or(NonZeroU64::MIN);
        let key = move |request: &RequestHead<'_>| key(request).map(&hash);
        Self { limit, key: Box::new(key), streams: Mutex::default() }
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<Key, usize>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_refused_is_not_kept() {
        let config = GateConfig::new().with_limit_per_key(0, |request| Some(request.uri().clone()));
        for nth in 0..100 {
            let request = http::Request::get(format!("/{nth}")).body(()).unwrap();
            assert!(config.take_key(&RequestHead::from(&request)).is_err());
        }
        assert_eq!(config.per_key.as_ref().unwrap().streams().len(), 0);
    }
}
