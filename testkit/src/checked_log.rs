//! A log that is compared, call by call, with a simple one: a vector of entries that never drops
//! any.

mod log_call;
mod viewer;

use std::time::Duration;

use lasse_core::log::{Cursor, Log, Read, Resume};
use lasse_core::{
    Compaction, Ending, Epoch, Event, EventId, Instant, LastEventId, ResetReason, Retention,
    StartAt, Topic, TopicPattern,
};
pub use log_call::{LastSeen, LogCall};
pub use viewer::{PATTERNS, Wants};
use viewer::{TOPICS, Viewer};

/// How many readers there are.
pub const READERS: usize = 4;

/// The log, the simple one, and readers that stand at the same place in both.
#[derive(Debug)]
pub struct CheckedLog {
    log: Log,
    entries: Vec<Entry>,
    /// How many entries were dropped. Only the log knows when; the simple one checks that none
    /// returns and that none is held too long.
    first: usize,
    readers: Vec<(Cursor, usize)>,
    viewers: Vec<Viewer>,
    /// Whether the topics that begin with `k.` are keys.
    has_keys: bool,
    /// How many entries were dropped when the first topic was used. What they were is not known.
    topics_since: Option<usize>,
    /// Whether the numbers of the entries are not consecutive, or epochs were begun.
    has_gaps: bool,
    /// How many entries there were when the log was last cleared.
    cleared: usize,
    events: u64,
    bytes: usize,
    ending: Option<Ending>,
    now: Instant,
    is_own: Option<bool>,
    /// The newest number of each epoch.
    numbers: Vec<u64>,
    /// The numbers that the first event began after.
    begun_after: u64,
}

#[derive(Debug)]
enum Entry {
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
    fn name(&self) -> (usize, u64) {
        match self {
            Self::Event { epoch, number, .. } | Self::Hole { epoch, number, .. } => {
                (*epoch, *number)
            }
        }
    }

    fn is_hole(&self) -> bool {
        matches!(self, Self::Hole { .. })
    }
}

impl CheckedLog {
    /// A log that keeps this many events and bytes, for 64 seconds or for ever, perhaps with keys.
    pub fn new(events: u64, bytes: usize, ages: bool, has_keys: bool) -> Self {
        let retention = Retention::new().with_events(events).with_bytes(bytes);
        let age = Duration::from_secs(64);
        let retention = if ages { retention.with_age(age) } else { retention };
        let mut log = Log::new(Epoch::new("k0").unwrap(), retention);
        if has_keys {
            let keys = Compaction::new(TopicPattern::from_static("k.*"));
            log = log.with_compaction(keys.with_max_keys(MAX_KEYS));
        }
        Self {
            readers: vec![(log.cursor(StartAt::Now), 0); READERS],
            viewers: (0..READERS).map(|_| Viewer::new(&log)).collect(),
            has_keys,
            topics_since: has_keys.then_some(0),
            has_gaps: false,
            cleared: 0,
            log,
            entries: Vec::new(),
            first: 0,
            events,
            bytes,
            ending: None,
            now: Instant::from_nanos(0),
            is_own: None,
            numbers: vec![0],
            begun_after: 0,
        }
    }

    /// Makes a call on both.
    ///
    /// # Panics
    ///
    /// If they differ.
    pub fn call(&mut self, call: LogCall) {
        match call {
            LogCall::Append(len) => self.append(&Event::new("x\n".repeat(len / 2)), None, None),
            LogCall::AppendOwn(name) => {
                self.append(&Event::new("own").with_id(id(&own_id(name))), None, None);
            }
            LogCall::AppendAs(left_out) => {
                if let Some(given) = self.given(left_out) {
                    self.append(&Event::new("given"), Some(given), None);
                }
            }
            LogCall::AppendTo(topic, len) => {
                let label = (TOPICS[topic % TOPICS.len()], false);
                self.append(&Event::new("t\n".repeat(len / 2)), None, Some(label));
            }
            LogCall::AppendToAs(topic, left_out) => {
                let label = (TOPICS[topic % TOPICS.len()], false);
                if let Some(given) = self.given(left_out) {
                    self.append(&Event::new("given"), Some(given), Some(label));
                }
            }
            LogCall::AppendTombstone(topic) => {
                let label = (TOPICS[topic % TOPICS.len()], true);
                self.append(&Event::new("deleted"), None, Some(label));
            }
            LogCall::ReadView(viewer, budget) => self.read_view(viewer, budget),
            LogCall::ConnectView(viewer, wants, last, start) => {
                self.connect_view(viewer, wants.as_ref(), &last, start);
            }
            LogCall::ChangeView(viewer, wants) => self.change_view(viewer, &wants),
            LogCall::Conflate(viewer) => self.conflate(viewer),
            LogCall::Skip(count) => self.skip(count),
            LogCall::Hole => self.append_hole(),
            LogCall::HoleUpTo(count) => self.append_hole_up_to(count),
            LogCall::BeginEpoch => self.begin_epoch(),
            LogCall::Read(reader, budget) => self.read(reader, budget),
            LogCall::Connect(reader, last, start) => self.connect(reader, &last, start),
            LogCall::Advance(seconds) => {
                self.now = self.now + Duration::from_secs(seconds);
                self.log.advance(self.now);
            }
            LogCall::Clear => {
                self.log.clear();
                self.cleared = self.entries.len();
            }
            LogCall::End(ending) => {
                match ending {
                    Ending::Finished => self.log.finish(),
                    Ending::Aborted => self.log.abort(),
                }
                self.ending.get_or_insert(ending);
            }
        }
        self.follow_drops();
    }

    /// Learns from the log how many events it holds.
    fn follow_drops(&mut self) {
        let mut left = self.log.len();
        let mut first = self.entries.len();
        while left > 0 {
            first -= 1;
            left -= u64::from(!self.entries[first].is_hole());
        }
        // The holes before the oldest event.
        while let Some(Entry::Hole { before, .. }) = first.checked_sub(1).map(|n| &self.entries[n])
        {
            if self.log.has_passed(*before) {
                break;
            }
            first -= 1;
        }
        assert!(first >= self.first, "a dropped entry is held again");
        self.first = first;
    }

    /// A number that leaves out some, and its id, if there are as many.
    fn given(&self, left_out: u64) -> Option<(EventId, u64)> {
        let number = self.newest().checked_add(1)?.checked_add(left_out)?;
        Some((id(&self.name_of((self.numbers.len() - 1, number))), number))
    }

    fn append(
        &mut self,
        event: &Event<'_>,
        given: Option<(EventId, u64)>,
        label: Option<(&'static str, bool)>,
    ) {
        let is_own = event.id().is_some();
        let before = self.log.cursor(StartAt::Now);
        let topic = label.map(|(topic, _)| Topic::from_static(topic));
        let appended = match (&given, &topic, label) {
            (Some((given, _)), Some(topic), _) => self.log.append_to_as(given, topic, event),
            (Some((given, _)), None, _) => self.log.append_as(given, event),
            (None, Some(topic), Some((_, true))) => self.log.append_tombstone(topic, event),
            (None, Some(topic), _) => self.log.append_to(topic, event),
            (None, None, _) => self.log.append(event),
        };
        if let Some(ending) = self.ending {
            assert_eq!(appended.unwrap_err().ending(), Some(ending));
            return;
        }
        if self.is_own.is_some_and(|kind| kind != is_own) {
            appended.unwrap_err();
            return;
        }
        if label.is_some_and(|label| self.refuses(label)) || self.is_used_up() && !is_own {
            appended.unwrap_err();
            return;
        }
        if label.is_some() {
            self.topics_since.get_or_insert(self.first);
        }
        self.is_own = Some(is_own);
        let sent = appended.unwrap();
        let epoch = self.numbers.len() - 1;
        let number = given.map_or_else(|| self.newest() + 1, |(_, number)| number);
        if is_own {
            assert_eq!(Some(&sent), event.id());
        } else {
            assert_eq!(sent.as_str(), self.name_of((epoch, number)));
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
        let id = sent.as_str().to_owned();
        let wire = event.clone().with_id(sent).encode().as_bytes().to_vec();
        let segment = wire.len().max(self.bytes / 4).max(256);
        let (topic, is_tombstone) =
            label.map_or((None, false), |(topic, dead)| (Some(topic), dead));
        self.entries.push(Entry::Event { id, epoch, number, wire, topic, is_tombstone });
        assert!((1..=self.events).contains(&self.log.len()));
        let most = self.bytes + 2 * segment + 32_768 + 200 * self.entries.len();
        assert!(self.log.memory() <= most, "{}", self.log.memory());
    }

    fn skip(&mut self, count: u64) {
        let number = self.newest().saturating_add(count);
        let skipped = self.log.skip_unused(number);
        if self.ending.is_some() || self.is_own == Some(true) || number == self.newest() {
            skipped.unwrap_err();
            return;
        }
        skipped.unwrap();
        self.has_gaps = true;
        self.is_own = Some(false);
        *self.numbers.last_mut().unwrap() = number;
    }

    fn append_hole(&mut self) {
        let before = self.log.cursor(StartAt::Now);
        let sent = self.log.append_hole();
        if self.ending.is_some() || self.is_used_up() {
            sent.unwrap_err();
            return;
        }
        self.has_gaps = true;
        let (epoch, number) = (self.numbers.len() - 1, self.newest() + 1);
        if self.is_own == Some(true) {
            assert_eq!(sent.unwrap(), None);
            self.entries.push(Entry::Hole { epoch, number: 0, before });
            return;
        }
        self.is_own = Some(false);
        assert_eq!(sent.unwrap().unwrap().as_str(), self.name_of((epoch, number)));
        self.numbers[epoch] = number;
        self.entries.push(Entry::Hole { epoch, number, before });
    }

    fn append_hole_up_to(&mut self, count: u64) {
        let before = self.log.cursor(StartAt::Now);
        let number = self.newest().saturating_add(count);
        let appended = self.log.append_hole_up_to(number);
        if self.ending.is_some() || self.is_own == Some(true) || number == self.newest() {
            appended.unwrap_err();
            return;
        }
        appended.unwrap();
        self.has_gaps = true;
        self.is_own = Some(false);
        let epoch = self.numbers.len() - 1;
        self.numbers[epoch] = number;
        self.entries.push(Entry::Hole { epoch, number, before });
    }

    /// Whether the epoch has no number left.
    fn is_used_up(&self) -> bool {
        self.newest() == u64::MAX
    }

    fn begin_epoch(&mut self) {
        let epoch = Epoch::new(&format!("k{}", self.numbers.len())).unwrap();
        // The simple log keeps all epochs, and the log only those of which it holds anything.
        let is_fresh = self.newest() == 0;
        if self.numbers.len() > 60 || is_fresh {
            return;
        }
        let begun = self.log.begin_epoch(epoch);
        if self.ending.is_some() || self.is_own == Some(true) {
            begun.unwrap_err();
            return;
        }
        begun.unwrap();
        self.has_gaps = true;
        self.log.begin_epoch(epoch).unwrap_err();
        self.is_own = Some(false);
        self.numbers.push(0);
    }

    fn read(&mut self, reader: usize, budget: usize) {
        let (cursor, position) = &mut self.readers[reader];
        let is_ready = self.log.is_ready(*cursor);
        let read = self.log.read(cursor, budget);
        assert_eq!(is_ready, read != Read::Wait);
        if *position < self.first {
            assert_eq!(read, Read::Lagged);
        } else if *position == self.entries.len() {
            assert_eq!(read, self.ending.map_or(Read::Wait, Read::Over));
        } else if self.entries[*position].is_hole() {
            assert_eq!(read, Read::Hole);
            *position += 1;
        } else {
            let mut expected = Vec::new();
            for entry in &self.entries[*position..] {
                let Entry::Event { wire, .. } = entry else { break };
                if !expected.is_empty() && expected.len() + wire.len() > budget {
                    break;
                }
                expected.extend_from_slice(wire);
                *position += 1;
            }
            let Read::Events(frame) = read else { panic!("{read:?}") };
            assert_eq!(frame.as_bytes(), expected);
            let Entry::Event { id, .. } = &self.entries[*position - 1] else { panic!() };
            assert_eq!(self.log.id_before(*cursor).unwrap().as_str(), id);
        }
    }

    fn connect(&mut self, reader: usize, last: &LastSeen, start: StartAt) {
        let last = self.last_event_id(last);
        let begin = self.begin(start);
        let expected = match &last {
            LastEventId::Absent | LastEventId::Empty => Ok(begin),
            LastEventId::Id(id) => self.after(id.as_str()),
            LastEventId::Invalid(_) => Err(ResetReason::Unknown),
        };
        let is_over = |position| self.ending.is_some() && position == self.entries.len();
        let (cursor, position) = match (self.log.resume(&last, start), expected) {
            (Resume::Complete, Ok(position)) if is_over(position) => return,
            (Resume::Fresh(cursor), Ok(position)) if last.id().is_none() => (cursor, position),
            (Resume::Resumed(cursor), Ok(position)) if last.id().is_some() => (cursor, position),
            (Resume::Reset(reason, cursor), Err(expected)) if reason == expected => {
                (cursor, begin.max(self.past_hole(&last, reason)))
            }
            other => panic!("{other:?} for {last:?}"),
        };
        match self.log.id_before(cursor) {
            Some(id) => assert!(self.log.after(&id).is_ok() || self.is_own == Some(true), "{id}"),
            None => assert_eq!(self.is_own, Some(true), "a numbered place has an id"),
        }
        self.readers[reader] = (cursor, position);
    }

    fn last_event_id(&self, last: &LastSeen) -> LastEventId {
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

    fn begin(&self, start: StartAt) -> usize {
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

    /// The place where a client goes on whose last event id is `id`.
    fn after(&self, id: &str) -> Result<usize, ResetReason> {
        let place =
            if self.is_own == Some(true) { self.after_own(id)? } else { self.after_number(id)? };
        let is_at_hole = self.entries.get(place).is_some_and(Entry::is_hole);
        if is_at_hole && self.is_own != Some(true) { Err(ResetReason::Hole) } else { Ok(place) }
    }

    /// The place after the hole at which a client is reset.
    fn past_hole(&self, last: &LastEventId, reason: ResetReason) -> usize {
        let Some(id) = last.id().filter(|_| reason == ResetReason::Hole) else { return 0 };
        let place = self.after_number(id.as_str()).unwrap_or(0);
        let holes = self.entries[place..].iter().take_while(|entry| entry.is_hole());
        place + holes.count()
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
    fn place_of(&self, name: (usize, u64)) -> usize {
        self.entries.iter().take_while(|entry| entry.name() <= name).count()
    }

    fn newest(&self) -> u64 {
        *self.numbers.last().unwrap()
    }

    fn name_of(&self, (epoch, number): (usize, u64)) -> String {
        format!("k{epoch}-{number}")
    }
}

/// How many keys a log can have.
const MAX_KEYS: usize = 2;

/// The epoch and the number of an id, if it has the form that a log gives.
fn numbered(id: &str) -> Option<(&str, u64)> {
    let (epoch, digits) = id.rsplit_once('-')?;
    let is_word = epoch.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let number = digits.parse::<u64>().ok()?;
    let is_it = is_word && (1..=32).contains(&epoch.len()) && digits == number.to_string();
    is_it.then_some((epoch, number))
}

fn own_id(name: u8) -> String {
    format!("own {name}")
}

fn id(text: &str) -> EventId {
    EventId::new(text.to_string()).unwrap()
}
