//! The streams of this node that count for a limit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lasse_tokio::{StreamHandle, WeakStreamHandle};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::shared::random;

/// The streams of this node that count for a limit, and those that have closed since Redis was last
/// told.
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
}

#[derive(Debug, Default)]
struct State {
    open: BTreeMap<SlotId, Slot>,
    by_key: HashMap<Arc<str>, BTreeSet<SlotId>>,
    closed: Vec<(Arc<str>, SlotId)>,
    /// Those that Redis must be sent again.
    unwritten: BTreeSet<SlotId>,
    next_id: SlotId,
    /// How often the node has taken a new name.
    generation: u16,
    /// Where the next round of refreshing goes on.
    refreshed: SlotId,
}

#[derive(Debug)]
struct Slot {
    key: Arc<str>,
    opened_at: Instant,
    handle: WeakStreamHandle,
}

/// A stream as Redis has it.
#[derive(Clone, Debug)]
pub(super) struct SlotEntry {
    pub(super) id: SlotId,
    pub(super) key: Arc<str>,
    /// How long ago it was opened, in milliseconds.
    pub(super) age: u64,
}

impl Slots {
    pub(super) fn new() -> Self {
        let process = format!("{:016x}", random());
        Self(Arc::new(Table { state: Mutex::default(), changed: Notify::new(), process }))
    }

    /// A stream that opens now. It is counted until the handle is dropped.
    pub(super) fn insert(&self, key: &str) -> (SlotId, StreamHandle) {
        let key: Arc<str> = key.into();
        let mut state = self.0.lock();
        let id = state.next_id;
        state.next_id += 1;
        let handle = StreamHandle::new(Guard { table: Arc::clone(&self.0), id });
        let slot = Slot { key: key.clone(), opened_at: Instant::now(), handle: handle.downgrade() };
        state.open.insert(id, slot);
        state.by_key.entry(key).or_default().insert(id);
        (id, handle)
    }

    /// The stream, if it is open.
    pub(super) fn entry(&self, id: SlotId) -> Option<SlotEntry> {
        self.0.lock().entry(id)
    }

    pub(super) fn handle(&self, id: SlotId) -> Option<StreamHandle> {
        self.0.lock().open.get(&id).and_then(|slot| slot.handle.upgrade())
    }

    /// The oldest streams of this node with the same key that are beyond `limit`. Redis is sent the
    /// stream `id` later.
    pub(super) fn over(&self, id: SlotId, limit: usize) -> Vec<StreamHandle> {
        let mut state = self.0.lock();
        state.unwritten.insert(id);
        let Some(slot) = state.open.get(&id) else { return Vec::new() };
        let Some(same) = state.by_key.get(&slot.key) else { return Vec::new() };
        let oldest = same.iter().take(same.len().saturating_sub(limit));
        oldest.filter_map(|id| state.open.get(id)?.handle.upgrade()).collect()
    }

    /// Sends Redis this stream again.
    pub(super) fn write_again(&self, id: SlotId) {
        self.0.lock().unwritten.insert(id);
    }

    /// The name of this node.
    pub(super) fn node(&self) -> String {
        format!("{}{:04x}", self.0.process, self.0.lock().generation)
    }

    /// The stream of this node that a member of a set names: `<node>/<stream>`.
    pub(super) fn own(&self, member: &str) -> Option<SlotId> {
        let (node, id) = member.split_once('/')?;
        node.starts_with(&self.0.process).then(|| id.parse().ok())?
    }

    /// Takes a new name, under which Redis has none of the streams.
    pub(super) fn rename_node(&self) {
        let mut state = self.0.lock();
        state.generation = state.generation.wrapping_add(1);
        state.unwritten = state.open.keys().copied().collect();
        state.closed.clear();
    }

    /// Streams that have closed, or `None` if these were too many to remember.
    pub(super) fn take_closed(&self) -> Option<Vec<(Arc<str>, SlotId)>> {
        let closed = mem::take(&mut self.0.lock().closed);
        (closed.len() < MOST_CLOSED).then_some(closed)
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
        ids.into_iter().filter_map(|id| state.entry(id)).collect()
    }

    /// Whether Redis lacks streams.
    pub(super) fn has_unwritten(&self) -> bool {
        !self.0.lock().unwritten.is_empty()
    }

    /// Returns when streams have closed.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn entry(&self, id: SlotId) -> Option<SlotEntry> {
        let Slot { key, opened_at, .. } = self.open.get(&id)?;
        let age = u64::try_from(opened_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        Some(SlotEntry { id, key: key.clone(), age })
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
        if state.closed.len() < MOST_CLOSED {
            state.closed.push((slot.key, self.id));
        }
        drop(state);
        self.table.changed.notify_one();
    }
}

/// How many closed streams are remembered while Redis is away. If there are more, the node takes a
/// new name.
const MOST_CLOSED: usize = 10_000;

/// How many streams are written at once.
pub(super) const MOST_WRITTEN: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_streams_of_a_key_are_those_beyond_the_limit() {
        let slots = Slots::new();
        let streams: Vec<_> = (0..4).map(|_| slots.insert("ada")).collect();
        let (bob, _bobs) = slots.insert("bob");
        let newest = streams.last().map(|(id, _)| *id).unwrap();
        for (limit, over) in [(0, 4), (1, 3), (3, 1), (4, 0), (usize::MAX, 0)] {
            assert_eq!(slots.over(newest, limit).len(), over, "{limit}");
        }
        assert_eq!((slots.over(bob, 1).len(), slots.over(bob, 0).len()), (0, 1));
        let over = slots.over(newest, 3).remove(0);
        let minute = std::time::Duration::from_secs(60);
        assert!(over.end(lasse_core::EndReason::Replaced, minute));
        assert!(!streams[0].1.end(lasse_core::EndReason::Replaced, minute), "the oldest");
    }

    #[test]
    fn a_stream_is_remembered_as_closed_when_its_handle_is_dropped() {
        let slots = Slots::new();
        let (id, handle) = slots.insert("ada");
        let clone = handle.clone();
        drop(handle);
        assert_eq!(slots.take_closed().unwrap(), []);
        drop(clone);
        assert_eq!(slots.take_closed().unwrap(), [("ada".into(), id)]);
        assert!(slots.entry(id).is_none() && slots.0.lock().by_key.is_empty());
    }

    #[test]
    fn more_closed_streams_than_are_remembered_need_a_new_name() {
        let slots = Slots::new();
        let (kept, _handle) = slots.insert("bob");
        for _ in 0..=MOST_CLOSED {
            drop(slots.insert("ada"));
        }
        assert_eq!(slots.0.lock().closed.len(), MOST_CLOSED);
        assert_eq!(slots.take_closed(), None);
        let before = slots.node();
        slots.rename_node();
        assert_ne!(slots.node(), before);
        assert_eq!(slots.own(&format!("{before}/{kept}")), Some(kept), "an earlier name");
        assert_eq!(slots.own("0123/1"), None);
        let written = slots.take_unwritten(600);
        assert!(written.iter().any(|entry| entry.id == kept));
    }

    #[test]
    fn each_stream_has_its_turn_to_be_refreshed() {
        let slots = Slots::new();
        let streams: Vec<_> = (0..1000).map(|n| slots.insert(&n.to_string())).collect();
        let mut seen = BTreeSet::new();
        for _ in 0..=10 {
            let part = slots.take_unwritten(10);
            assert!(part.len() <= 100, "{}", part.len());
            seen.extend(part.into_iter().map(|entry| entry.id));
        }
        assert_eq!(seen.len(), streams.len());
    }
}
