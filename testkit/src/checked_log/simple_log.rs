//! `SimpleLog`: a vector of entries that never drops any, and what a log must decide by it.

use lasse_core::log::Cursor;
use lasse_core::{Ending, Epoch, EventId, LastEventId, ResetReason, StartAt};

use super::log_call::{LastSeen, TOPICS};

/// The simple log.
#[derive(Debug)]
pub(super) struct SimpleLog {
    pub(super) entries: Vec<Entry>,
    /// How many entries were dropped. Only the log knows when.
    pub(super) first: usize,
    /// How many entries there were when the log was last cleared.
    pub(super) cleared: usize,
    pub(super) ending: Option<Ending>,
    /// Whether events have ids of their own. None: there was none yet.
    pub(super) is_own: Option<bool>,
    /// The newest number of each epoch.
    pub(super) numbers: Vec<u64>,
    /// The numbers that the first event began after.
    pub(super) begun_after: u64,
    /// Whether the numbers of the entries are not consecutive, or epochs were begun.
    pub(super) has_gaps: bool,
    /// Whether the topics that begin with `k.` are keys.
    pub(super) has_keys: bool,
    /// How many entries were dropped when the first topic was used. Their topics are not known.
    pub(super) topics_since: Option<usize>,
}

/// The topic of an event, and whether the event deletes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    pub(super) topic: &'static str,
    pub(super) is_tombstone: bool,
}

impl Label {
    /// An event of a topic, by number.
    pub(super) fn value(topic: usize) -> Self {
        Self { topic: TOPICS[topic % TOPICS.len()], is_tombstone: false }
    }

    /// A tombstone of a topic, by number.
    pub(super) fn tombstone(topic: usize) -> Self {
        Self { is_tombstone: true, ..Self::value(topic) }
    }
}

/// An entry of the simple log.
#[derive(Debug)]
pub(super) enum Entry {
    Event {
        id: String,
        epoch: usize,
        number: u64,
        wire: Vec<u8>,
        topic: Option<&'static str>,
        is_tombstone: bool,
    },
    /// The numbers up to this one are missing.
    Hole { epoch: usize, number: u64, before: Cursor },
}

impl Entry {
    /// The id of the place after it: an epoch and a number.
    pub(super) fn name(&self) -> (usize, u64) {
        match self {
            Self::Event { epoch, number, .. } | Self::Hole { epoch, number, .. } => {
                (*epoch, *number)
            }
        }
    }

    pub(super) fn is_hole(&self) -> bool {
        matches!(self, Self::Hole { .. })
    }
}

impl SimpleLog {
    pub(super) fn new(has_keys: bool) -> Self {
        Self {
            entries: Vec::new(),
            first: 0,
            cleared: 0,
            ending: None,
            is_own: None,
            numbers: vec![0],
            begun_after: 0,
            has_gaps: false,
            has_keys,
            topics_since: has_keys.then_some(0),
        }
    }

    /// Appends an event, and a hole if it was given a number that is not the next one.
    pub(super) fn append(
        &mut self,
        id: &EventId,
        wire: Vec<u8>,
        is_own: bool,
        given: Option<u64>,
        label: Option<Label>,
        before: Cursor,
    ) {
        if label.is_some() {
            self.topics_since.get_or_insert(self.first);
        }
        self.is_own = Some(is_own);
        let epoch = self.numbers.len() - 1;
        let number = given.unwrap_or_else(|| self.newest() + 1);
        if !is_own {
            assert_eq!(id.as_str(), self.name_of((epoch, number)));
            if number > self.newest() + 1 {
                self.has_gaps = true;
                if self.entries.is_empty() && self.numbers == [0] {
                    self.begun_after = number - 1;
                } else {
                    self.entries.push(Entry::Hole { epoch, number: number - 1, before });
                }
            }
            self.numbers[epoch] = number;
        }
        let (topic, is_tombstone) =
            label.map_or((None, false), |label| (Some(label.topic), label.is_tombstone));
        let id = id.as_str().to_owned();
        self.entries.push(Entry::Event { id, epoch, number, wire, topic, is_tombstone });
    }

    /// Whether the log must take a number without an event.
    pub(super) fn can_skip_to(&self, number: u64) -> bool {
        self.ending.is_none() && self.is_own != Some(true) && number > self.newest()
    }

    pub(super) fn skip_to(&mut self, number: u64) {
        self.has_gaps = true;
        self.is_own = Some(false);
        *self.numbers.last_mut().unwrap() = number;
    }

    /// Appends a hole of one number, and returns the id of the place after it.
    pub(super) fn append_hole(&mut self, before: Cursor) -> Option<String> {
        let (epoch, number) = (self.numbers.len() - 1, self.newest() + 1);
        if self.is_own == Some(true) {
            self.has_gaps = true;
            self.entries.push(Entry::Hole { epoch, number: 0, before });
            return None;
        }
        self.append_hole_up_to(number, before);
        Some(self.name_of((epoch, number)))
    }

    pub(super) fn append_hole_up_to(&mut self, number: u64, before: Cursor) {
        self.skip_to(number);
        self.entries.push(Entry::Hole { epoch: self.numbers.len() - 1, number, before });
    }

    /// The name of another epoch. None if the newest epoch has no number yet: a log drops such an
    /// epoch, and the simple log keeps all. None after 60 epochs.
    pub(super) fn next_epoch(&self) -> Option<Epoch> {
        let can_begin = self.newest() > 0 && self.numbers.len() <= 60;
        can_begin.then(|| Epoch::new(&format!("k{}", self.numbers.len())).unwrap())
    }

    pub(super) fn begin_epoch(&mut self) {
        self.has_gaps = true;
        self.is_own = Some(false);
        self.numbers.push(0);
    }

    /// The name of the epoch that begins at this place, after an entry of another one.
    pub(super) fn epoch_at(&self, place: usize) -> Option<String> {
        let (before, _) = self.entries.get(place.checked_sub(1)?)?.name();
        let newest = self.numbers.len() - 1;
        let next = self.entries.get(place).map_or(newest, |entry| entry.name().0);
        (next > before).then(|| format!("k{next}"))
    }

    /// A number that leaves out some, and its id, if there are as many.
    pub(super) fn given(&self, left_out: u64) -> Option<(EventId, u64)> {
        let number = self.newest().checked_add(1)?.checked_add(left_out)?;
        Some((id(&self.name_of((self.numbers.len() - 1, number))), number))
    }

    /// Whether the epoch has no number left.
    pub(super) fn is_used_up(&self) -> bool {
        self.newest() == u64::MAX
    }

    pub(super) fn last_event_id(&self, last: &LastSeen) -> LastEventId {
        let text = match last {
            LastSeen::Absent => None,
            LastSeen::Entry(back) => {
                self.entries.iter().rev().nth(*back).map(|entry| match entry {
                    Entry::Event { id, .. } => id.clone(),
                    Entry::Hole { .. } => self.name_of(entry.name()),
                })
            }
            LastSeen::Number(offset, back) => {
                let epoch = (self.numbers.len() - 1).saturating_sub(*back);
                Some(self.name_of((epoch, self.numbers[epoch].saturating_add_signed(*offset))))
            }
            LastSeen::Own(name) => Some(own_id(*name)),
            LastSeen::Text(text) => Some(text.clone()),
        };
        LastEventId::from_values(text.as_deref().map(str::as_bytes))
    }

    pub(super) fn begin(&self, start: StartAt) -> usize {
        let mut begin = match start {
            StartAt::Oldest => self.first,
            StartAt::Last(n) => {
                let (mut begin, mut left) = (self.entries.len(), n);
                while left > 0 && begin > self.first {
                    begin -= 1;
                    left -= u64::from(!self.entries[begin].is_hole());
                }
                begin
            }
            _ => self.entries.len(),
        };
        while self.entries.get(begin).is_some_and(Entry::is_hole) {
            begin += 1;
        }
        begin
    }

    /// The place where a client with the last event id `id` resumes.
    pub(super) fn after(&self, id: &str) -> Result<usize, ResetReason> {
        let place =
            if self.is_own == Some(true) { self.after_own(id)? } else { self.after_number(id)? };
        let is_at_hole = self.entries.get(place).is_some_and(Entry::is_hole);
        if is_at_hole && self.is_own != Some(true) { Err(ResetReason::Hole) } else { Ok(place) }
    }

    /// The place after the hole at which a client is reset.
    pub(super) fn past_hole(&self, last: &LastEventId, reason: ResetReason) -> usize {
        let Some(id) = last.id().filter(|_| reason == ResetReason::Hole) else { return 0 };
        let place = self.after_number(id.as_str()).unwrap_or(0);
        let holes = self.entries[place..].iter().take_while(|entry| entry.is_hole());
        place + holes.count()
    }

    /// The place before the holes that the event `id` is before or in.
    pub(super) fn before_holes(&self, id: &str) -> usize {
        let mut place = self.after_number(id).unwrap_or(0);
        while place > self.first && self.entries[place - 1].is_hole() {
            place -= 1;
        }
        place
    }

    fn after_own(&self, id: &str) -> Result<usize, ResetReason> {
        let known = self.entries.iter().enumerate().skip(self.first.saturating_sub(1));
        let mut found =
            known.filter(|(_, entry)| matches!(entry, Entry::Event { id: own, .. } if own == id));
        found.next().map(|(place, _)| place + 1).ok_or(ResetReason::Unknown)
    }

    fn after_number(&self, id: &str) -> Result<usize, ResetReason> {
        let (epoch, number) = numbered(id).ok_or(ResetReason::Unknown)?;
        let epochs = 0..self.numbers.len();
        let Some(epoch) = epochs.into_iter().find(|nth| epoch == format!("k{nth}")) else {
            return Err(ResetReason::Foreign);
        };
        let floor = match self.first.checked_sub(1) {
            Some(last_dropped) => self.entries[last_dropped].name(),
            None => (0, self.begun_after),
        };
        let is_held = epoch >= floor.0;
        if !is_held {
            return Err(ResetReason::Foreign);
        }
        if number > self.numbers[epoch] {
            return Err(ResetReason::Ahead);
        }
        if (epoch, number) < floor {
            return Err(ResetReason::Expired);
        }
        Ok(self.place_of((epoch, number)).max(self.first))
    }

    /// The place after a number, which can be dropped.
    pub(super) fn place_of(&self, name: (usize, u64)) -> usize {
        self.entries.iter().take_while(|entry| entry.name() <= name).count()
    }

    pub(super) fn newest(&self) -> u64 {
        *self.numbers.last().unwrap()
    }

    pub(super) fn name_of(&self, (epoch, number): (usize, u64)) -> String {
        format!("k{epoch}-{number}")
    }
}

/// The epoch and the number of an id, if it has the form that a log gives.
pub(super) fn numbered(id: &str) -> Option<(&str, u64)> {
    let (epoch, digits) = id.rsplit_once('-')?;
    let is_word = epoch.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let number = digits.parse::<u64>().ok()?;
    let is_it = is_word && (1..=32).contains(&epoch.len()) && digits == number.to_string();
    is_it.then_some((epoch, number))
}

pub(super) fn own_id(name: u8) -> String {
    format!("own {name}")
}

pub(super) fn id(text: &str) -> EventId {
    EventId::new(text.to_string()).unwrap()
}

/// How many keys a log can have.
pub(super) const MAX_KEYS: usize = 2;
