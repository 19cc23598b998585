//! Views: the part of a log that a reader gets.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::cursor::Cursor;
use super::resume::{ResetReason, Resume, StartAt};
use super::segment::id_in;
use super::topics::Topics;
use super::{Log, numbered};
use crate::field::{EventId, LastEventId};
use crate::topic::TopicFilter;

/// The part of a [`Log`] that a reader gets: the events of a [`TopicFilter`], or all, and for a
/// while perhaps only the newest one of each key.
///
/// It stands beside the reader's [`Cursor`], and means nothing to any other log. The log counts the
/// views of each topic: [release](Log::release) a view that has topics when its reader leaves.
#[derive(Debug)]
#[must_use]
pub struct View {
    /// None: all events.
    topics: Option<Box<[u32]>>,
    /// What few views have.
    extra: Option<Box<Extra>>,
}

#[derive(Debug, Default)]
struct Extra {
    /// The position from which each topic applies. Empty, if they all apply from the start.
    bounds: Vec<u64>,
    /// The topics whose bound the log does not have yet, and their bounds.
    pending: Vec<(usize, EventId)>,
    catch_up: Option<CatchUp>,
}

/// A reader that gets only the newest event of each key, before a position.
#[derive(Clone, Copy, Debug)]
pub(super) struct CatchUp {
    pub(super) until: u64,
    /// Whether it gets nothing but the values of keys.
    pub(super) keys_only: bool,
}

impl View {
    /// A view of all events.
    pub const fn all() -> Self {
        Self { topics: None, extra: None }
    }

    /// Whether the reader skips events that a newer one of the same key superseded, because it
    /// starts with the [state of all keys](StartAt::LatestPerKey) or was
    /// [too far behind](Log::conflate).
    pub fn is_catching_up(&self) -> bool {
        self.catch_up().is_some()
    }

    pub(crate) fn is_all(&self) -> bool {
        self.topics.is_none()
    }

    pub(super) fn catch_up(&self) -> Option<CatchUp> {
        self.extra.as_deref()?.catch_up
    }

    pub(super) fn set_catch_up(&mut self, catch_up: Option<CatchUp>) {
        if let (None, None) = (catch_up, &self.extra) {
            return;
        }
        let extra = self.extra.get_or_insert_default();
        extra.catch_up = catch_up;
        if catch_up.is_none() && extra.bounds.is_empty() {
            self.extra = None;
        }
    }

    /// The topics, and the position from which each applies.
    pub(super) fn wanted(&self) -> impl Iterator<Item = (u32, u64)> {
        let bounds = self.extra.as_deref().map_or(&[][..], |extra| &extra.bounds);
        let topics = self.topics.as_deref().unwrap_or_default().iter().enumerate();
        topics.map(|(nth, id)| (*id, bounds.get(nth).copied().unwrap_or_default()))
    }

    /// The numbers of its topics and prefixes, by which a reader waits.
    #[cfg(feature = "std")]
    pub(crate) fn ids(&self) -> &[u32] {
        self.topics.as_deref().unwrap_or_default()
    }

    fn set_bound(&mut self, nth: usize, bound: u64) {
        let len = self.topics.as_deref().map_or(0, <[u32]>::len);
        let extra = self.extra.get_or_insert_default();
        extra.bounds.resize(len, 0);
        if let Some(place) = extra.bounds.get_mut(nth) {
            *place = bound;
        }
    }
}

/// The views of a log.
impl Log {
    /// A view of the events that match `filter`.
    pub fn view(&mut self, filter: &TopicFilter) -> View {
        let topics = self.topics_mut();
        let ids = filter.wanted().iter().map(|wanted| topics.join(wanted.pattern.as_str()));
        let mut view = View { topics: Some(ids.collect()), extra: None };
        for (nth, wanted) in filter.wanted().iter().enumerate() {
            if let Some(id) = &wanted.after {
                self.bind(&mut view, nth, id);
            }
        }
        view
    }

    /// Another filter for a reader at `cursor`, while it reads. It reads on in the topics
    /// of both filters. New topics apply from now on, or after the lower bound that the filter gives:
    /// then the cursor moves back to it, and only the new part is read from there.
    pub fn change_view(&mut self, cursor: &mut Cursor, view: &mut View, filter: &TopicFilter) {
        self.change_view_from(cursor, view, filter, Cursor(self.end()));
    }

    /// The same, but new topics apply from the place `from` on.
    pub(crate) fn change_view_from(
        &mut self,
        cursor: &mut Cursor,
        view: &mut View,
        filter: &TopicFilter,
        from: Cursor,
    ) {
        if !view.is_catching_up() && !self.has_more(*cursor, view) {
            cursor.0 = self.end();
        }
        let mut changed = self.view(filter);
        let before = cursor.0;
        for (nth, wanted) in filter.wanted().iter().enumerate() {
            let Some(id) = changed.topics.as_deref().and_then(|topics| topics.get(nth)).copied()
            else {
                continue;
            };
            let bound = view.wanted().find(|(old, _)| *old == id).map(|(_, bound)| bound);
            let new = changed.wanted().nth(nth).map_or(0, |(_, bound)| bound);
            match (bound, &wanted.after) {
                // A reader of all events had it, too.
                _ if view.is_all() => changed.set_bound(nth, before.max(new)),
                (Some(old), _) => changed.set_bound(nth, before.max(old).max(new)),
                (None, None) => {
                    changed.set_bound(nth, from.0);
                    cursor.0 = cursor.0.min(from.0);
                }
                (None, Some(_)) => cursor.0 = cursor.0.min(new),
            }
        }
        if let Some(catch_up) = view.catch_up() {
            changed.set_catch_up(Some(catch_up));
        }
        self.release(core::mem::replace(view, changed));
    }

    /// Forgets a view.
    pub fn release(&mut self, view: View) {
        let Some(topics) = &mut self.topics else { return };
        view.topics.iter().flatten().for_each(|id| topics.leave(*id));
    }

    /// Where a reader starts that starts at `start` now. It changes a view to the state of all keys,
    /// if it starts with that.
    pub fn start_view(&self, start: StartAt, view: &mut View) -> Cursor {
        view.set_catch_up(None);
        match start {
            StartAt::LatestPerKey if self.has_keys() => {
                view.set_catch_up(Some(CatchUp { until: self.end(), keys_only: true }));
                Cursor(0)
            }
            StartAt::Last(n) if !view.is_all() => {
                let mut place = self.last_of(view, n).unwrap_or(self.first).max(self.first);
                while self.numbering.is_hole(place) {
                    place += 1;
                }
                Cursor(place)
            }
            _ => self.cursor(start),
        }
    }

    /// Decides where a reader goes on whose last event id is `last`, as
    /// [`resume`](Self::resume) does, but for the events of its view.
    ///
    /// A reader of topics is reset only if an event that it should have had is gone: for each topic
    /// the log knows the position of the last event that it dropped. If there are more topics
    /// without events than the log remembers, at least 1,024 and one for each 64 bytes of
    /// [`Retention::with_bytes`](crate::Retention::with_bytes), then what happened to the oldest of
    /// them is not known, and their readers are reset.
    pub fn resume_view(&self, last: &LastEventId, start: StartAt, view: &mut View) -> Resume {
        let resume = match last {
            LastEventId::Absent | LastEventId::Empty => Resume::Fresh(self.start_view(start, view)),
            LastEventId::Invalid(_) => {
                Resume::Reset(ResetReason::Unknown, self.start_view(start, view))
            }
            LastEventId::Id(id) => match self.after_in_view(id, view) {
                Ok(cursor) => Resume::Resumed(cursor),
                Err(reason) => Resume::Reset(reason, self.restart(reason, id, start, view)),
            },
        };
        match resume {
            Resume::Fresh(cursor) | Resume::Resumed(cursor)
                if self.ending.is_some() && !self.has_more(cursor, view) =>
            {
                Resume::Complete
            }
            _ => resume,
        }
    }

    /// The place after the event `id`, if the log holds all events of the view that follow it.
    ///
    /// # Errors
    ///
    /// If it does not, or if it cannot know.
    pub fn after_in_view(&self, id: &EventId, view: &View) -> Result<Cursor, ResetReason> {
        self.after_in(id, view, true)
    }

    /// The same, for a reader that does without events that a newer one of the same key superseded.
    ///
    /// # Errors
    ///
    /// If other events are missing, or a tombstone.
    pub fn after_conflated(&self, id: &EventId, view: &View) -> Result<Cursor, ResetReason> {
        self.after_in(id, view, false)
    }

    /// Has a reader that is far behind skip the events that a newer one of the same key superseded,
    /// up to the newest event there is now. Returns whether it can: `false` if the log dropped other
    /// events that it should have had, or a tombstone.
    #[must_use]
    pub fn conflate(&self, cursor: Cursor, view: &mut View) -> bool {
        let can = self.has_keys() && !self.lacks(cursor.0, view, false);
        if can {
            view.set_catch_up(Some(CatchUp { until: self.end(), keys_only: false }));
        }
        can
    }

    /// How many events, and holes, of its view a reader has not read yet. Those that were dropped do
    /// not count.
    pub fn behind(&self, cursor: Cursor, view: &View) -> u64 {
        let Some(topics) = self.topics.as_deref().filter(|_| !view.is_all()) else {
            return self.end() - cursor.0.max(self.first).min(self.end());
        };
        let after = |(id, bound): (u32, u64)| {
            let positions = topics.positions(id);
            let read = positions.partition_point(|position| *position < bound.max(cursor.0));
            (positions.len() - read) as u64
        };
        view.wanted().map(after).sum()
    }

    /// Whether events of the view were dropped behind the cursor, or a hole; with `superseded`, even
    /// if newer events superseded them.
    pub(super) fn lacks(&self, place: u64, view: &View, superseded: bool) -> bool {
        let Some(topics) = self.topics.as_deref() else { return place < self.first };
        if place >= self.first && !view.is_all() {
            // Keys that are superseded while they are kept apart are before the first event, too.
            return false;
        }
        if view.is_all() {
            let lost = topics.lost().max(topics.holes_gone());
            return place < if superseded { self.first } else { lost };
        }
        topics.holes_gone() > place
            || view.wanted().any(|(id, bound)| topics.gone(id, superseded) > place.max(bound))
    }

    /// Finds the bounds that the log did not have before.
    pub(super) fn place_bounds(&self, view: &mut View) {
        let Some(extra) = view.extra.as_deref_mut().filter(|extra| !extra.pending.is_empty())
        else {
            return;
        };
        for (nth, id) in core::mem::take(&mut extra.pending) {
            self.bind(view, nth, &id);
        }
    }

    pub(super) fn topics_mut(&mut self) -> &mut Topics {
        let most_forgotten = (self.retention.bytes() / 64).max(LEAST_FORGOTTEN);
        let (first, end) = (self.first, self.end());
        let epoch = self.numbering.epoch().as_bytes();
        self.topics.get_or_insert_with(|| Box::new(Topics::new(epoch, first, end, most_forgotten)))
    }

    pub(super) fn has_keys(&self) -> bool {
        self.topics.as_deref().is_some_and(|topics| topics.keys().is_some())
    }

    /// Applies a topic of a view after the event `id`.
    fn bind(&self, view: &mut View, nth: usize, id: &EventId) {
        let bound = match self.place_after(id) {
            Ok(place) => place,
            Err(ResetReason::Expired) => 0,
            Err(ResetReason::Ahead) => {
                view.set_bound(nth, u64::MAX);
                view.extra.get_or_insert_default().pending.push((nth, id.clone()));
                return;
            }
            Err(_) => self.end(),
        };
        view.set_bound(nth, bound);
    }

    /// Where a reader starts that cannot go on after the event `id`. If a hole is the reason, the
    /// reader starts behind it, so that it is reset once. The state of all keys has no holes.
    fn restart(
        &self,
        reason: ResetReason,
        id: &EventId,
        start: StartAt,
        view: &mut View,
    ) -> Cursor {
        let cursor = self.start_view(start, view);
        if reason == ResetReason::Hole && !view.is_catching_up() {
            return cursor.max(self.past_hole(id));
        }
        cursor
    }

    fn after_in(&self, id: &EventId, view: &View, superseded: bool) -> Result<Cursor, ResetReason> {
        let place = self.place_after(id)?;
        if self.lacks(place, view, superseded) {
            return Err(ResetReason::Expired);
        }
        Ok(Cursor(place))
    }

    /// The place after the event `id`, which can be before the first event that is held.
    fn place_after(&self, id: &EventId) -> Result<u64, ResetReason> {
        match self.after(id) {
            Ok(cursor) => Ok(cursor.0),
            Err(ResetReason::Expired) => self.place_before(id).ok_or(ResetReason::Expired),
            Err(reason) => Err(reason),
        }
    }

    /// The place after an event that was dropped. No event that is kept, because it is the newest of
    /// its key, is on the wrong side of it.
    fn place_before(&self, id: &EventId) -> Option<u64> {
        let (epoch, number) = numbered::read(id.as_str())?;
        let place = self.numbering.place_before(&epoch, number, self.first)?;
        let is_after =
            |id| numbered::read(id).is_some_and(|(other, after)| other == epoch && after > number);
        let keys = self.topics.as_deref().and_then(Topics::keys);
        let kept = keys.into_iter().flat_map(|keys| keys.kept_from(place));
        let before = kept.take_while(|(_, kept)| !id_in(&kept.bytes).is_some_and(is_after));
        Some(before.last().map_or(place, |(position, _)| position + 1))
    }

    /// The position of the nth event of a view, from the end.
    fn last_of(&self, view: &View, n: u64) -> Option<u64> {
        let topics = self.topics.as_deref()?;
        let Some(nth) = usize::try_from(n).ok()?.checked_sub(1) else { return Some(self.end()) };
        let mut last: Vec<u64> = Vec::new();
        for (id, bound) in view.wanted() {
            let newest = topics.positions(id).iter().rev().take(nth.saturating_add(1));
            last.extend(newest.copied().take_while(|position| *position >= bound));
        }
        last.sort_unstable_by(|one, other| other.cmp(one));
        last.dedup();
        last.get(nth).copied()
    }
}

/// How many topics without events a log remembers, however little it keeps.
const LEAST_FORGOTTEN: usize = 1024;
