//! Which shards have readers of a topic, and for which topics a shard's readers must be woken.

use std::vec::Vec;

use super::shard::MOST_SHARDS;

/// The shards that have readers of topics. It is kept under the lock of the log, so a publisher finds
/// the shards that it has to call without their locks.
#[derive(Debug, Default)]
pub(super) struct TopicCalls {
    /// The shards with readers of each topic, by the number of the topic.
    shards: Vec<ShardSet>,
    /// The shards with readers of any topic.
    all: ShardSet,
    /// What each shard has not seen yet.
    due: Vec<DueTopics>,
}

/// Some shards: a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ShardSet(u64);

/// The topics of events for which a shard has to wake readers.
#[derive(Debug, Default)]
pub(super) struct DueTopics {
    /// A topic can be here several times.
    topics: Vec<u32>,
    /// With how many the repetitions are taken out.
    crowded: usize,
    /// Whether all readers must be woken.
    is_all: bool,
}

impl TopicCalls {
    /// A shard has readers of these topics.
    pub(super) fn join(&mut self, shard: usize, topics: &[u32]) {
        let most = topics.iter().copied().max().map_or(0, |most| most as usize + 1);
        if self.shards.len() < most {
            self.shards.resize(most, ShardSet::default());
        }
        for topic in topics {
            self.shards.get_mut(*topic as usize).into_iter().for_each(|set| set.insert(shard));
        }
        self.all.insert(shard);
        if self.due.len() <= shard {
            self.due.resize_with(shard + 1, DueTopics::default);
        }
    }

    /// A shard has no readers of these topics any more, and perhaps none of any.
    pub(super) fn leave(&mut self, shard: usize, topics: &[u32], is_last: bool) {
        for topic in topics {
            self.shards.get_mut(*topic as usize).into_iter().for_each(|set| set.remove(shard));
        }
        if is_last {
            self.all.remove(shard);
            self.due.get_mut(shard).into_iter().for_each(|due| *due = DueTopics::default());
        }
    }

    /// Records an event of a topic, or one that concerns the readers of all. Returns the shards that
    /// have such readers.
    pub(super) fn call(&mut self, topic: Option<u32>) -> ShardSet {
        let shards = match topic {
            Some(topic) => self.shards.get(topic as usize).copied().unwrap_or_default(),
            None => self.all,
        };
        for shard in shards.iter() {
            self.due.get_mut(shard).into_iter().for_each(|due| due.push(topic));
        }
        shards
    }

    /// Moves the due topics of a shard to `due`, in order and each topic once.
    pub(super) fn take(&mut self, shard: usize, due: &mut DueTopics) {
        due.topics.clear();
        due.is_all = false;
        self.due.get_mut(shard).into_iter().for_each(|new| std::mem::swap(new, due));
        due.tidy();
    }
}

impl DueTopics {
    pub(super) fn topics(&self) -> &[u32] {
        &self.topics
    }

    /// Whether the readers of all topics are due.
    pub(super) fn is_all(&self) -> bool {
        self.is_all
    }

    fn push(&mut self, topic: Option<u32>) {
        let Some(topic) = topic else {
            self.is_all = true;
            return;
        };
        if self.topics.last() == Some(&topic) {
            return;
        }
        self.topics.push(topic);
        if self.topics.len() > self.crowded.max(FEW) {
            self.tidy();
            self.crowded = self.topics.len() * 2;
        }
    }

    /// Takes out repetitions.
    fn tidy(&mut self) {
        self.topics.sort_unstable();
        self.topics.dedup();
    }
}

impl ShardSet {
    pub(super) fn insert(&mut self, shard: usize) {
        self.0 |= 1 << shard;
    }

    fn remove(&mut self, shard: usize) {
        self.0 &= !(1 << shard);
    }

    pub(super) fn contains(self, shard: usize) -> bool {
        self.0 & 1 << shard != 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        let next = |rest: &u64| (rest & (rest - 1) != 0).then(|| rest & (rest - 1));
        let first = Some(self.0).filter(|bits| *bits != 0);
        std::iter::successors(first, next).map(|rest| rest.trailing_zeros() as usize)
    }
}

/// With so many topics, it is not worth while to look for repetitions.
const FEW: usize = 64;

const _: () = assert!(MOST_SHARDS <= u64::BITS as usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_called_for_the_topics_that_it_has_readers_of() {
        let mut calls = TopicCalls::default();
        calls.join(0, &[1, 5]);
        calls.join(63, &[5]);
        let mut shards_of = |topic| calls.call(topic).iter().collect::<Vec<_>>();
        assert_eq!([Some(1), Some(5), Some(9)].map(&mut shards_of), [vec![0], vec![0, 63], vec![]]);
        let mut due = DueTopics::default();
        calls.take(0, &mut due);
        assert_eq!((due.topics(), due.is_all()), (&[1, 5][..], false));
        calls.take(0, &mut due);
        assert!(due.topics().is_empty());
        calls.leave(0, &[5], false);
        assert_eq!(calls.call(Some(5)).iter().collect::<Vec<_>>(), [63]);
        calls.leave(0, &[1], true);
        assert_eq!(calls.call(None).iter().collect::<Vec<_>>(), [63]);
        calls.take(63, &mut due);
        assert_eq!((due.topics(), due.is_all()), (&[5][..], true));
    }

    #[test]
    fn the_due_topics_of_a_shard_are_bounded() {
        let mut calls = TopicCalls::default();
        let topics: Vec<u32> = (0..100).collect();
        calls.join(0, &topics);
        for event in 0..1_000_000 {
            calls.call(Some(event % 100));
        }
        assert!(calls.due[0].topics.len() <= 200);
        let mut due = DueTopics::default();
        calls.take(0, &mut due);
        assert_eq!(due.topics(), topics);
    }
}
