//! The last positions of topics that have neither events nor readers.

use alloc::collections::BTreeMap;

/// For each such topic the position after its last event, by the hash of its name.
///
/// They are bounded. The oldest ones fold into one position, which then counts for all topics that
/// are not known. Two names with one hash would only cause a reset that was not needed.
#[derive(Debug)]
pub(super) struct Forgotten {
    by_hash: BTreeMap<u64, u64>,
    /// The same, from the position to the hash. No two topics have a position in common.
    by_position: BTreeMap<u64, u64>,
    folded: u64,
    most: usize,
}

impl Forgotten {
    /// Whatever is before `folded` is not known.
    pub(super) fn new(folded: u64, most: usize) -> Self {
        Self { by_hash: BTreeMap::new(), by_position: BTreeMap::new(), folded, most }
    }

    /// Adds a topic of which the last event was before `gone`.
    pub(super) fn insert(&mut self, hash: u64, gone: u64) {
        if gone <= self.folded {
            return;
        }
        if let Some(before) = self.by_hash.insert(hash, gone) {
            self.by_position.remove(&before);
        }
        self.by_position.insert(gone, hash);
        if self.by_position.len() > self.most {
            if let Some((gone, hash)) = self.by_position.pop_first() {
                self.by_hash.remove(&hash);
                self.folded = gone;
            }
        }
    }

    /// Takes a topic out, and returns the position after its last event, or one after it.
    pub(super) fn take(&mut self, hash: u64) -> u64 {
        let Some(gone) = self.by_hash.remove(&hash) else { return self.folded };
        self.by_position.remove(&gone);
        gone
    }

    /// The position after the last event of all these topics.
    pub(super) fn newest(&self) -> u64 {
        self.by_position.last_key_value().map_or(self.folded, |(gone, _)| *gone)
    }

    /// How many bytes it takes, about.
    pub(super) fn memory(&self) -> usize {
        self.by_position.len() * BYTES_EACH
    }
}

/// Two entries of 16 bytes in nodes that are filled to two thirds.
const BYTES_EACH: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_topics_fold_into_one_position() {
        let mut forgotten = Forgotten::new(5, 2);
        for (hash, gone) in [(1, 10), (2, 20), (3, 5)] {
            forgotten.insert(hash, gone);
        }
        assert_eq!([1, 2, 3, 4].map(|hash| forgotten.take(hash)), [10, 20, 5, 5]);
        for (hash, gone) in [(1, 30), (2, 20), (1, 40), (3, 35)] {
            forgotten.insert(hash, gone);
        }
        assert_eq!(forgotten.newest(), 40);
        assert_eq!([1, 2, 3, 4].map(|hash| forgotten.take(hash)), [40, 20, 35, 20]);
    }
}
