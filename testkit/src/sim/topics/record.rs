//! The record of all items that one incarnation of a channel with topics has taken.

use lasse_core::{Ending, ResetReason};

/// What the channels with topics of all nodes are given.
#[derive(Clone, Copy, Debug)]
pub(in crate::sim) enum Item {
    Event(Event),
    /// The logs go on under another epoch.
    Epoch,
    End(Ending),
    /// There are new logs, after the end.
    Reopen,
}

#[derive(Clone, Copy, Debug)]
pub(in crate::sim) struct Event {
    pub(super) topic: Option<&'static str>,
    pub(super) is_tombstone: bool,
    /// How long its filler is.
    pub(super) size: usize,
    /// The node that misses it, and records that.
    pub(super) missed_by: Option<usize>,
    pub(super) name: Name,
}

/// What an id consists of: which epoch of the log it is, and a number.
pub(super) type Name = (usize, u64);

impl Item {
    /// The data of the item at `place`, if it is an event.
    pub(super) fn data(items: &[Self], place: usize) -> Option<String> {
        match items.get(place)? {
            Self::Event(event) => Some(format!("{place} {}", "x".repeat(event.size))),
            Self::Epoch | Self::End(_) | Self::Reopen => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(in crate::sim) struct TopicLog {
    /// The names of its epochs, each with the newest number.
    pub(super) epochs: Vec<(String, u64)>,
    /// Epochs that were left before they had an event.
    unused: Vec<String>,
    pub(super) entries: Vec<Entry>,
    /// The number after which the first epoch begins.
    pub(super) begun_after: u64,
    /// The first entry that is held.
    pub(super) first: usize,
    /// The entries before this one were dropped at once, with the newest events of keys.
    cleared: usize,
    /// The first entry that was held when the first topic was used. The log does not know which topics
    /// earlier ones have.
    pub(super) topics_since: Option<usize>,
    pub(super) has_keys: bool,
    pub(super) ending: Option<Ending>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) name: Name,
    /// Which item it is.
    pub(super) item: usize,
    pub(super) topic: Option<&'static str>,
    pub(super) is_tombstone: bool,
    /// Whether the log knows only that the event is missing.
    pub(super) is_hole: bool,
}

impl TopicLog {
    pub(super) fn new(epoch: &str, has_keys: bool) -> Self {
        Self {
            epochs: vec![(epoch.into(), 0)],
            unused: Vec::new(),
            entries: Vec::new(),
            begun_after: 0,
            first: 0,
            cleared: 0,
            topics_since: has_keys.then_some(0),
            has_keys,
            ending: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The name of the current epoch.
    pub(in crate::sim) fn epoch(&self) -> &str {
        self.epochs.last().map_or("", |(name, _)| name)
    }

    /// The ids of its entries, the oldest first.
    pub(in crate::sim) fn ids(&self) -> Vec<String> {
        (0..self.len()).map(|index| self.id_of(index)).collect()
    }

    /// The newest number of the current epoch.
    pub(super) fn number(&self) -> u64 {
        self.epochs.last().map_or(0, |(_, number)| *number)
    }

    /// Notes that the log took an entry of its newest epoch.
    pub(super) fn push(&mut self, entry: Entry) {
        let (epoch, number) = (self.epochs.len() - 1, entry.name.1);
        if self.entries.is_empty() && !entry.is_hole {
            self.begun_after = number - 1;
        }
        if entry.topic.is_some() {
            self.topics_since.get_or_insert(self.first);
        }
        self.epochs[epoch].1 = number;
        self.entries.push(Entry { name: (epoch, number), ..entry });
    }

    /// How many events it was given.
    pub(super) fn events(&self) -> usize {
        self.events_from(0)
    }

    /// Notes that the log holds so many events. Holes before the first of them went with the events
    /// before, if there were some.
    pub(super) fn retain(&mut self, events: u64) {
        while self.events_from(self.first) as u64 > events {
            self.first = self.after_holes(self.first + 1);
        }
    }

    pub(super) fn is_hole(&self, index: usize) -> bool {
        self.entries.get(index).is_some_and(|entry| entry.is_hole)
    }

    /// Whether a hole would come after an event that is held, and of the same epoch. Otherwise nobody could
    /// see from outside whether the log has dropped it.
    pub(super) fn can_have_hole(&self) -> bool {
        self.number() > 0 && self.events_from(self.first) > 0
    }

    /// The next place that is not before a hole.
    pub(super) fn after_holes(&self, place: usize) -> usize {
        (place..).find(|place| !self.is_hole(*place)).unwrap_or(place)
    }

    fn events_from(&self, index: usize) -> usize {
        self.entries[index..].iter().filter(|entry| !entry.is_hole).count()
    }

    /// Notes that the log has dropped all events.
    pub(super) fn clear(&mut self) {
        (self.first, self.cleared) = (self.len(), self.len());
    }

    /// Notes that the log goes on under another epoch.
    pub(super) fn begin_epoch(&mut self, name: &str) {
        match self.epochs.last_mut() {
            Some((before, 0)) => self.unused.push(std::mem::replace(before, name.into())),
            _ => self.epochs.push((name.into(), 0)),
        }
    }

    pub(super) fn id(&self, (epoch, number): Name) -> String {
        format!("{}-{number}", self.epochs[epoch].0)
    }

    /// The id of an entry.
    pub(super) fn id_of(&self, index: usize) -> String {
        self.id(self.entries[index].name)
    }

    /// Which entry an item is.
    pub(super) fn index_of(&self, item: usize) -> Option<usize> {
        let index = self.entries.binary_search_by_key(&item, |entry| entry.item).ok();
        index.filter(|index| !self.is_hole(*index))
    }

    /// The place after an id of this log, as a notice gives it.
    pub(super) fn place_of(&self, id: &str) -> Option<usize> {
        let (epoch, number) = numbered(id)?;
        if number == 0 && self.unused.iter().any(|name| name == epoch) {
            return Some(0);
        }
        let epoch = self.epochs.iter().position(|(name, _)| name == epoch)?;
        (number <= self.epochs[epoch].1).then(|| self.place_after((epoch, number)))
    }

    /// The place at which a client with `id` is, whether the log holds what follows or not.
    pub(super) fn place_known(&self, id: &str) -> Result<usize, ResetReason> {
        let (epoch, number) = numbered(id).ok_or(ResetReason::Unknown)?;
        let nth = self.epochs.iter().position(|(name, _)| name == epoch);
        let nth = nth.ok_or(ResetReason::Foreign)?;
        let oldest = self.first.checked_sub(1).map_or(0, |last| self.entries[last].name.0);
        if nth < oldest {
            return Err(ResetReason::Foreign);
        }
        if number > self.epochs[nth].1 {
            return Err(ResetReason::Ahead);
        }
        if nth == 0 && number < self.begun_after {
            return Err(ResetReason::Expired);
        }
        let place = self.place_after((nth, number));
        if place >= self.first && self.is_hole(place) { Err(ResetReason::Hole) } else { Ok(place) }
    }

    /// The place behind the hole before which a client with `id` is.
    pub(super) fn past_hole(&self, id: &str) -> Option<usize> {
        self.place_of(id).map(|place| self.after_holes(place))
    }

    /// Whether the log can still give `id`, which is one of the current epoch.
    pub(super) fn can_reach(&self, id: &str) -> bool {
        self.ending.is_none() && numbered(id).is_some_and(|(epoch, _)| epoch == self.epoch())
    }

    /// Whether the numbers of the entries do not show their places.
    pub(super) fn has_gaps(&self) -> bool {
        self.epochs.len() > 1 || self.begun_after > 0
    }

    pub(super) fn key(&self, index: usize) -> Option<&'static str> {
        self.entries[index].topic.filter(|topic| self.has_keys && topic.starts_with("k."))
    }

    /// Whether a newer event has the same key, before `end`.
    pub(super) fn is_superseded(&self, index: usize, end: usize) -> bool {
        let Some(key) = self.key(index) else { return false };
        let newer = self.entries[..end.min(self.len())].iter().skip(index + 1);
        newer.into_iter().any(|entry| entry.topic == Some(key))
    }

    /// Whether an event is held, or kept because it is the newest of its key.
    pub(super) fn is_available(&self, index: usize) -> bool {
        index >= self.first && !self.is_hole(index)
            || index >= self.cleared
                && self.key(index).is_some()
                && !self.entries[index].is_tombstone
                && !self.is_superseded(index, self.len())
    }

    /// Whether an event was dropped that only a newer one of its key could have replaced.
    pub(super) fn is_cleared(&self, index: usize) -> bool {
        index < self.cleared
    }

    fn place_after(&self, name: Name) -> usize {
        self.entries.partition_point(|entry| entry.name <= name)
    }
}

/// The epoch and the number of an id of a log's own form.
fn numbered(id: &str) -> Option<(&str, u64)> {
    let (epoch, digits) = id.rsplit_once('-')?;
    let number: u64 = digits.parse().ok()?;
    let is_word = epoch.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_it = is_word && (1..=32).contains(&epoch.len()) && digits == number.to_string();
    is_it.then_some((epoch, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> TopicLog {
        let mut log = TopicLog::new("e", true);
        let entry = |number, item, topic, is_tombstone| {
            let (name, topic) = ((0, number), Some(topic));
            Entry { name, item, topic, is_tombstone, is_hole: false }
        };
        log.push(entry(1, 0, "k.x", false));
        log.push(entry(2, 1, "a", false));
        log.begin_epoch("f");
        log.push(entry(1, 3, "k.x", true));
        log
    }

    #[test]
    fn an_id_is_at_a_place_while_its_epoch_is_held() {
        let mut log = log();
        let places = |log: &TopicLog| {
            ["e-0", "e-1", "e-2", "e-3", "f-0", "f-1", "g-1", "e-01"].map(|id| log.place_known(id))
        };
        use ResetReason::{Ahead, Foreign, Unknown};
        let (ahead, foreign) = (Err(Ahead), Err(Foreign));
        assert_eq!(places(&log), [Ok(0), Ok(1), Ok(2), ahead, Ok(2), Ok(3), foreign, Err(Unknown)]);
        log.first = 3;
        assert_eq!(places(&log)[..5], [foreign, foreign, foreign, foreign, Ok(2)]);
    }

    #[test]
    fn the_newest_event_of_a_key_is_available_unless_it_is_a_tombstone() {
        let mut log = log();
        log.first = 3;
        assert_eq!([0, 1, 2].map(|index| log.is_available(index)), [false; 3]);
        log.entries[2].is_tombstone = false;
        assert_eq!([0, 1, 2].map(|index| log.is_available(index)), [false, false, true]);
        assert!(log.is_superseded(0, 3) && !log.is_superseded(0, 2));
    }
}
