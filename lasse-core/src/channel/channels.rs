//! Channels by key: one for each user or each chat, a hundred thousand of them.

use std::borrow::Borrow;
use std::boxed::Box;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, Weak};
use std::vec::Vec;

use super::budget::{Budget, Counted};
use super::sync::{AtomicUsize, Mutex, MutexGuard, Ordering};
use super::{Channel, ChannelConfig, random_epoch};
use crate::log::Epoch;
use crate::time::Instant;

/// Channels by key, each made when it is first opened.
///
/// Call [`advance`](Self::advance) every few seconds. It drops each channel that was not used for
/// the idle timeout: it has no reader, nothing was published to it, and either there is no other
/// handle to it or it has ended. When all channels together take too many bytes, the least recently
/// used are dropped, if they are not in use, or else cleared. A channel that was dropped and is
/// opened again has a new epoch, so clients that reconnect are reset.
///
/// # Examples
///
/// ```
/// use lasse_core::{ChannelConfig, Channels, Event};
///
/// let chats = Channels::<String>::new(&ChannelConfig::new());
/// chats.open("tea").publish(Event::new("milk first"))?;
/// assert!(chats.get("tea").is_some());
/// assert!(chats.get("coffee").is_none());
/// # Ok::<(), lasse_core::AppendError>(())
/// ```
pub struct Channels<K>(Arc<Pool<K>>);

struct Pool<K> {
    config: ChannelConfig,
    /// Makes the epoch of each new channel.
    new_epoch: Box<dyn Fn() -> Epoch + Send + Sync>,
    /// How many bytes the logs of all channels take.
    bytes: AtomicUsize,
    map: Mutex<Map<K>>,
    itself: Weak<Self>,
}

struct Map<K> {
    entries: HashMap<K, Entry>,
    /// The order in which channels are looked at, each with the stamp of its entry.
    order: VecDeque<(K, u64)>,
    /// The stamp of the newest entry.
    stamp: u64,
}

struct Entry {
    channel: Channel,
    stamp: u64,
    /// Since when it is known to be unused, and its activity by then.
    unused_since: Option<(Instant, u64)>,
    /// Its activity when it was last looked at for its bytes.
    activity: u64,
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Channels<K> {
    /// An empty set, whose channels will have this configuration.
    pub fn new(config: &ChannelConfig) -> Self {
        Self::with_epochs(config, random_epoch)
    }

    /// The same, but `new_epoch` makes the epoch of each new channel instead of a random generator.
    /// It must never return the same epoch twice: ids of two channels with one epoch cannot be kept
    /// apart. A simulation that must repeat passes a counter or a seeded generator.
    pub fn with_epochs(
        config: &ChannelConfig,
        new_epoch: impl Fn() -> Epoch + Send + Sync + 'static,
    ) -> Self {
        let (config, new_epoch) = (config.clone(), Box::new(new_epoch));
        let map = Map { entries: HashMap::new(), order: VecDeque::new(), stamp: 0 };
        Self(Arc::new_cyclic(|itself| Pool {
            config,
            new_epoch,
            bytes: AtomicUsize::new(0),
            map: Mutex::new(map),
            itself: itself.clone(),
        }))
    }

    /// The channel of `key`, which is made if there is none. It can have ended.
    pub fn open(&self, key: impl Into<K>) -> Channel {
        let key = key.into();
        if let Some(channel) = self.get(&key) {
            return channel;
        }
        let epoch = (self.0.new_epoch)();
        let mut map = self.0.lock();
        if let Some(entry) = map.entries.get(&key) {
            return entry.channel.clone();
        }
        let budget: Weak<dyn Budget> = self.0.itself.clone();
        let channel = Channel::with_budget(&self.0.config, epoch, Some(budget));
        map.insert(key, channel.clone());
        drop(map);
        channel.0.count().into_iter().for_each(Counted::settle);
        channel
    }

    /// The channel of `key`, if there is one.
    pub fn get<Q>(&self, key: &Q) -> Option<Channel>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.0.lock().entries.get(key).map(|entry| entry.channel.clone())
    }

    /// Removes the channel of `key`. Its handles and its readers can still use it, but the next
    /// [`open`](Self::open) of that key makes a new one. This is how to start again after a channel
    /// that has ended.
    pub fn remove<Q>(&self, key: &Q) -> Option<Channel>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let mut map = self.0.lock();
        let entry = map.entries.remove(key)?;
        self.0.release(&entry);
        map.tidy();
        Some(entry.channel)
    }

    /// Sets the time: drops events that are too old, and channels that have been unused for too
    /// long.
    pub fn advance(&self, now: Instant) {
        self.advance_some(now, usize::MAX);
    }

    /// The same for up to `channels` channels, and the next time for others: for callers that have
    /// a hundred thousand, and other work to do in between.
    pub fn advance_some(&self, now: Instant, channels: usize) {
        let mut left = channels.min(self.0.lock().order.len());
        while left > 0 {
            let some = left.min(LOOKS);
            let unused = self.0.take_unused(some, now);
            drop(unused);
            left -= some;
        }
    }

    /// How many channels there are.
    pub fn len(&self) -> usize {
        self.0.lock().entries.len()
    }

    /// Whether there are no channels.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The keys of all channels, in any order.
    pub fn keys(&self) -> Vec<K> {
        self.0.lock().entries.keys().cloned().collect()
    }

    /// How many bytes the logs of all channels take.
    pub fn bytes(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }
}

impl<K: Clone + Eq + Hash> Pool<K> {
    fn lock(&self) -> MutexGuard<'_, Map<K>> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at some channels, and takes out each that has been unused for too long. The caller
    /// drops them without the lock.
    fn take_unused(&self, some: usize, now: Instant) -> Vec<Entry> {
        let timeout = self.config.settings().idle_timeout;
        let mut unused = Vec::new();
        let mut map = self.lock();
        for _ in 0..some {
            let Some(key) = map.next() else { break };
            let Some(entry) = map.entries.get_mut(&key) else { continue };
            // Time only takes events away, so there is nothing to settle.
            let _ = entry.channel.0.advance(now);
            let (is_used, (activity, _)) = (entry.channel.0.is_used(), entry.channel.0.activity());
            let before = entry.unused_since.filter(|(_, before)| *before == activity);
            entry.unused_since = (!is_used).then(|| before.unwrap_or((now, activity)));
            if entry.unused_since.is_some_and(|(since, _)| since + timeout <= now) {
                unused.extend(self.take(&mut map, &key));
            } else {
                map.put_back(key);
            }
        }
        unused
    }

    /// Frees memory: of the channels without activity since the last look, the unused ones
    /// are dropped, and the others are cleared.
    fn free_excess(&self) {
        let (mut unused, mut used) = (Vec::new(), Vec::new());
        let bytes = self.bytes.load(Ordering::Relaxed);
        let mut excess = bytes.saturating_sub(self.config.settings().total_bytes);
        let mut map = self.lock();
        // No channel twice: the second look would find it idle, whatever happened before the first.
        for _ in 0..LOOKS.min(map.entries.len()) {
            if excess == 0 {
                break;
            }
            let Some(key) = map.next() else { break };
            let Some(entry) = map.entries.get_mut(&key) else { continue };
            let (activity, bytes) = entry.channel.0.activity();
            if entry.activity != activity {
                entry.activity = activity;
                map.put_back(key);
                continue;
            }
            excess = excess.saturating_sub(bytes);
            if entry.channel.0.is_used() {
                used.push(entry.channel.clone());
                map.put_back(key);
            } else {
                unused.extend(self.take(&mut map, &key));
            }
        }
        drop(map);
        used.iter().for_each(Channel::clear);
    }

    fn take(&self, map: &mut Map<K>, key: &K) -> Option<Entry> {
        let entry = map.entries.remove(key)?;
        self.release(&entry);
        Some(entry)
    }

    /// Takes a channel's bytes out of the sum.
    fn release(&self, entry: &Entry) {
        self.bytes.fetch_sub(entry.channel.0.leave_budget(), Ordering::Relaxed);
    }
}

impl<K: Clone + Eq + Hash + Send + Sync> Budget for Pool<K> {
    fn add(&self, change: isize) -> bool {
        let change = change as usize;
        let bytes = self.bytes.fetch_add(change, Ordering::Relaxed).wrapping_add(change);
        bytes > self.config.settings().total_bytes
    }

    fn relieve(&self) {
        self.free_excess();
    }
}

impl<K: Clone + Eq + Hash> Map<K> {
    fn insert(&mut self, key: K, channel: Channel) {
        self.stamp += 1;
        let entry = Entry { channel, stamp: self.stamp, unused_since: None, activity: 0 };
        self.order.push_back((key.clone(), self.stamp));
        self.entries.insert(key, entry);
    }

    /// The key of the next channel to look at. It must be put back, unless the channel is dropped.
    fn next(&mut self) -> Option<K> {
        loop {
            let (key, stamp) = self.order.pop_front()?;
            if self.entries.get(&key).is_some_and(|entry| entry.stamp == stamp) {
                return Some(key);
            }
        }
    }

    /// Drops the keys that were removed from the order, if there are more of them than channels.
    fn tidy(&mut self) {
        if self.order.len() > 2 * self.entries.len() + LOOKS {
            let entries = &self.entries;
            let is_current = |(key, stamp): &(K, u64)| {
                entries.get(key).is_some_and(|entry| entry.stamp == *stamp)
            };
            self.order.retain(is_current);
        }
    }

    fn put_back(&mut self, key: K) {
        if let Some(entry) = self.entries.get(&key) {
            self.order.push_back((key, entry.stamp));
        }
    }
}

impl<K> Clone for Channels<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> fmt::Debug for Channels<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels").field("bytes", &self.0.bytes).finish_non_exhaustive()
    }
}

/// How many channels are looked at before the lock is released.
const LOOKS: usize = 64;

#[cfg(test)]
mod tests;
