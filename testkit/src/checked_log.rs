//! A log that is compared, call by call, with a simple one: a vector of entries that never drops
//! any.

mod log_call;
mod simple_log;
mod simple_reader;
mod viewer;

use std::time::Duration;

use lasse_core::log::{Cursor, Log, Read, Resume};
use lasse_core::{
    Compaction, Ending, Epoch, Event, EventId, Instant, LastEventId, ResetReason, Retention,
    StartAt, Topic, TopicPattern,
};
pub use log_call::{LastSeen, LogCall, PATTERNS, Wants};
use simple_log::{Entry, Label, MAX_KEYS, SimpleLog, id, own_id};
use simple_reader::SimpleReader;
use viewer::Viewer;

/// How many readers there are.
pub const READERS: usize = 4;

/// The log, the simple one, and readers that stand at the same place in both.
#[derive(Debug)]
pub struct CheckedLog {
    log: Log,
    simple: SimpleLog,
    readers: Vec<(Cursor, SimpleReader)>,
    viewers: Vec<Viewer>,
    events: u64,
    bytes: usize,
    now: Instant,
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
            readers: vec![(log.cursor(StartAt::Now), SimpleReader::default()); READERS],
            viewers: (0..READERS).map(|_| Viewer::new(&log)).collect(),
            log,
            simple: SimpleLog::new(has_keys),
            events,
            bytes,
            now: Instant::from_nanos(0),
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
            LogCall::AppendAs(left_out) => self.append_as(left_out, None),
            LogCall::AppendTo(topic, len) => {
                self.append(&Event::new("t\n".repeat(len / 2)), None, Some(Label::value(topic)));
            }
            LogCall::AppendToAs(topic, left_out) => {
                self.append_as(left_out, Some(Label::value(topic)));
            }
            LogCall::AppendTombstone(topic) => {
                self.append(&Event::new("deleted"), None, Some(Label::tombstone(topic)));
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
            LogCall::Advance(seconds) => self.advance(seconds),
            LogCall::Clear => self.clear(),
            LogCall::End(ending) => self.end(ending),
        }
        self.follow_drops();
    }

    /// Takes from the log how many events it holds.
    fn follow_drops(&mut self) {
        let entries = &self.simple.entries;
        let mut left = self.log.len();
        let mut first = entries.len();
        while left > 0 {
            first -= 1;
            left -= u64::from(!entries[first].is_hole());
        }
        // The holes before the oldest event.
        while let Some(Entry::Hole { before, .. }) = first.checked_sub(1).map(|n| &entries[n]) {
            if self.log.has_passed(*before) {
                break;
            }
            first -= 1;
        }
        assert!(first >= self.simple.first, "a dropped entry is held again");
        self.simple.first = first;
    }

    fn append_as(&mut self, left_out: u64, label: Option<Label>) {
        if let Some(given) = self.simple.given(left_out) {
            self.append(&Event::new("given"), Some(given), label);
        }
    }

    fn append(&mut self, event: &Event<'_>, given: Option<(EventId, u64)>, label: Option<Label>) {
        let before = self.log.cursor(StartAt::Now);
        let topic = label.map(|label| Topic::from_static(label.topic));
        let appended = match (&given, &topic, label) {
            (Some((given, _)), Some(topic), _) => self.log.append_to_as(given, topic, event),
            (Some((given, _)), None, _) => self.log.append_as(given, event),
            (None, Some(topic), Some(Label { is_tombstone: true, .. })) => {
                self.log.append_tombstone(topic, event)
            }
            (None, Some(topic), _) => self.log.append_to(topic, event),
            (None, None, _) => self.log.append(event),
        };
        if let Some(ending) = self.simple.ending {
            assert_eq!(appended.unwrap_err().ending(), Some(ending));
            return;
        }
        let is_own = event.id().is_some();
        if self.simple.is_own.is_some_and(|kind| kind != is_own)
            || label.is_some_and(|label| self.simple.refuses(label))
            || self.simple.is_used_up() && !is_own
        {
            appended.unwrap_err();
            return;
        }
        let id = appended.unwrap();
        if is_own {
            assert_eq!(Some(&id), event.id());
        }
        let wire = event.clone().with_id(id.clone()).encode().as_bytes().to_vec();
        let segment = wire.len().max(self.bytes / 4).max(256);
        let given = given.map(|(_, number)| number);
        self.simple.append(&id, wire, is_own, given, label, before);
        assert!((1..=self.events).contains(&self.log.len()));
        let most = self.bytes + 2 * segment + 32_768 + 200 * self.simple.entries.len();
        assert!(self.log.memory() <= most, "{}", self.log.memory());
    }

    fn skip(&mut self, count: u64) {
        let number = self.simple.newest().saturating_add(count);
        let skipped = self.log.skip_unused(number);
        if self.simple.can_skip_to(number) {
            skipped.unwrap();
            self.simple.skip_to(number);
        } else {
            skipped.unwrap_err();
        }
    }

    fn append_hole(&mut self) {
        let before = self.log.cursor(StartAt::Now);
        let sent = self.log.append_hole();
        if self.simple.ending.is_some() || self.simple.is_used_up() {
            sent.unwrap_err();
            return;
        }
        let id = self.simple.append_hole(before);
        assert_eq!(sent.unwrap().map(|id| id.as_str().to_owned()), id);
    }

    fn append_hole_up_to(&mut self, count: u64) {
        let before = self.log.cursor(StartAt::Now);
        let number = self.simple.newest().saturating_add(count);
        let appended = self.log.append_hole_up_to(number);
        if self.simple.can_skip_to(number) {
            appended.unwrap();
            self.simple.append_hole_up_to(number, before);
        } else {
            appended.unwrap_err();
        }
    }

    fn begin_epoch(&mut self) {
        let Some(epoch) = self.simple.next_epoch() else { return };
        let begun = self.log.begin_epoch(epoch);
        if self.simple.ending.is_some() || self.simple.is_own == Some(true) {
            begun.unwrap_err();
            return;
        }
        begun.unwrap();
        self.log.begin_epoch(epoch).unwrap_err();
        self.simple.begin_epoch();
    }

    fn advance(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
        self.log.advance(self.now);
    }

    fn clear(&mut self) {
        self.log.clear();
        self.simple.cleared = self.simple.entries.len();
    }

    fn end(&mut self, ending: Ending) {
        match ending {
            Ending::Finished => self.log.finish(),
            Ending::Aborted => self.log.abort(),
        }
        self.simple.ending.get_or_insert(ending);
    }

    fn read(&mut self, reader: usize, budget: usize) {
        let (cursor, reader) = &mut self.readers[reader];
        let is_ready = self.log.is_ready(*cursor);
        let read = self.log.read(cursor, budget);
        assert_eq!(is_ready, read != Read::Wait);
        assert_eq!(read_text(&read), self.simple.expected(reader, budget));
        if matches!(read, Read::Events(_)) {
            let Entry::Event { id, .. } = &self.simple.entries[reader.place - 1] else { panic!() };
            let name = self.log.id_before(*cursor).unwrap();
            match self.simple.epoch_at(reader.place) {
                Some(epoch) => {
                    assert!(name.as_str().starts_with(&format!("{epoch}-")), "{name} at {epoch}");
                    let after = self.log.after(&name);
                    assert!(after == Ok(*cursor) || after == Err(ResetReason::Hole), "{after:?}");
                }
                None => assert_eq!(name.as_str(), id),
            }
        }
    }

    fn connect(&mut self, reader: usize, last: &LastSeen, start: StartAt) {
        let simple = &self.simple;
        let last = simple.last_event_id(last);
        let begin = simple.begin(start);
        let expected = match &last {
            LastEventId::Absent | LastEventId::Empty => Ok(begin),
            LastEventId::Id(id) => simple.after(id.as_str()),
            LastEventId::Invalid(_) => Err(ResetReason::Unknown),
        };
        let is_over = |place| simple.ending.is_some() && place == simple.entries.len();
        let (cursor, place) = match (self.log.resume(&last, start), expected) {
            (Resume::Complete, Ok(place)) if is_over(place) => return,
            (Resume::Fresh(cursor), Ok(place)) if last.id().is_none() => (cursor, place),
            (Resume::Resumed(cursor), Ok(place)) if last.id().is_some() => (cursor, place),
            (Resume::Reset(reason, cursor), Err(expected)) if reason == expected => {
                (cursor, begin.max(simple.past_hole(&last, reason)))
            }
            other => panic!("{other:?} for {last:?}"),
        };
        match self.log.id_before(cursor) {
            Some(id) => assert!(self.log.after(&id).is_ok() || simple.is_own == Some(true), "{id}"),
            None => assert_eq!(simple.is_own, Some(true), "a numbered place has an id"),
        }
        self.readers[reader] = (cursor, SimpleReader { place, ..SimpleReader::default() });
    }
}

/// The name of what was read, or the bytes of the events.
fn read_text(read: &Read) -> String {
    match read {
        Read::Events(frame) => String::from_utf8(frame.as_bytes().to_vec()).unwrap(),
        Read::Over(ending) => format!("{ending:?}"),
        other => format!("{other:?}"),
    }
}
