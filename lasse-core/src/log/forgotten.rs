//! The last positions of topics that have neither events nor readers, and of their prefixes.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::mem::size_of;

use super::name_table::NameKey;
use crate::topic::prefixes_of;

/// For each such topic, and for each prefix that matches one, the position after the last event.
///
/// Both are bounded. The topics of longest ago fold into one position, which then counts for all
/// topics that are not known; the prefixes do so for each number of tokens. So the prefix `room.*` is
/// known for as long as there are few of its length, however many topics there are.
#[derive(Debug)]
pub(super) struct Forgotten {
    key: NameKey,
    topics: Bounds,
    /// The prefixes, by the number of tokens before the wildcard.
    prefixes: Vec<Bounds>,
    /// How many topics there can be, and how many prefixes, about.
    most: usize,
}

impl Forgotten {
    pub(super) fn new(key: NameKey, most: usize) -> Self {
        Self { key, topics: Bounds::default(), prefixes: Vec::new(), most }
    }

    /// Adds a topic of which the last event was before `gone`.
    pub(super) fn insert(&mut self, topic: &str, gone: u64) {
        self.topics.raise(self.key.hash_of(topic), gone);
        if self.topics.len() > self.most {
            self.topics.fold();
        }
        for (part, wildcard) in marked_prefixes(topic) {
            let level = level_of(part);
            if self.prefixes.len() <= level {
                self.prefixes.resize_with(level + 1, Bounds::default);
            }
            let hash = self.key.hash(part, wildcard as u8);
            self.prefixes.get_mut(level).into_iter().for_each(|bounds| bounds.raise(hash, gone));
            // For each prefix, since all those of a topic can be new.
            self.bound_prefixes();
        }
    }

    /// Folds the prefixes of one length, if there are too many of all.
    fn bound_prefixes(&mut self) {
        if self.prefixes.iter().map(Bounds::len).sum::<usize>() > self.most {
            let largest = self.prefixes.iter_mut().max_by_key(|bounds| bounds.len());
            largest.into_iter().for_each(Bounds::fold);
        }
    }

    /// The position after the last event that a topic had before it was forgotten, or one after it.
    pub(super) fn of_topic(&self, topic: &str) -> u64 {
        self.topics.of(self.key.hash_of(topic)).unwrap_or_else(|others| {
            let prefixes = marked_prefixes(topic).map(|(part, wildcard)| self.mark(part, wildcard));
            prefixes.fold(others, u64::min)
        })
    }

    /// The same, for all topics that a prefix matches.
    pub(super) fn of_prefix(&self, prefix: &str) -> u64 {
        match prefix.strip_suffix('>') {
            Some(part) => self.mark(part, '*').max(self.mark(part, '>')),
            None => self.mark(prefix.strip_suffix('*').unwrap_or_default(), '*'),
        }
    }

    fn mark(&self, part: &str, wildcard: char) -> u64 {
        let bounds = self.prefixes.get(level_of(part));
        let mark = bounds.map(|bounds| bounds.of(self.key.hash(part, wildcard as u8)));
        mark.map_or(0, |mark| mark.unwrap_or_else(|others| others))
    }

    /// How many bytes it takes, about.
    pub(super) fn memory(&self) -> usize {
        let entries = self.topics.len() + self.prefixes.iter().map(Bounds::len).sum::<usize>();
        entries * BYTES_EACH + self.prefixes.capacity() * size_of::<Bounds>()
    }
}

/// Positions by the hash of a name. Two names with one hash would only cause a reset that was not
/// needed.
#[derive(Debug, Default)]
struct Bounds {
    by_hash: BTreeMap<u64, u64>,
    /// The position that each hash had when it was put in order, and the hash.
    by_position: BTreeSet<(u64, u64)>,
    /// Counts for all hashes that are not here.
    others: u64,
}

impl Bounds {
    fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// The position of a hash, or else the one for all that are not known.
    fn of(&self, hash: u64) -> Result<u64, u64> {
        self.by_hash.get(&hash).copied().ok_or(self.others)
    }

    fn raise(&mut self, hash: u64, position: u64) {
        if position <= self.others {
            return;
        }
        match self.by_hash.get_mut(&hash) {
            // It is put in order when it is the oldest, since a prefix is raised again and again.
            Some(before) => *before = position.max(*before),
            None => {
                self.by_hash.insert(hash, position);
                self.by_position.insert((position, hash));
            }
        }
    }

    /// Folds the oldest position into the one for all others, unless several were raised since they
    /// were put in order: then some are put in order. After a quarter as many calls as there are
    /// entries, each was, so there are at most a third more than there should be.
    fn fold(&mut self) {
        for _ in 0..4 {
            let Some((position, hash)) = self.by_position.pop_first() else { return };
            match self.by_hash.get(&hash).filter(|raised| **raised > position) {
                Some(raised) => drop(self.by_position.insert((*raised, hash))),
                None => {
                    self.by_hash.remove(&hash);
                    self.others = position;
                    return;
                }
            }
        }
    }
}

/// The prefixes whose positions a topic sets. It sets `a.b.*`, but not `a.b.>`, which is the later one
/// of `a.b.*` and of what the topics with more tokens set.
fn marked_prefixes(topic: &str) -> impl Iterator<Item = (&str, char)> {
    let parent = topic.rfind('.').map_or(0, |dot| dot + 1);
    prefixes_of(topic).filter(move |(part, wildcard)| *wildcard == '*' || part.len() < parent)
}

/// The number of tokens of a prefix before the wildcard.
fn level_of(part: &str) -> usize {
    part.matches('.').count()
}

/// Two entries of 16 bytes in nodes that are filled to two thirds.
const BYTES_EACH: usize = 50;

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;
    use crate::topic::matches;

    fn forgotten(most: usize, topics: &[(&str, u64)]) -> Forgotten {
        let mut forgotten = Forgotten::new(NameKey::new(b"k"), most);
        topics.iter().for_each(|(topic, gone)| forgotten.insert(topic, *gone));
        forgotten
    }

    #[test]
    fn the_oldest_topics_fold_into_one_position() {
        let mut forgotten = forgotten(2, &[("a", 10), ("b", 20), ("c", 15), ("b", 40)]);
        let of = |forgotten: &Forgotten| ["a", "b", "c", "d"].map(|name| forgotten.of_topic(name));
        assert_eq!(of(&forgotten), [10, 40, 15, 10]);
        forgotten.insert("e", 30);
        assert_eq!(of(&forgotten), [15, 40, 15, 15]);
        assert_eq!(forgotten.of_topic("x.y"), 0, "no topic of two tokens was forgotten");
    }

    #[test]
    fn each_prefix_has_the_last_position_of_the_topics_that_it_matches() {
        let forgotten = forgotten(99, &[("a.b", 10), ("a.b.c", 20), ("a.d", 15), ("e", 5)]);
        let of = |prefix| forgotten.of_prefix(prefix);
        assert_eq!([of("a.*"), of("a.>"), of("a.b.*"), of("a.b.>")], [15, 20, 20, 20]);
        assert_eq!([of("*"), of(">"), of("a.d.>"), of("x.*"), of("x.y.z.>")], [5, 20, 0, 0, 0]);
    }

    #[test]
    fn a_few_prefixes_stay_known_beside_many_longer_ones() {
        let mut forgotten = forgotten(64, &[("room.tea", 1)]);
        for n in 2..10_000 {
            forgotten.insert(&format!("user.{n}.feed"), n);
            assert!(forgotten.prefixes.iter().map(Bounds::len).sum::<usize>() <= 64 * 4 / 3 + 1);
        }
        assert_eq!([forgotten.of_prefix("room.*"), forgotten.of_prefix("room.>")], [1, 1]);
        assert_eq!([forgotten.of_topic("room.tea"), forgotten.of_topic("room.cake")], [1, 1]);
        assert_eq!(forgotten.of_prefix("user.9990.*"), 9990);
        assert!((9_900..9_999).contains(&forgotten.of_prefix("user.2.*")));
    }

    #[test]
    fn prefixes_that_are_raised_all_the_time_are_bounded_too() {
        let mut forgotten = forgotten(90, &[]);
        for n in 1..20_000 {
            let token = if n % 10 == 0 { n } else { n % 80 };
            forgotten.insert(&format!("user.{token}.feed"), n);
            assert!(forgotten.prefixes.iter().map(Bounds::len).sum::<usize>() <= 90 * 4 / 3 + 1);
        }
        assert_eq!(forgotten.of_prefix("user.7.>"), 19_927);
    }

    #[test]
    fn prefixes_are_bounded_though_each_topic_has_several_new_ones() {
        let mut forgotten = forgotten(60, &[]);
        for n in 1..2_000 {
            forgotten.insert(&format!("user{n}.room.chat.feed"), n);
            let prefixes = forgotten.prefixes.iter().map(Bounds::len).sum::<usize>();
            assert!(prefixes <= 60 * 4 / 3 + 1, "{prefixes} prefixes of {n} topics");
        }
        assert_eq!(forgotten.of_prefix("user1999.>"), 1_999);
    }

    #[test]
    fn prefixes_are_bounded_after_all_of_them_were_raised() {
        let mut forgotten = forgotten(10, &[]);
        let raised = (0..8).chain(0..8);
        for (topic, gone) in raised.chain(8..100).zip(1..) {
            forgotten.insert(&format!("{topic}.x"), gone);
            let prefixes = forgotten.prefixes.iter().map(Bounds::len).sum::<usize>();
            assert!(prefixes <= 10 * 4 / 3 + 1, "{prefixes} prefixes");
        }
    }

    #[test]
    fn a_topic_that_is_forgotten_again_keeps_its_newer_position() {
        let mut forgotten = forgotten(1, &[("a", 1), ("a", 9)]);
        forgotten.insert("b", 10);
        assert!(forgotten.of_topic("a") >= 9, "{}", forgotten.of_topic("a"));
    }

    #[test]
    fn each_topic_and_each_prefix_takes_fifty_bytes() {
        let forgotten = forgotten(99, &[("a.b", 1), ("a.c", 2), ("d", 3)]);
        // The topics, and `*`, `>` and `a.*`; the prefixes of one token and of none are apart.
        let levels = forgotten.prefixes.capacity() * size_of::<Bounds>();
        assert_eq!(forgotten.memory() - levels, (3 + 3) * 50);
        assert_eq!(Forgotten::new(NameKey::new(b"k"), 99).memory(), 0);
    }

    #[test]
    fn no_position_is_ever_too_early_and_with_room_each_is_exact() {
        let tokens = ["a", "b", "c"];
        let two = tokens.map(|one| tokens.map(|two| format!("{one}.{two}"))).concat();
        let three = two.iter().flat_map(|two| tokens.map(|three| format!("{two}.{three}")));
        let three: Vec<_> = three.collect();
        let one = tokens.map(String::from);
        let topics: Vec<_> = one.iter().chain(&two).chain(&three).collect();
        let parts = one.iter().chain(&two).map(|part| format!("{part}."));
        let parts = parts.chain([String::new()]);
        let prefixes: Vec<_> = parts.flat_map(|part| [part.clone() + "*", part + ">"]).collect();
        for most in [0, 1, 5, 20, 1000] {
            let mut forgotten = forgotten(most, &[]);
            let mut last = BTreeMap::new();
            for gone in 1..2000_u64 {
                // The order is one of many, and some topics are rarer than others.
                let turn = (gone * gone * 7919 % 1_000_003) as usize;
                let topic = topics[turn % (1 + turn / 7 % topics.len())];
                forgotten.insert(topic, gone);
                last.insert(topic.as_str(), gone);
                let of = |name: &str| last.get(name).copied().unwrap_or_default();
                let is_right = |found: u64, expected: u64| {
                    let is_exact = found == expected;
                    is_exact || most < 1000 && (expected..=gone).contains(&found)
                };
                assert!(topics.iter().all(|name| is_right(forgotten.of_topic(name), of(name))));
                for prefix in &prefixes {
                    let matching = last.iter().filter(|(name, _)| matches(prefix, name));
                    let expected = matching.map(|(_, gone)| *gone).max().unwrap_or_default();
                    let found = forgotten.of_prefix(prefix);
                    assert!(is_right(found, expected), "{prefix}: {found}, not {expected}");
                }
            }
        }
    }
}
