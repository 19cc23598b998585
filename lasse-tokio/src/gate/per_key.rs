//! The limit of streams per key.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lasse_core::RequestHead;

use super::registry::Entry;

/// Which stream yields if a client opens more than its limit allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyLimitPolicy {
    /// The new stream is refused. An `EventSource` is sent an event named `refused`.
    #[default]
    RefuseNewest,
    /// The oldest stream ends as [`EndReason::Replaced`](lasse_core::EndReason::Replaced): its client
    /// is sent an event named `replaced`. With a limit of zero, the new stream is refused.
    ///
    /// A request that `init` or another gate refuses replaces nothing.
    ReplaceOldest,
}

/// The hash of a user's key. Two keys have the same hash with a probability of 2^-64.
pub(super) type Key = NonZeroU64;

/// The streams of each key.
pub(super) struct PerKey {
    pub(super) limit: usize,
    key: Box<KeyOf>,
    by_key: Mutex<HashMap<Key, Streams>>,
}

type KeyOf = dyn Fn(&RequestHead<'_>) -> Option<Key> + Send + Sync;

/// The streams of one key.
#[derive(Default)]
struct Streams {
    count: usize,
    /// By age, the streams that newer ones can replace.
    replaceable: BTreeMap<u64, Arc<Entry>>,
}

impl PerKey {
    pub(super) fn new<K: Hash>(
        limit: usize,
        key: impl Fn(&RequestHead<'_>) -> Option<K> + Send + Sync + 'static,
    ) -> Self {
        let hasher = RandomState::new();
        let hash = move |key| NonZeroU64::new(hasher.hash_one(key)).unwrap_or(NonZeroU64::MIN);
        let key = move |request: &RequestHead<'_>| key(request).map(&hash);
        Self { limit, key: Box::new(key), by_key: Mutex::default() }
    }

    pub(super) fn key(&self, request: &RequestHead<'_>) -> Option<Key> {
        (self.key)(request)
    }

    /// Counts one more stream with this key, unless there are too many. If the stream has an entry
    /// here, newer ones can replace it, and it counts beyond the limit until it has replaced the
    /// [oldest](Self::take_oldest).
    pub(super) fn add(&self, key: Key, entry: Option<&Arc<Entry>>) -> Result<(), TooMany> {
        let mut by_key = self.lock();
        let count = by_key.get(&key).map_or(0, |streams| streams.count);
        let can_replace = entry.is_some() && self.limit > 0;
        if count >= self.limit && !can_replace {
            return Err(TooMany);
        }
        let streams = by_key.entry(key).or_default();
        streams.count += 1;
        streams.replaceable.extend(entry.map(|entry| (entry.info.id, entry.clone())));
        Ok(())
    }

    /// The oldest stream with this key, if there are more than the limit. It then no longer counts.
    pub(super) fn take_oldest(&self, key: Key) -> Option<Arc<Entry>> {
        let mut by_key = self.lock();
        let streams = by_key.get_mut(&key).filter(|streams| streams.count > self.limit)?;
        let (_, oldest) = streams.replaceable.pop_first()?;
        streams.count -= 1;
        Some(oldest)
    }

    /// Counts one stream less with this key, unless a newer one has replaced it.
    pub(super) fn remove(&self, key: Key, entry: Option<&Entry>) {
        let mut by_key = self.lock();
        let Some(streams) = by_key.get_mut(&key) else { return };
        let removed = entry.map(|entry| streams.replaceable.remove(&entry.info.id));
        if removed.as_ref().is_none_or(Option::is_some) {
            streams.count -= 1;
        }
        if streams.count == 0 {
            by_key.remove(&key);
        }
        drop((by_key, removed));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Streams>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As many streams with the same key are open as the limit allows.
#[derive(Debug)]
pub(super) struct TooMany;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_refused_is_not_kept() {
        let per_key = PerKey::new(0, |request| Some(request.uri().clone()));
        for nth in 0..100 {
            let request = http::Request::get(format!("/{nth}")).body(()).unwrap();
            let key = per_key.key(&RequestHead::from(&request)).unwrap();
            assert!(per_key.add(key, None).is_err());
        }
        assert_eq!(per_key.lock().len(), 0);
    }
}
