//! Readers of topics, and what a simple log gives them: a scan of all its entries.

use lasse_core::log::{Cursor, Log, Read, Resume, View};
use lasse_core::{Ending, EventId, LastEventId, ResetReason, StartAt, TopicFilter, TopicPattern};

use super::{CheckedLog, Entry, LastSeen, MAX_KEYS, id, numbered};

/// The topics of events. Topics that begin with `k.` can be keys.
pub(super) const TOPICS: [&str; 7] = ["a", "a.b", "a.c", "d", "k.x", "k.y", "k.z"];

/// What filters consist of.
pub const PATTERNS: [&str; 10] = ["a", "a.b", "d", "k.x", "k.y", "a.*", "a.>", "k.*", "*", ">"];

/// A filter: patterns, by number, and the events after which they apply, counted from the newest.
pub type Wants = Vec<(usize, Option<usize>)>;

/// A reader of topics, in both logs.
#[derive(Debug)]
pub(super) struct Viewer {
    cursor: Cursor,
    view: View,
    place: usize,
    /// The patterns, and the place from which each applies. None: all events.
    wanted: Option<Vec<(&'static str, usize)>>,
    /// Where the reader has all newest events of keys, and whether it gets nothing else until then.
    catch_up: Option<(usize, bool)>,
}

impl Viewer {
    pub(super) fn new(log: &Log) -> Self {
        let cursor = log.cursor(StartAt::Now);
        Self { cursor, view: View::all(), place: 0, wanted: None, catch_up: None }
    }

    fn has_prefix(&self) -> bool {
        self.wanted.iter().flatten().any(|(pattern, _)| pattern.ends_with(['*', '>']))
    }

    /// Whether it gets the event at a place.
    fn wants(&self, place: usize, topic: Option<&'static str>) -> bool {
        let Some(wanted) = &self.wanted else { return true };
        let Some(topic) = topic.map(lasse_core::Topic::from_static) else { return false };
        wanted.iter().any(|(pattern, bound)| {
            place >= *bound && TopicPattern::from_static(pattern).matches(&topic)
        })
    }
}

impl CheckedLog {
    /// Whether the log must refuse an event of a topic, or a tombstone.
    pub(super) fn refuses(&self, (topic, is_tombstone): (&'static str, bool)) -> bool {
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

    pub(super) fn read_view(&mut self, nth: usize, budget: usize) {
        let mut viewer = self.viewers.remove(nth);
        let is_ready = self.log.is_view_ready(viewer.cursor, &viewer.view);
        let read = self.log.read_view(&mut viewer.cursor, &mut viewer.view, budget);
        assert_eq!(is_ready, read != Read::Wait, "{read:?} for {viewer:?}");
        if read == Read::Lagged && self.may_not_know(&viewer, viewer.place) {
            if !viewer.view.is_catching_up() {
                let caught_up = viewer.catch_up.take().map_or(0, |(until, _)| until);
                viewer.place = viewer.place.max(caught_up);
            }
            self.viewers.insert(nth, viewer);
            return;
        }
        assert_eq!(read_text(&read), self.expected(&mut viewer, budget), "{viewer:?}");
        assert_eq!(viewer.view.is_catching_up(), viewer.catch_up.is_some());
        self.viewers.insert(nth, viewer);
    }

    pub(super) fn connect_view(
        &mut self,
        nth: usize,
        wants: Option<&Wants>,
        last: &LastSeen,
        start: StartAt,
    ) {
        let mut viewer = self.viewers.remove(nth);
        self.log.release(core::mem::replace(&mut viewer.view, View::all()));
        (viewer.wanted, viewer.catch_up) = (None, None);
        if let Some(wants) = wants {
            let (filter, bounds) = self.filter(wants);
            viewer.view = self.log.view(&filter);
            let bounds = bounds.into_iter().map(|(pattern, bound)| (pattern, bound.unwrap_or(0)));
            viewer.wanted = Some(bounds.collect());
        }
        let last = self.last_event_id(last);
        let resume = self.log.resume_view(&last, start, &mut viewer.view);
        let expected = match &last {
            LastEventId::Absent | LastEventId::Empty => Ok(None),
            LastEventId::Id(id) => self.resumed(id.as_str(), &viewer).map(Some),
            LastEventId::Invalid(_) => Err(ResetReason::Unknown),
        };
        let is_expired = matches!(resume, Resume::Reset(ResetReason::Expired, _));
        let may_be = expected.is_ok_and(|place| {
            place.is_some_and(|place| is_expired && self.may_not_know(&viewer, place))
        });
        let expected = if may_be { Err(ResetReason::Expired) } else { expected };
        viewer.place = match expected {
            Ok(Some(place)) => place,
            Err(reason) if start != StartAt::LatestPerKey => {
                self.start(&mut viewer, start).max(self.past_hole(&last, reason))
            }
            Ok(None) | Err(_) => self.start(&mut viewer, start),
        };
        viewer.cursor = match (resume, expected) {
            (Resume::Complete, Ok(_)) => {
                assert!(matches!(self.expected(&mut viewer, 0).as_str(), "Finished" | "Aborted"));
                self.log.release(viewer.view);
                self.viewers.insert(nth, Viewer::new(&self.log));
                self.viewers[nth].place = self.entries.len();
                return;
            }
            (Resume::Fresh(cursor), Ok(None)) | (Resume::Resumed(cursor), Ok(Some(_))) => cursor,
            (Resume::Reset(reason, cursor), Err(expected)) if reason == expected => cursor,
            other => panic!("{other:?} for {last:?} of {viewer:?}, the first is {}", self.first),
        };
        self.viewers.insert(nth, viewer);
    }

    pub(super) fn change_view(&mut self, nth: usize, wants: &Wants) {
        let mut viewer = self.viewers.remove(nth);
        let (filter, bounds) = self.filter(wants);
        if viewer.catch_up.is_none() && !self.log.is_view_ready(viewer.cursor, &viewer.view) {
            viewer.place = self.entries.len();
        }
        self.log.change_view(&mut viewer.cursor, &mut viewer.view, &filter);
        let (place, before) = (viewer.place, viewer.wanted.take());
        let changed = bounds.into_iter().map(|(pattern, bound)| {
            let old = match &before {
                None => Some(0),
                Some(wanted) => wanted.iter().find(|(old, _)| *old == pattern).map(|(_, old)| *old),
            };
            let bound = match (old, bound) {
                (Some(old), bound) => place.max(old).max(bound.unwrap_or(0)),
                (None, None) => self.entries.len(),
                (None, Some(bound)) => {
                    viewer.place = viewer.place.min(bound);
                    bound
                }
            };
            (pattern, bound)
        });
        viewer.wanted = Some(changed.collect());
        self.viewers.insert(nth, viewer);
    }

    pub(super) fn conflate(&mut self, nth: usize) {
        let mut viewer = self.viewers.remove(nth);
        let can = self.log.conflate(viewer.cursor, &mut viewer.view);
        let expected = self.has_keys && !self.lacks(&viewer, viewer.place, false);
        assert!(can == expected || !can && self.may_not_know(&viewer, viewer.place));
        if can {
            viewer.catch_up = Some((self.entries.len(), false));
        }
        self.viewers.insert(nth, viewer);
    }

    /// What a reader reads: the bytes of events, or the name of what else there is.
    fn expected(&self, viewer: &mut Viewer, budget: usize) -> String {
        if let Some((until, keys_only)) = viewer.catch_up {
            let is_behind = viewer.place < until;
            if is_behind && !keys_only && self.lacks(viewer, viewer.place, false) {
                return "Lagged".into();
            }
            let read = is_behind.then(|| self.gather(viewer, until, budget)).flatten();
            if viewer.place >= until {
                viewer.catch_up = None;
            }
            if let Some(read) = read {
                return read;
            }
        }
        if self.lacks(viewer, viewer.place, true) {
            return "Lagged".into();
        }
        if let Some(read) = self.gather(viewer, self.entries.len(), budget) {
            return read;
        }
        self.ending.map_or_else(|| "Wait".into(), |ending: Ending| format!("{ending:?}"))
    }

    /// The next events before `end`, or the next hole.
    fn gather(&self, viewer: &mut Viewer, end: usize, budget: usize) -> Option<String> {
        let mut text = String::new();
        while viewer.place < end {
            match &self.entries[viewer.place] {
                Entry::Hole { .. } if self.crosses_hole(viewer) => {}
                Entry::Hole { .. } if text.is_empty() => {
                    viewer.place += 1;
                    return Some("Hole".into());
                }
                Entry::Hole { .. } => break,
                Entry::Event { wire, .. } if self.gets(viewer, viewer.place) => {
                    if !text.is_empty() && text.len() + wire.len() > budget {
                        break;
                    }
                    text.push_str(core::str::from_utf8(wire).unwrap());
                }
                Entry::Event { .. } => {}
            }
            viewer.place += 1;
        }
        Some(text).filter(|text| !text.is_empty())
    }

    /// Whether a hole does not matter: it was dropped, and the reader was reset if it lacked
    /// anything; or the reader gets a state.
    fn crosses_hole(&self, viewer: &Viewer) -> bool {
        viewer.place < self.first || viewer.catch_up.is_some_and(|(_, keys_only)| keys_only)
    }

    /// Whether a reader gets an event.
    fn gets(&self, viewer: &Viewer, place: usize) -> bool {
        let Entry::Event { topic, is_tombstone, .. } = &self.entries[place] else { return false };
        let key = topic.filter(|topic| self.is_key(topic));
        let is_newest = key.is_some_and(|key| self.newest_of(key) == Some(place));
        let is_chosen = match viewer.catch_up {
            None => true,
            Some((_, keys_only)) if key.is_none() => !keys_only,
            Some((_, keys_only)) => is_newest && !(keys_only && *is_tombstone),
        };
        is_chosen && self.is_available(place) && viewer.wants(place, *topic)
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
    fn lacks(&self, viewer: &Viewer, place: usize, superseded: bool) -> bool {
        // A reader of all events is behind even if all that it lacks are kept.
        if viewer.wanted.is_none() && superseded {
            return place < self.first;
        }
        let dropped = self.entries[..self.first].iter().enumerate().skip(place);
        let mut lacking = dropped.filter(|(place, entry)| match entry {
            Entry::Hole { .. } => true,
            Entry::Event { topic, is_tombstone, .. } => {
                let is_key = topic.is_some_and(|topic| self.is_key(topic));
                let counts = superseded || !is_key || *is_tombstone || self.was_cleared(*place);
                counts && !self.is_available(*place) && viewer.wants(*place, *topic)
            }
        });
        lacking.next().is_some()
    }

    /// Whether an event was the newest of its key when the log was cleared.
    fn was_cleared(&self, place: usize) -> bool {
        let Entry::Event { topic: Some(topic), .. } = &self.entries[place] else { return false };
        place < self.cleared && self.newest_before(topic, self.cleared) == Some(place)
    }

    /// Whether a log can reset a reader that lacks nothing: it does not know of all topics of a
    /// prefix, nor which number was at which place once it has dropped it.
    fn may_not_know(&self, viewer: &Viewer, place: usize) -> bool {
        let is_known = self.topics_since.is_some_and(|since| place >= since);
        place < self.first && (viewer.has_prefix() || self.has_gaps || !is_known)
    }

    /// The place at which a client resumes.
    fn resumed(&self, id: &str, viewer: &Viewer) -> Result<usize, ResetReason> {
        let place = self.place_after(id)?;
        if self.lacks(viewer, place, true) { Err(ResetReason::Expired) } else { Ok(place) }
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

    fn start(&self, viewer: &mut Viewer, start: StartAt) -> usize {
        match start {
            StartAt::LatestPerKey if self.has_keys => {
                viewer.catch_up = Some((self.entries.len(), true));
                0
            }
            StartAt::Last(n) if viewer.wanted.is_some() => {
                let places = (0..self.entries.len()).rev();
                let mut events = places.filter(|place| self.gets(viewer, *place));
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
    fn filter(&mut self, wants: &Wants) -> (TopicFilter, Vec<(&'static str, Option<usize>)>) {
        self.topics_since.get_or_insert(self.first);
        let mut filter = TopicFilter::default();
        let mut bounds: Vec<(&'static str, Option<usize>)> = Vec::new();
        for (nth, after) in wants {
            let text = PATTERNS[nth % PATTERNS.len()];
            let pattern = TopicPattern::from_static(text);
            let bound = after.and_then(|back| self.bound(back));
            filter = match &bound {
                Some((id, _)) => filter.with_after(pattern, id.clone()).unwrap(),
                None => filter.with(pattern).unwrap(),
            };
            bounds.retain(|(other, _)| *other != text);
            bounds.push((text, bound.map(|(_, place)| place)));
        }
        (filter, bounds)
    }

    /// The id of an entry, and the place after it as a bound.
    fn bound(&self, back: usize) -> Option<(EventId, usize)> {
        let entry = self.entries.iter().rev().nth(back)?;
        let text = match entry {
            Entry::Event { id, .. } => id.clone(),
            Entry::Hole { .. } => self.name_of(entry.name()),
        };
        let place = match self.place_after(&text) {
            Ok(place) => place,
            Err(ResetReason::Expired) => 0,
            Err(_) => self.entries.len(),
        };
        Some((id(&text), place))
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

fn read_text(read: &Read) -> String {
    match read {
        Read::Events(frame) => String::from_utf8(frame.as_bytes().to_vec()).unwrap(),
        Read::Over(ending) => format!("{ending:?}"),
        other => format!("{other:?}"),
    }
}
