//! How many streams a gate lets in.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lasse_core::RequestHead;

use crate::spread::{chance, draw};

/// How many streams a gate lets in, and when those come back that it refuses.
///
/// | setting | default |
/// |---|---|
/// | streams in all | no limit |
/// | streams per key | no limit |
/// | a client that is refused comes back | after 5 to 15 seconds |
///
/// # Examples
///
/// Six streams from each address, which is no good idea behind a proxy, where
/// all clients have one:
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
pub struct GateConfig {
    pub(super) limit: usize,
    per_key: Option<PerKey>,
    retry: RangeInclusive<Duration>,
    random: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl GateConfig {
    /// The defaults: all are let in.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets in no more than `streams` at a time.
    #[must_use]
    pub fn with_limit(self, streams: usize) -> Self {
        Self { limit: streams, ..self }
    }

    /// Lets in no more than `streams` at a time that have the same key: a user, an
    /// address, a tenant. Those for which there is `None` are not limited.
    #[must_use]
    pub fn with_limit_per_key<K: Hash>(
        self,
        streams: usize,
        key: impl Fn(&RequestHead<'_>) -> Option<K> + Send + Sync + 'static,
    ) -> Self {
        Self { per_key: Some(PerKey::new(streams, key)), ..self }
    }

    /// Sends away those for whom there is no room for a time within this span,
    /// each for one of its own.
    #[must_use]
    pub fn with_retry(self, span: RangeInclusive<Duration>) -> Self {
        Self { retry: span, ..self }
    }

    /// Sets the source of the random numbers from which the gate draws its delays. Each number must
    /// be any `u64` with equal probability. A simulation that must repeat passes a seeded generator.
    #[must_use]
    pub fn with_random(self, random: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { random: Box::new(random), ..self }
    }

    pub(super) fn retry(&self) -> Duration {
        self.draw(self.retry.clone())
    }

    /// A random point of `span`.
    pub(super) fn draw(&self, span: RangeInclusive<Duration>) -> Duration {
        draw(span, (self.random)())
    }

    /// Counts one more stream of this key, if it has one, unless it has too many.
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

    /// Counts one stream of this key less.
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
        Self { limit: usize::MAX, per_key: None, retry, random: Box::new(chance) }
    }
}

impl fmt::Debug for GateConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateConfig")
            .field("limit", &self.limit)
            .field("limit_per_key", &self.per_key.as_ref().map(|per_key| per_key.limit))
            .field("retry", &self.retry)
            .finish()
    }
}

/// A user's key, by its hash: two keys in 2^64 are taken for one.
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
