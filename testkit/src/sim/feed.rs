//! The published events of each feed, and the ones that each node's log holds.

use std::borrow::Cow;

use lasse_core::{Ending, Event, EventName};

/// One feed: the events that every node publishes, in order.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// How long the filler of each event is.
    pub(super) sizes: Vec<usize>,
    pub(super) ending: Option<Ending>,
}

impl Feed {
    pub(super) fn len(&self) -> usize {
        self.sizes.len()
    }

    /// The event at `place`, without an id.
    pub(super) fn event(&self, place: usize) -> Event<'static> {
        let event = Event::new(written_data(place, self.sizes[place]));
        let event = match place % 5 {
            0 => event.with_comment("one\r\ndata: forged\n\nid: forged\r"),
            _ => event,
        };
        match name(place) {
            Some(name) => event.with_name(EventName::from_static(name)),
            None => event,
        }
    }

    /// The name and the data with which the event at `place` must reach a client.
    pub(super) fn expected(&self, place: usize) -> (&'static str, String) {
        let data = written_data(place, self.sizes[place]);
        let data = data.replace("\r\n", "\n").replace('\r', "\n");
        (name(place).unwrap_or("message"), data)
    }

    /// The place that the data of an event names.
    pub(super) fn place_in(data: &str) -> Option<usize> {
        data.split(['\n', ' ']).next()?.parse().ok()
    }
}

fn name(place: usize) -> Option<&'static str> {
    [None, Some("add"), Some("data: forged"), None][place % 4]
}

/// Data that begins with the place, of many shapes.
fn written_data(place: usize, size: usize) -> Cow<'static, str> {
    let filler = "x".repeat(size);
    let text = match place % 7 {
        0 => format!("{place}\n{filler}"),
        1 => format!("{place}\r\nid: forged\r\n\r\nevent: forged\rdata: {filler}"),
        2 => format!("{place}\n\n\u{feff}{filler}\n"),
        3 => format!("{place} \0{filler}\u{2028}é"),
        _ => format!("{place} {filler}"),
    };
    text.into()
}

/// What one incarnation of a node's log was given. It forgets nothing.
#[derive(Clone, Debug)]
pub(super) struct LogRecord {
    pub(super) epoch: String,
    pub(super) entries: Vec<Entry>,
    /// How many events are among the entries.
    pub(super) events: u64,
    /// The number of the newest entry.
    pub(super) number: u64,
    /// The number of the newest event before a reload, of which the log was given none.
    pub(super) number_before: u64,
    pub(super) ending: Option<Ending>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: String,
    /// The number in its id; in a log with own ids it is only counted here.
    pub(super) number: u64,
    /// Which of the feed's events it is.
    pub(super) place: usize,
    /// Whether the log knows only that the event is missing.
    pub(super) is_hole: bool,
}

impl LogRecord {
    pub(super) fn new(epoch: impl Into<String>, number_before: u64) -> Self {
        Self {
            epoch: epoch.into(),
            entries: Vec::new(),
            events: 0,
            number: 0,
            number_before,
            ending: None,
        }
    }

    /// The ids of its entries, the oldest first.
    pub(super) fn ids(&self) -> Vec<String> {
        self.entries.iter().map(|entry| entry.id.clone()).collect()
    }

    /// Notes that the log took the event at `place`, under `id`.
    pub(super) fn push(&mut self, id: &str, place: usize) {
        self.number = self.number_of(id).unwrap_or(self.number + 1);
        self.entries.push(Entry { id: id.into(), number: self.number, place, is_hole: false });
        self.events += 1;
    }

    /// Notes that the log has a hole in place of the event at `place`, under `id`.
    pub(super) fn push_hole(&mut self, id: &str, place: usize) {
        self.push(id, place);
        self.events -= 1;
        self.entries.iter_mut().rev().take(1).for_each(|entry| entry.is_hole = true);
    }

    /// The first of the last `events` events, as an index into the entries.
    pub(super) fn last_from(&self, events: u64) -> usize {
        let is_event = |index: &usize| !self.is_hole(*index);
        let places = (0..self.entries.len()).rev().filter(is_event);
        let most = usize::try_from(events).unwrap_or(usize::MAX);
        places.take(most).last().unwrap_or(self.entries.len())
    }

    pub(super) fn is_hole(&self, index: usize) -> bool {
        self.entries.get(index).is_some_and(|entry| entry.is_hole)
    }

    /// The next position that has an event, or the end.
    pub(super) fn after_holes(&self, position: usize) -> usize {
        let mut rest = position..self.entries.len();
        rest.find(|index| !self.is_hole(*index)).unwrap_or_else(|| position.max(self.entries.len()))
    }

    /// Where a client with `id` resumes, as an index into the entries, if the log can know: it
    /// holds the entries from `held_from` on, and remembers the id of the one before.
    pub(super) fn resume(&self, id: &str, held_from: usize) -> Option<usize> {
        self.position_after(id, held_from).filter(|position| !self.is_hole(*position))
    }

    /// The position after `id`, if the log holds the entries from `held_from` on. It can be a hole.
    pub(super) fn position_after(&self, id: &str, held_from: usize) -> Option<usize> {
        let known_from = held_from.saturating_sub(1);
        let known = &self.entries[known_from..];
        if let Some(index) = known.iter().rposition(|entry| entry.id == id) {
            return Some(known_from + index + 1);
        }
        let number = self.number_of(id).filter(|_| !self.has_own_ids())?;
        let before = self.entries.first().map_or(self.number, |first| first.number - 1);
        (held_from == 0 && number == before).then_some(0)
    }

    /// The position after the hole at which a client with `id` is, if it is at one.
    pub(super) fn past_hole(&self, id: &str, held_from: usize) -> Option<usize> {
        let number = self.number_of(id).filter(|_| !self.has_own_ids())?;
        let is_at = |hole: &usize| {
            let before = hole.checked_sub(1).map_or(0, |before| self.entries[before].number);
            self.is_hole(*hole) && (before..=self.entries[*hole].number).contains(&number)
        };
        let mut known = held_from.saturating_sub(1)..self.entries.len();
        known.find(is_at).map(|hole| self.after_holes(hole))
    }

    /// Whether the log has had the event with `id`, or it comes before all that the log has had.
    pub(super) fn has_expired(&self, id: &str) -> bool {
        let number = self.number_of(id).filter(|_| !self.has_own_ids());
        number.is_some_and(|number| number <= self.number)
    }

    /// Whether `id` is of this log, but not given yet.
    pub(super) fn is_ahead(&self, id: &str) -> bool {
        let number = self.number_of(id).filter(|_| !self.has_own_ids());
        number.is_some_and(|number| number > self.number)
    }

    /// Whether `id` can stand for `position`. Before the first event, that is any
    /// number below the first one, which may not have been known yet.
    pub(super) fn is_at(&self, id: &str, position: usize) -> bool {
        match position.checked_sub(1) {
            Some(before) => self.entries[before].id == id,
            None => {
                let first = self.entries.first().map_or(self.number + 1, |first| first.number);
                self.number_of(id).is_some_and(|number| number < first)
            }
        }
    }

    /// Whether an id stands for `position`, for a client that is there.
    pub(super) fn has_id_at(&self, position: usize) -> bool {
        position > 0 || !self.has_own_ids()
    }

    /// Which entry is the event at `place`.
    pub(super) fn index_of(&self, place: usize) -> Option<usize> {
        let index = self.entries.binary_search_by_key(&place, |entry| entry.place).ok();
        index.filter(|index| !self.is_hole(*index))
    }

    /// The position that `id` means for a stream that continues there.
    pub(super) fn position_of(&self, id: &str) -> Option<usize> {
        (0..=self.entries.len()).rev().find(|position| self.is_at(id, *position))
    }

    /// The number in an id of this log's own form, `<epoch>-<number>`.
    fn number_of(&self, id: &str) -> Option<u64> {
        let digits = id.strip_prefix(&self.epoch)?.strip_prefix('-')?;
        let number: u64 = digits.parse().ok()?;
        (number.to_string() == digits).then_some(number)
    }

    fn has_own_ids(&self) -> bool {
        self.entries.first().is_some_and(|first| self.number_of(&first.id).is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(ids: &[&str]) -> LogRecord {
        let mut log = LogRecord::new("k", 0);
        ids.iter().enumerate().for_each(|(place, id)| log.push(id, place));
        log
    }

    #[test]
    fn a_client_resumes_after_an_event_that_is_held_or_the_one_before() {
        let log = log(&["k-4", "k-5", "k-6"]);
        let resume = |held_from| {
            ["k-2", "k-3", "k-4", "k-5", "k-6", "k-7", "k-05", "j-5"]
                .map(|id| log.resume(id, held_from))
        };
        assert_eq!(resume(0), [None, Some(0), Some(1), Some(2), Some(3), None, None, None]);
        assert_eq!(resume(2), [None, None, None, Some(2), Some(3), None, None, None]);
        assert_eq!(["k-2", "k-6", "k-7"].map(|id| log.has_expired(id)), [true, true, false]);
    }

    #[test]
    fn a_log_with_own_ids_has_no_numbers() {
        let log = log(&["a", "b"]);
        assert_eq!(
            ["k-0", "k-1", "a", "b"].map(|id| log.resume(id, 0)),
            [None, None, Some(1), Some(2)]
        );
        assert_eq!([0, 1, 2].map(|position| log.has_id_at(position)), [false, true, true]);
    }

    #[test]
    fn an_empty_log_is_at_its_number() {
        let log = log(&[]);
        assert_eq!((log.resume("k-0", 0), log.resume("k-1", 0)), (Some(0), None));
        assert!(log.is_at("k-0", 0) && log.has_id_at(0));
    }

    #[test]
    fn data_names_the_place_of_its_event() {
        let feed = Feed { sizes: vec![3; 20], ending: None };
        for place in 0..feed.len() {
            let (_, data) = feed.expected(place);
            assert_eq!(Feed::place_in(&data), Some(place));
            assert!(!data.contains('\r'));
        }
    }
}
