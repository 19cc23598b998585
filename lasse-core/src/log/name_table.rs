//! A hash table from names to small numbers. The names are stored elsewhere.

use alloc::vec;
use alloc::vec::Vec;
use core::mem::size_of;

use super::own_ids;

/// The key of the hash of names, so that names that collide in one log do not in another.
#[derive(Clone, Copy, Debug)]
pub(super) struct NameKey(u64);

/// The numbers of names, by hash, with open addressing.
#[derive(Debug, Default)]
pub(super) struct NameTable {
    /// As many as a power of two. A number plus one, or zero if the slot is free.
    slots: Vec<u32>,
    len: usize,
}

impl NameKey {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(own_ids::hash(key, ""))
    }

    /// The hash of a name in two parts: all but the last byte, and that byte. So the name of a
    /// prefix, a part of a topic and a wildcard, need not be copied together.
    pub(super) fn hash(self, part: &str, last: u8) -> u64 {
        let key = self.0.wrapping_add(u64::from(last)).to_le_bytes();
        own_ids::hash(&key, part)
    }

    /// The hash of a whole name.
    pub(super) fn hash_of(self, name: &str) -> u64 {
        let last = name.chars().next_back().unwrap_or_default();
        let part = name.strip_suffix(last).unwrap_or_default();
        // The wildcards are ASCII. What another last character counts as does not matter.
        self.hash(part, u32::from(last) as u8)
    }
}

impl NameTable {
    /// The number of which the hash is `hash`, and which is the right one.
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.probe(hash).map(|(_, number)| number).find(|number| is_it(*number))
    }

    /// Adds a number that is not there. `hash_of` returns the hash of each number's name.
    pub(super) fn insert(&mut self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            let larger = (self.slots.len() * 2).max(SMALLEST);
            let before = core::mem::replace(&mut self.slots, vec![0; larger]);
            for slot in before.into_iter().filter(|slot| *slot != 0) {
                self.put(hash_of(slot - 1), slot);
            }
        }
        self.put(hash, number + 1);
        self.len += 1;
    }

    /// Takes a number out. The entries after it move up, so that each is found from its own slot
    /// on.
    pub(super) fn remove(&mut self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) {
        let found = self.probe(hash).find(|(_, found)| *found == number);
        let Some((mut gap, _)) = found else { return };
        self.len -= 1;
        let mask = self.slots.len() - 1;
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let slot = self.slots.get(at).copied().unwrap_or_default();
            if slot == 0 {
                break;
            }
            let wanted = hash_of(slot - 1) as usize & mask;
            // Whether its own slot is not between the gap and itself.
            if at.wrapping_sub(wanted) & mask >= at.wrapping_sub(gap) & mask {
                self.set(gap, slot);
                gap = at;
            }
        }
        self.set(gap, 0);
    }

    /// How many bytes it has allocated.
    pub(super) fn memory(&self) -> usize {
        self.slots.capacity() * size_of::<u32>()
    }

    /// The slots that are taken, from that of `hash` on, with their numbers.
    fn probe(&self, hash: u64) -> impl Iterator<Item = (usize, u32)> {
        let mask = self.slots.len().wrapping_sub(1);
        let start = hash as usize & mask;
        let places = (0..self.slots.len()).map(move |nth| start.wrapping_add(nth) & mask);
        let slots = places.map_while(|at| self.slots.get(at).map(|slot| (at, *slot)));
        slots.take_while(|(_, slot)| *slot != 0).map(|(at, slot)| (at, slot - 1))
    }

    fn put(&mut self, hash: u64, slot: u32) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        // There is a free slot, because the table is never full.
        while self.slots.get(at).is_some_and(|taken| *taken != 0) {
            at = (at + 1) & mask;
        }
        self.set(at, slot);
    }

    fn set(&mut self, at: usize, slot: u32) {
        if let Some(place) = self.slots.get_mut(at) {
            *place = slot;
        }
    }
}

const SMALLEST: usize = 8;

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;

    #[test]
    fn each_name_is_found_while_it_is_there() {
        let names: Vec<String> = (0..2000).map(|n| format!("room.{n}")).collect();
        let key = NameKey::new(b"k");
        let hash = |number: u32| key.hash_of(&names[number as usize]);
        let mut table = NameTable::default();
        for round in 0..3 {
            let is_kept = |number: &u32| number % 3 == round;
            (0..2000).for_each(|number| table.insert(hash(number), number, hash));
            for number in (0..2000).filter(|number| !is_kept(number)) {
                table.remove(hash(number), number, hash);
            }
            for number in 0..2000 {
                let found = table.find(hash(number), |found| found == number);
                assert_eq!(found, is_kept(&number).then_some(number), "{number}");
            }
            (0..2000).filter(is_kept).for_each(|number| table.remove(hash(number), number, hash));
            assert!(table.slots.iter().all(|slot| *slot == 0));
        }
    }

    #[test]
    fn a_name_has_the_same_hash_in_two_parts() {
        let key = NameKey::new(b"k");
        assert_eq!(key.hash("room.", b'*'), key.hash_of("room.*"));
        assert_ne!(key.hash_of("room.*"), key.hash_of("room.>"));
    }
}
