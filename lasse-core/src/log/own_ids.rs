//! An index of the ids that events have of their own: from an id to a position, in bounded time.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::mem::size_of;

/// The positions of ids, by hash.
///
/// Events leave the log in the order in which they came. So the index is a queue of tables, each
/// half as large as all before it: an insertion never moves other entries, and a table is dropped
/// as a whole when the last of its events has left. A lookup looks into each table, of which there
/// are about two for each doubling of the number of events.
#[derive(Debug, Default)]
pub(super) struct OwnIds {
    /// Oldest first.
    tables: VecDeque<Table>,
    /// The entries of all tables.
    len: usize,
}

/// An open-addressing hash table, to which entries are only added.
#[derive(Debug)]
struct Table {
    /// The position that the entries count from.
    first: u64,
    /// The position of the newest entry.
    last: u64,
    len: usize,
    /// As many as a power of two.
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    hash: u32,
    /// The position, counted from the table's first, plus one. Zero, if the slot is free.
    nth: u32,
}

impl OwnIds {
    /// Adds an id whose event is at `position`, which is above all before.
    pub(super) fn insert(&mut self, hash: u64, position: u64) {
        let has_room = self.tables.back().is_some_and(|table| table.has_room(position));
        if !has_room {
            let slots = (self.len / 2).clamp(SMALLEST, LARGEST).next_power_of_two();
            let slots = vec![Slot::default(); slots];
            self.tables.push_back(Table { first: position, last: position, len: 0, slots });
        }
        if let Some(table) = self.tables.back_mut() {
            table.insert(hash, position);
            self.len += 1;
        }
    }

    /// The oldest position of `hash` that is not before `first` and that is the id's, as only a
    /// comparison of the ids can decide.
    pub(super) fn find(&self, hash: u64, first: u64, is_it: impl Fn(u64) -> bool) -> Option<u64> {
        self.tables.iter().find_map(|table| {
            table.candidates(hash).find(|position| *position >= first && is_it(*position))
        })
    }

    /// Drops the tables whose events are all before `first`.
    pub(super) fn let_go(&mut self, first: u64) {
        while self.tables.front().is_some_and(|table| table.last < first) {
            self.len -= self.tables.pop_front().map_or(0, |table| table.len);
        }
    }

    /// How many bytes it has allocated.
    pub(super) fn memory(&self) -> usize {
        let slots: usize = self.tables.iter().map(|table| table.slots.capacity()).sum();
        self.tables.capacity() * size_of::<Table>() + slots * size_of::<Slot>()
    }
}

impl Table {
    fn has_room(&self, position: u64) -> bool {
        self.len * 4 < self.slots.len() * 3 && position - self.first < u64::from(u32::MAX)
    }

    fn insert(&mut self, hash: u64, position: u64) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        // There is a free slot, because the table is never full.
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.nth == 0 {
                let nth = u32::try_from(position - self.first + 1).unwrap_or(u32::MAX);
                *slot = Slot { hash: tag(hash), nth };
                break;
            }
            at = (at + 1) & mask;
        }
        (self.last, self.len) = (position, self.len + 1);
    }

    /// The positions whose ids have this hash, oldest first.
    fn candidates(&self, hash: u64) -> impl Iterator<Item = u64> {
        let mask = self.slots.len() - 1;
        let start = hash as usize & mask;
        let slots = (start..).map_while(move |at| self.slots.get(at & mask));
        let taken = slots.take_while(|slot| slot.nth != 0);
        let same = taken.filter(move |slot| slot.hash == tag(hash));
        same.map(|slot| self.first + u64::from(slot.nth - 1))
    }
}

/// A hash of an id, keyed, so that ids that collide in one log do not in another.
pub(super) fn hash(key: &[u8], id: &str) -> u64 {
    let seed = mix(FIRST_FACTOR, key);
    mix(seed, id.as_bytes())
}

/// Folds the bytes into `seed`, eight at a time, by multiplication to 128 bits.
fn mix(seed: u64, bytes: &[u8]) -> u64 {
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64
    };
    let hash = bytes.chunks(8).fold(seed, |hash, chunk| {
        let word = chunk.iter().rev().fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
        fold(hash ^ word, FIRST_FACTOR)
    });
    fold(hash ^ bytes.len() as u64, SECOND_FACTOR)
}

/// The part of a hash that does not choose the slot.
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

const SMALLEST: usize = 16;

/// The slots of the largest table, 8 MiB.
const LARGEST: usize = 1 << 20;

const FIRST_FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

const SECOND_FACTOR: u64 = 0xd1b5_4a32_d192_ed03;

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::format;
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn each_id_is_found_and_no_other() {
        let mut ids = OwnIds::default();
        let hash_of = |n: u64| hash(b"k", &n.to_string());
        (0..10_000).for_each(|n| ids.insert(hash_of(n), n));
        ids.let_go(4000);
        for n in 0..20_000 {
            let found = ids.find(hash_of(n), 4000, |position| position == n);
            assert_eq!(found, (4000..10_000).contains(&n).then_some(n), "{n}");
        }
        assert!(ids.tables.len() < 24, "{} tables", ids.tables.len());
        assert_eq!(ids.len, ids.tables.iter().map(|table| table.len).sum::<usize>());
        let most = 10_000 * 32;
        assert!((6_000 * 8..most).contains(&ids.memory()), "{} bytes", ids.memory());
    }

    #[test]
    fn ids_that_collide_are_found_oldest_first() {
        let mut ids = OwnIds::default();
        (0..100).for_each(|n| ids.insert(7, n));
        assert_eq!(ids.find(7, 0, |_| true), Some(0));
        assert_eq!(ids.find(7, 60, |_| true), Some(60));
        assert_eq!(ids.find(7, 0, |position| position == 99), Some(99));
        ids.let_go(99);
        assert_eq!(ids.find(7, 99, |_| true), Some(99));
        ids.let_go(100);
        assert_eq!((ids.find(7, 0, |_| true), ids.len), (None, 0));
    }

    #[test]
    fn a_table_takes_positions_of_any_size_up_to_four_billion_after_its_first() {
        let first = 1 << 40;
        let (last, after) = (first + u64::from(u32::MAX) - 1, first + u64::from(u32::MAX));
        let mut ids = OwnIds::default();
        ids.insert(7, first);
        ids.insert(7, last);
        assert_eq!(ids.tables.len(), 1);
        ids.insert(7, after);
        for position in [first, last, after] {
            assert_eq!(ids.find(7, position, |_| true), Some(position));
        }
    }

    #[test]
    fn ids_have_different_hashes_in_both_halves() {
        let hashes: BTreeSet<_> =
            (0..1000).map(|n| hash(b"k", &format!("id of some length {n}"))).collect();
        assert_eq!(hashes.len(), 1000);
        let tags: BTreeSet<_> = hashes.iter().map(|hash| tag(*hash)).collect();
        let slots: BTreeSet<_> = hashes.iter().map(|hash| hash & 0xf_ffff).collect();
        assert!(tags.len() > 990 && slots.len() > 990, "{} {}", tags.len(), slots.len());
    }
}
