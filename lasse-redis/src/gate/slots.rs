//! The streams of this node that count for a limit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lasse_core::EndReason;
use lasse_tokio::{StreamHandle, WeakStreamHandle};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::RedisGateConfig;
use super::scripts::Counted;
use crate::report;
use crate::shared::random;

/// The streams of this node that count for a limit, and those that have closed since the last write
/// to Redis.
#[derive(Debug)]
pub(super) struct Slots(Arc<Table>);

/// Of two streams of one node, the newer one has the larger number.
pub(super) type SlotId = u64;

#[derive(Debug)]
struct Table {
    state: Mutex<State>,
    /// Notified when there is something to write.
    changed: Notify,
    /// The first part of the names of this node.
    process: String,
    config: RedisGateConfig,
}

#[derive(Debug, Default)]
struct State {
    open: BTreeMap<SlotId, Slot>,
    by_key: HashMap<Arc<str>, BTreeSet<SlotId>>,
    closed: Vec<(Arc<str>, SlotId)>,
    /// Those that Redis must be sent again.
    unwritten: BTreeSet<SlotId>,
    next_id: SlotId,
    /// The number of the name under which the node has its lease.
    node: u16,
    /// The number of the newest name, which differs while the node takes a lease.
    next_node: u16,
    /// Whether Redis counts streams under the name of the node that have closed unnoticed.
    is_outdated: bool,
    /// Where the next round of refreshing continues.
    refreshed: SlotId,
}

#[derive(Debug)]
struct Slot {
    key: Arc<str>,
    inserted_at: Instant,
    /// When it was admitted by the clock of Redis, in microseconds.
    admitted_at: Option<i64>,
    /// Whether it was admitted: until then, only that call writes it.
    is_admitted: bool,
    handle: WeakStreamHandle,
    /// Whether the stream has opened: until then, it replaces no other.
    is_open: bool,
    /// Whether Redis counts it like an open one.
    is_counted: bool,
}

/// A stream as Redis has it.
#[derive(Clone, Debug)]
pub(super) struct SlotEntry {
    pub(super) id: SlotId,
    pub(super) key: Arc<str>,
    /// When it was admitted by the clock of Redis, in microseconds. If Redis does not have it yet,
    /// minus its age, which is never more than 0.
    pub(super) admitted_at: i64,
    pub(super) is_open: bool,
}

impl Slots {
    pub(super) fn new(config: &RedisGateConfig) -> Self {
        let (process, config) = (format!("{:016x}", random()), config.clone());
        Self(Arc::new(Table { state: Mutex::default(), changed: Notify::new(), process, config }))
    }

    /// A stream that is about to open. It is counted until the handle is dropped.
    pub(super) fn insert(&self, key: &str) -> (SlotId, StreamHandle) {
        let key: Arc<str> = key.into();
        let mut state = self.0.lock();
        let id = state.next_id;
        state.next_id += 1;
        let table = Arc::clone(&self.0);
        let guard = Guard { table: Arc::clone(&self.0), id };
        let handle = StreamHandle::with_opened(guard, move || table.set_open(id));
        let slot = Slot {
            key: key.clone(),
            inserted_at: Instant::now(),
            admitted_at: None,
            is_admitted: false,
            handle: handle.downgrade(),
            is_open: false,
            is_counted: false,
        };
        state.open.insert(id, slot);
        state.by_key.entry(key).or_default().insert(id);
        drop(state);
        report::counted(1);
        (id, handle)
    }

    /// The stream, if it is open.
    pub(super) fn entry(&self, id: SlotId) -> Option<SlotEntry> {
        self.0.lock().entry(id)
    }

    pub(super) fn handle(&self, id: SlotId) -> Option<StreamHandle> {
        self.0.lock().open.get(&id).and_then(|slot| slot.handle.upgrade())
    }

    /// Redis counts these streams under this name of the node. `false` if the node has taken another
    /// name since, under which it has written the other streams.
    pub(super) fn set_counted(&self, node: &str, streams: &[SlotEntry], counted: &Counted) -> bool {
        let mut state = self.0.lock();
        if self.0.name(state.next_node) != node {
            return false;
        }
        for SlotEntry { id, admitted_at, .. } in streams {
            let Some(slot) = state.open.get_mut(id) else { continue };
            let by_age = counted.now.saturating_add(*admitted_at);
            slot.admitted_at.get_or_insert(if *admitted_at > 0 { *admitted_at } else { by_age });
            slot.is_admitted = true;
            slot.is_counted = !counted.reserved.contains(id);
        }
        true
    }

    /// This node admits the stream without Redis, which is sent it later.
    pub(super) fn admit_locally(&self, id: SlotId) {
        let mut state = self.0.lock();
        if let Some(slot) = state.open.get_mut(&id) {
            slot.is_admitted = true;
            state.unwritten.insert(id);
        }
    }

    /// How many streams of this node have the same key, this one included.
    pub(super) fn len_of_key(&self, id: SlotId) -> usize {
        let state = self.0.lock();
        let same = state.open.get(&id).and_then(|slot| state.by_key.get(&slot.key));
        same.map_or(0, BTreeSet::len)
    }

    /// Sends Redis this stream again, if it is still open.
    pub(super) fn write_again(&self, id: SlotId) {
        let mut state = self.0.lock();
        if state.open.contains_key(&id) {
            state.unwritten.insert(id);
        }
    }

    /// Streams that are being written. Unless this is done, they are written again.
    pub(super) fn unwritten(&self, streams: &[SlotEntry]) -> Unwritten<'_> {
        Unwritten { slots: self, ids: streams.iter().map(|entry| entry.id).collect() }
    }

    /// The name under which this node has its lease.
    pub(super) fn node(&self) -> String {
        self.0.name(self.0.lock().node)
    }

    /// How all names of this node begin.
    pub(super) fn process(&self) -> &str {
        &self.0.process
    }

    /// The stream of this node that a member of a set names: `<node>/<stream>`.
    pub(super) fn own(&self, member: &str) -> Option<SlotId> {
        let (node, id) = member.split_once('/')?;
        node.starts_with(&self.0.process).then(|| id.parse().ok())?
    }

    /// A new name, under which Redis has none of the streams. The node keeps the one that it has
    /// until [`Slots::use_next_node`].
    pub(super) fn next_node(&self) -> String {
        let mut guard = self.0.lock();
        let state = &mut *guard;
        state.next_node = state.next_node.wrapping_add(1);
        let admitted = state.open.iter().filter(|(_, slot)| slot.is_admitted);
        state.unwritten = admitted.map(|(id, _)| *id).collect();
        state.open.values_mut().for_each(|slot| slot.is_counted = slot.is_open);
        state.closed.clear();
        state.is_outdated = true;
        self.0.name(state.next_node)
    }

    /// The node has a lease under its newest name, and Redis has all streams there.
    pub(super) fn use_next_node(&self) {
        let mut state = self.0.lock();
        state.node = state.next_node;
        state.is_outdated = state.closed.len() >= MOST_CLOSED;
    }

    /// Streams that have closed, or `None` if the node needs a new name, because these were too many
    /// to remember.
    pub(super) fn take_closed(&self) -> Option<Vec<(Arc<str>, SlotId)>> {
        let mut state = self.0.lock();
        (!state.is_outdated).then(|| mem::take(&mut state.closed))
    }

    /// Redis may still count these streams that have closed.
    pub(super) fn close_again(&self, closed: Vec<(Arc<str>, SlotId)>) {
        let mut state = self.0.lock();
        closed.into_iter().for_each(|(key, id)| state.close(key, id));
    }

    /// Streams that Redis must be sent: those that it lacks, and of the others a part, so that each
    /// has its turn within `rounds` calls.
    pub(super) fn take_unwritten(&self, rounds: usize) -> Vec<SlotEntry> {
        let mut state = self.0.lock();
        let share = state.open.len().div_ceil(rounds.max(1)).min(MOST_WRITTEN);
        let from = state.refreshed;
        let mut ids: Vec<SlotId> =
            state.open.range(from..).take(share).map(|(id, _)| *id).collect();
        state.refreshed = match ids.last() {
            Some(last) if ids.len() == share => last + 1,
            _ => 0,
        };
        while ids.len() < MOST_WRITTEN {
            let Some(id) = state.unwritten.pop_first() else { break };
            ids.push(id);
        }
        let is_admitted = |id: &SlotId| state.open.get(id).is_some_and(|slot| slot.is_admitted);
        ids.into_iter().filter(is_admitted).filter_map(|id| state.entry(id)).collect()
    }

    /// Whether Redis lacks streams.
    pub(super) fn has_unwritten(&self) -> bool {
        !self.0.lock().unwritten.is_empty()
    }

    /// Returns when streams have opened or closed.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }
}

impl Table {
    /// The stream opens, and replaces the oldest ones of its key. Those of this node are found here;
    /// for those of others, Redis is sent it.
    fn set_open(&self, id: SlotId) {
        if !self.config.replaces_oldest() {
            return;
        }
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(slot) = state.open.get_mut(&id) else { return };
        slot.is_open = true;
        if !mem::replace(&mut slot.is_counted, true) {
            state.unwritten.insert(id);
            self.changed.notify_one();
        }
        let replaced = state.over(id, self.config.limit);
        drop(guard);
        for stream in replaced {
            stream.end(EndReason::Replaced, self.config.client_retry());
        }
    }

    fn name(&self, number: u16) -> String {
        format!("{}{number:04x}", self.process)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn entry(&self, id: SlotId) -> Option<SlotEntry> {
        let slot = self.open.get(&id)?;
        let age = || i64::try_from(slot.inserted_at.elapsed().as_micros()).unwrap_or(i64::MAX);
        let admitted_at = slot.admitted_at.unwrap_or_else(|| -age());
        Some(SlotEntry { id, key: slot.key.clone(), admitted_at, is_open: slot.is_open })
    }

    fn close(&mut self, key: Arc<str>, id: SlotId) {
        if self.closed.len() < MOST_CLOSED {
            self.closed.push((key, id));
        } else {
            self.is_outdated = true;
        }
    }

    /// The oldest open streams with the same key that are beyond `limit`.
    fn over(&self, id: SlotId, limit: usize) -> Vec<StreamHandle> {
        let same = self.open.get(&id).and_then(|slot| self.by_key.get(&slot.key));
        let open = same.into_iter().flatten().filter_map(|id| self.open.get(id));
        let open: Vec<_> = open.filter(|slot| slot.is_open).collect();
        let over = open.iter().take(open.len().saturating_sub(limit));
        over.filter_map(|slot| slot.handle.upgrade()).collect()
    }
}

/// Streams that are being written.
pub(super) struct Unwritten<'a> {
    slots: &'a Slots,
    ids: Vec<SlotId>,
}

impl Unwritten<'_> {
    /// Redis has them.
    pub(super) fn written(mut self) {
        self.ids.clear();
    }
}

impl Drop for Unwritten<'_> {
    fn drop(&mut self) {
        self.ids.iter().for_each(|id| self.slots.write_again(*id));
    }
}

/// Lives as long as its stream.
struct Guard {
    table: Arc<Table>,
    id: SlotId,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut state = self.table.lock();
        let Some(slot) = state.open.remove(&self.id) else { return };
        state.unwritten.remove(&self.id);
        if let Some(same) = state.by_key.get_mut(&slot.key) {
            same.remove(&self.id);
            if same.is_empty() {
                state.by_key.remove(&slot.key);
            }
        }
        state.close(slot.key, self.id);
        drop(state);
        report::counted(-1);
        self.table.changed.notify_one();
    }
}

/// How many closed streams are remembered while Redis is away. If there are more, the node takes a
/// new name.
const MOST_CLOSED: usize = 10_000;

/// How many streams are written at once.
pub(super) const MOST_WRITTEN: usize = 500;

#[cfg(test)]
mod tests;
