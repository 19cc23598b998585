//! `SimpleReader`: a reader of some topics or all, and what a simple log gives it: a scan of all its entries.

use lasse_core::{EventId, LastEventId, ResetReason, StartAt, Topic, TopicFilter, TopicPattern};

use super::log_call::{PATTERNS, TOPICS, Wants};
use super::simple_log::{Entry, Label, MAX_KEYS, SimpleLog, id, numbered};

/// A reader of some topics or all, in the simple log.
#[derive(Clone, Debug, Default)]
pub(super) struct SimpleReader {
    pub(super) place: usize,
    /// The patterns, and the place from which each applies. None: all events.
    pub(super) wanted: Option<Vec<(&'static str, usize)>>,
    /// Where the reader has all newest events of keys, and whether it gets nothing else until then.
    pub(super) catch_up: Option<(usize, bool)>,
}

impl SimpleReader {
    /// Whether it gets the event at a place.
    fn wants(&self, place: usize, topic: Option<&'static str>) -> bool {
        let Some(wanted) = &self.wanted else { return true };
        let Some(topic) = topic.map(Topic::from_static) else { return false };
        wanted.iter().any(|(pattern, bound)| {
            place >= *bound && TopicPattern::from_static(pattern).matches(&topic)
        })
    }

    /// Takes another filter: its patterns, and the bound that each has. A pattern that the reader did
    /// not have, without a bound that the log knows, applies from `end` on.
    pub(super) fn change(&mut self, bounds: Bounds, end: usize) {
        let (place, before) = (self.place, self.wanted.take());
        let changed = bounds.into_iter().map(|(pattern, bound)| {
            let old = match &before {
                None => Some(0),
                Some(wanted) => wanted.iter().find(|(old, _)| *old == pattern).map(|(_, old)| *old),
            };
            let bound = match (old, bound) {
                (Some(old), Bound::At(bound)) => place.max(old).max(bound),
                (Some(old), Bound::Start | Bound::Unknown) => place.max(old),
                (None, Bound::Start | Bound::Unknown) => end,
                (None, Bound::At(bound)) => {
                    self.place = self.place.min(bound);
                    bound
                }
            };
            (pattern, bound)
        });
        self.wanted = Some(changed.collect());
    }
}

/// The patterns of a filter, and the bound that each has.
pub(super) type Bounds = Vec<(&'static str, Bound)>;

/// The lower bound of a pattern.
pub(super) enum Bound {
    /// It has none.
    Start,
    /// It applies from this place on.
    At(usize),
    /// It has the id of an epoch that the log does not know.
    Unknown,
}

impl Bound {
    /// From where on it applies for a reader that subscribes to a log which ends at `end`.
    pub(super) fn place(self, end: usize) -> usize {
        match self {
            Self::Start => 0,
            Self::At(place) => place,
            Self::Unknown => end,
        }
    }
}

impl SimpleLog {
    /// Whether the log must refuse an event of a topic, or a tombstone.
    pub(super) fn refuses(&self, Label { topic, is_tombstone }: Label) -> bool {
        if !self.is_key(topic) {
            return is_tombstone;
        }
        let has_value = |key: &&str| {
            let newest = self.newest_of(key).map(|place| &self.entries[place]);
            newest.is_some_and(|entry| matches!(entry, Entry::Event { is_tombstone: false, .. }))
        };
        let keys =
            TOPICS.iter().filter(|topic| topic.starts_with("k.")).filter(|key| has_value(key));
        !is_tombstone && keys.count() >= MAX_KEYS && !has_value(&topic)
    }

    /// What a reader reads: the bytes of events, or the name of what else there is.
    pub(super) fn expected(&self, reader: &mut SimpleReader, budget: usize) -> String {
        if let Some((until, keys_only)) = reader.catch_up {
            let is_behind = reader.place < until;
            if is_behind && !keys_only && self.lacks(reader, reader.place, false) {
                return "Lagged".into();
            }
            let read = is_behind.then(|| self.gather(reader, until, budget)).flatten();
            if reader.place >= until {
                reader.catch_up = None;
            }
            if let Some(read) = read {
                return read;
            }
        }
        if self.lacks(reader, reader.place, true) {
            return "Lagged".into();
        }
        if let Some(read) = self.gather(reader, self.entries.len(), budget) {
            return read;
        }
        self.ending.map_or_else(|| "Wait".into(), |ending| format!("{ending:?}"))
    }

    /// The next events before `end`, or the next hole.
    fn gather(&self, reader: &mut SimpleReader, end: usize, budget: usize) -> Option<String> {
        let mut text = String::new();
        while reader.place < end {
            match &self.entries[reader.place] {
                Entry::Hole { .. } if self.crosses_hole(reader) => {}
                Entry::Hole { .. } if text.is_empty() => {
                    reader.place += 1;
                    return Some("Hole".into());
                }
                Entry::Hole { .. } => break,
                Entry::Event { wire, .. } if self.gets(reader, reader.place) => {
                    if !text.is_empty() && text.len() + wire.len() > budget {
                        break;
                    }
                    text.push_str(core::str::from_utf8(wire).unwrap());
                }
                Entry::Event { .. } => {}
            }
            reader.place += 1;
        }
        Some(text).filter(|text| !text.is_empty())
    }

    /// Whether a hole does not matter: it was dropped, and the reader was reset if it lacked
    /// anything; or the reader gets a state.
    fn crosses_hole(&self, reader: &SimpleReader) -> bool {
        reader.place < self.first || reader.catch_up.is_some_and(|(_, keys_only)| keys_only)
    }

    /// Whether a reader gets an event.
    fn gets(&self, reader: &SimpleReader, place: usize) -> bool {
        let Entry::Event { topic, is_tombstone, .. } = &self.entries[place] else { return false };
        let key = topic.filter(|topic| self.is_key(topic));
        let is_newest = key.is_some_and(|key| self.newest_of(key) == Some(place));
        let is_chosen = match reader.catch_up {
            None => true,
            Some((_, keys_only)) if key.is_none() => !keys_only,
            Some((_, keys_only)) => is_newest && !(keys_only && *is_tombstone),
        };
        is_chosen && self.is_available(place) && reader.wants(place, *topic)
    }

    /// Whether an event is held, or kept because it is the newest of its key.
    fn is_available(&self, place: usize) -> bool {
        let Entry::Event { topic, is_tombstone, .. } = &self.entries[place] else { return false };
        let is_newest = || {
            topic.is_some_and(|topic| {
                self.is_key(topic) && self.newest_of(topic) == Some(place) && !is_tombstone
            })
        };
        place >= self.first || (place >= self.cleared && is_newest())
    }

    /// Whether a reader at `place` lacks an event; with `superseded`, even one that a newer one of
    /// the same key superseded.
    pub(super) fn lacks(&self, reader: &SimpleReader, place: usize, superseded: bool) -> bool {
        // A reader of all events is behind even if all that it lacks are kept.
        if reader.wanted.is_none() && superseded {
            return place < self.first;
        }
        let dropped = self.entries[..self.first].iter().enumerate().skip(place);
        let mut lacking = dropped.filter(|(place, entry)| match entry {
            Entry::Hole { .. } => true,
            Entry::Event { topic, is_tombstone, .. } => {
                let is_key = topic.is_some_and(|topic| self.is_key(topic));
                let counts = superseded || !is_key || *is_tombstone || self.was_cleared(*place);
                counts && !self.is_available(*place) && reader.wants(*place, *topic)
            }
        });
        lacking.next().is_some()
    }

    /// Whether an event was the newest of its key when the log was cleared.
    fn was_cleared(&self, place: usize) -> bool {
        let Entry::Event { topic: Some(topic), .. } = &self.entries[place] else { return false };
        place < self.cleared && self.newest_before(topic, self.cleared) == Some(place)
    }

    /// Whether a log can reset a reader that lacks nothing: it does not know which number was at
    /// which place once it has dropped it, nor what was there before it had topics.
    pub(super) fn may_not_know(&self, place: usize) -> bool {
        let is_known = self.topics_since.is_some_and(|since| place >= since);
        place < self.first && (self.has_gaps || !is_known)
    }

    /// The place at which a client resumes, if it sent an id.
    pub(super) fn resumed(
        &self,
        last: &LastEventId,
        reader: &SimpleReader,
    ) -> Result<Option<usize>, ResetReason> {
        let id = match last {
            LastEventId::Absent | LastEventId::Empty => return Ok(None),
            LastEventId::Id(id) => id,
            LastEventId::Invalid(_) => return Err(ResetReason::Unknown),
        };
        let place = self.place_after(id.as_str())?;
        if self.lacks(reader, place, true) { Err(ResetReason::Expired) } else { Ok(Some(place)) }
    }

    fn place_after(&self, id: &str) -> Result<usize, ResetReason> {
        match self.after(id) {
            Err(ResetReason::Expired) => {
                let (epoch, number) = numbered(id).unwrap();
                let nth = (0..self.numbers.len()).find(|nth| epoch == format!("k{nth}")).unwrap();
                if nth == 0 && number < self.begun_after {
                    return Err(ResetReason::Expired);
                }
                Ok(self.place_of((nth, number)))
            }
            place => place,
        }
    }

    pub(super) fn start(&self, reader: &mut SimpleReader, start: StartAt) -> usize {
        match start {
            StartAt::LatestPerKey if self.has_keys => {
                reader.catch_up = Some((self.entries.len(), true));
                0
            }
            StartAt::Last(n) if reader.wanted.is_some() => {
                let places = (0..self.entries.len()).rev();
                let mut events = places.filter(|place| self.gets(reader, *place));
                let nth = n.checked_sub(1).and_then(|n| usize::try_from(n).ok());
                let place = match nth {
                    None => self.entries.len(),
                    Some(nth) => events.nth(nth).unwrap_or(self.first).max(self.first),
                };
                let rest = self.entries[place..].iter();
                place + rest.take_while(|entry| entry.is_hole()).count()
            }
            start => self.begin(start),
        }
    }

    /// A filter, and the places of its bounds.
    pub(super) fn filter(&mut self, wants: &Wants) -> (TopicFilter, Bounds) {
        self.topics_since.get_or_insert(self.first);
        let mut filter = TopicFilter::default();
        let mut bounds = Bounds::new();
        for (nth, after) in wants {
            let text = PATTERNS[nth % PATTERNS.len()];
            let pattern = TopicPattern::from_static(text);
            let bound = after.and_then(|back| self.bound(back));
            let bound = match bound {
                Some((id, bound)) => {
                    filter = filter.with_after(pattern, id).unwrap();
                    bound
                }
                None => {
                    filter = filter.with(pattern).unwrap();
                    Bound::Start
                }
            };
            bounds.retain(|(other, _)| *other != text);
            bounds.push((text, bound));
        }
        (filter, bounds)
    }

    /// The id of an entry, and the bound that it makes.
    fn bound(&self, back: usize) -> Option<(EventId, Bound)> {
        let entry = self.entries.iter().rev().nth(back)?;
        let text = match entry {
            Entry::Event { id, .. } => id.clone(),
            Entry::Hole { .. } => self.name_of(entry.name()),
        };
        let bound = match self.place_after(&text) {
            Ok(place) => Bound::At(place),
            Err(ResetReason::Expired) => Bound::At(0),
            Err(ResetReason::Hole) => Bound::At(self.before_holes(&text)),
            Err(_) => Bound::Unknown,
        };
        Some((id(&text), bound))
    }

    fn is_key(&self, topic: &str) -> bool {
        self.has_keys && topic.starts_with("k.")
    }

    /// The place of the newest event of a topic that was not cleared.
    fn newest_of(&self, topic: &str) -> Option<usize> {
        let newest = self.newest_before(topic, self.entries.len())?;
        (newest >= self.cleared).then_some(newest)
    }

    fn newest_before(&self, topic: &str, end: usize) -> Option<usize> {
        let is_it = |entry: &Entry| matches!(entry, Entry::Event { topic: Some(other), .. } if *other == topic);
        self.entries[..end].iter().rposition(is_it)
    }
}
