//! The readers of each topic, so that publishing wakes no other reader.

use std::boxed::Box;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::mem;
use std::vec::Vec;

use super::waiters::Ticket;

/// The readers of each topic, by the number of the topic.
///
/// Of many readers, most have a topic of their own, so a topic of one reader takes least memory. In
/// a large topic a reader takes 6 to 12 bytes.
#[derive(Debug, Default)]
pub(super) struct TopicLists {
    /// Topics of one reader.
    single: HashMap<u32, Ticket, NumberHash>,
    /// Topics of several readers, and those that had several and still have one.
    shared: HashMap<u32, Readers, NumberHash>,
}

/// The readers of one topic.
#[derive(Debug)]
enum Readers {
    Few(Vec<Ticket>),
    #[expect(clippy::box_collection, reason = "most topics have a list, which is smaller")]
    Many(Box<HashSet<Ticket, NumberHash>>),
}

impl TopicLists {
    /// Enters a reader.
    pub(super) fn join(&mut self, reader: Ticket, topics: &[u32]) {
        for topic in topics {
            if let Some(readers) = self.shared.get_mut(topic) {
                readers.insert(reader);
            } else if let Some(other) = self.single.insert(*topic, reader) {
                self.single.remove(topic);
                self.shared.insert(*topic, Readers::Few([other, reader].into()));
            }
        }
    }

    /// Takes out a reader. Returns those of its topics that have no reader now.
    pub(super) fn leave(&mut self, reader: Ticket, topics: &[u32]) -> Vec<u32> {
        let left = topics.iter().copied().filter(|topic| self.remove(reader, *topic)).collect();
        self.single.shrink_to(self.single.len() * SPARE);
        self.shared.shrink_to(self.shared.len() * SPARE);
        left
    }

    /// Passes each reader of a topic to `each`.
    pub(super) fn each_reader_of(&self, topic: u32, mut each: impl FnMut(Ticket)) {
        self.single.get(&topic).copied().into_iter().for_each(&mut each);
        match self.shared.get(&topic) {
            None => {}
            Some(Readers::Few(readers)) => readers.iter().copied().for_each(each),
            Some(Readers::Many(readers)) => readers.iter().copied().for_each(each),
        }
    }

    /// Returns whether the topic has no reader now.
    fn remove(&mut self, reader: Ticket, topic: u32) -> bool {
        let Some(readers) = self.shared.get_mut(&topic) else {
            return self.single.remove(&topic).is_some();
        };
        let is_empty = readers.remove(reader);
        if is_empty {
            self.shared.remove(&topic);
        }
        is_empty
    }
}

impl Readers {
    fn insert(&mut self, reader: Ticket) {
        match self {
            Self::Few(readers) if readers.len() < MOST_FEW => readers.push(reader),
            Self::Few(readers) => {
                let readers = mem::take(readers).into_iter().chain([reader]);
                *self = Self::Many(Box::new(readers.collect()));
            }
            Self::Many(readers) => drop(readers.insert(reader)),
        }
    }

    /// Returns whether none is left.
    fn remove(&mut self, reader: Ticket) -> bool {
        match self {
            Self::Few(readers) => {
                readers.retain(|other| *other != reader);
                readers.is_empty()
            }
            Self::Many(readers) => {
                readers.remove(&reader);
                readers.shrink_to(readers.len() * SPARE);
                readers.is_empty()
            }
        }
    }
}

/// The hash of a small number that nobody outside chooses: of a topic, or of a reader's slot.
#[derive(Debug, Default)]
struct NumberHasher(u64);

type NumberHash = BuildHasherDefault<NumberHasher>;

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    /// Multiplies, so that neighbours differ in the upper bits, too, and folds these into the lower.
    fn write_u32(&mut self, number: u32) {
        let product = (self.0 ^ u64::from(number)).wrapping_mul(GOLDEN_RATIO);
        self.0 = product ^ product >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A topic with more readers has a set of them.
const MOST_FEW: usize = 16;

/// How much larger than necessary a table can be.
const SPARE: usize = 4;

/// 2^64 divided by the golden ratio.
const GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::super::waiters::Waiters;
    use super::*;

    fn count(lists: &TopicLists, topic: u32) -> usize {
        let mut count = 0;
        lists.each_reader_of(topic, |_| count += 1);
        count
    }

    #[test]
    fn each_topic_has_the_readers_that_have_entered_it_and_not_left() {
        let (mut lists, mut waiters) = (TopicLists::default(), Waiters::default());
        let readers = [(); 4].map(|()| waiters.join());
        let topics = [&[0, 7][..], &[7], &[], &[7, 2, 0]];
        (0..4).for_each(|nth| lists.join(readers[nth], topics[nth]));
        let counts = |lists: &TopicLists| [0, 2, 7, 9].map(|topic| count(lists, topic));
        assert_eq!(counts(&lists), [2, 1, 3, 0]);
        assert!(lists.leave(readers[1], topics[1]).is_empty());
        assert!(lists.leave(readers[2], topics[2]).is_empty());
        assert_eq!(counts(&lists), [2, 1, 2, 0]);
        lists.join(readers[1], &[2]);
        assert!(lists.leave(readers[0], topics[0]).is_empty());
        assert_eq!(counts(&lists), [1, 2, 1, 0]);
        assert_eq!(lists.leave(readers[3], topics[3]), [7, 0]);
        assert_eq!(lists.leave(readers[1], &[2]), [2]);
        assert!(lists.single.is_empty() && lists.shared.is_empty());
    }

    #[test]
    fn a_hundred_thousand_readers_enter_and_leave_in_constant_time_each() {
        let (mut lists, mut waiters) = (TopicLists::default(), Waiters::default());
        let readers: Vec<Ticket> = (0..100_000).map(|_| waiters.join()).collect();
        for (own, reader) in readers.iter().enumerate() {
            lists.join(*reader, &[0, own as u32 + 1]);
        }
        assert_eq!((count(&lists, 0), count(&lists, 50_000)), (100_000, 1));
        for (own, reader) in readers.iter().enumerate() {
            lists.leave(*reader, &[0, own as u32 + 1]);
        }
        assert!(lists.single.is_empty() && lists.shared.is_empty());
    }
}
