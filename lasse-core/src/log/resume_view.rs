//! Where a reader of a view starts or continues, and what it lacks there.

use alloc::vec::Vec;

use super::cursor::Cursor;
use super::resume::{ResetReason, Resume, StartAt};
use super::segment::id_in;
use super::topics::Topics;
use super::view::{CatchUp, View};
use super::{Log, numbered};
use crate::field::{EventId, LastEventId};

/// Resuming for a view.
impl Log {
    /// The position of `start` now. If `start` is the state of all keys, the view is changed to
    /// that.
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

    /// Decides where a reader with the last event id `last` resumes, like [`resume`](Self::resume),
    /// for the events of its view.
    ///
    /// A reader of topics is reset only if an event that it should have had is gone: for each topic
    /// and each prefix the log knows the position of the last event that it dropped. The log remembers
    /// at least 1,024 topics without events, and one for each 64 bytes of
    /// [`Retention::with_bytes`](crate::Retention::with_bytes), and as many of their prefixes. If there
    /// are more, then what happened to the oldest of them is not known, and readers of topics that are
    /// as old are reset, unless the log knows that no event of one of their prefixes is gone.
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

    /// The same, for a reader that does not need events that a newer one of the same key
    /// superseded.
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

    /// Whether events of the view that a reader has not read were dropped, or a hole.
    #[cfg(feature = "std")]
    pub(crate) fn has_lost(&self, cursor: Cursor, view: &View) -> bool {
        self.lacks(cursor.0, view, true)
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

    /// Where a reader starts if it cannot resume after the event `id`. If a hole is the reason, the
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
    pub(super) fn place_after(&self, id: &EventId) -> Result<u64, ResetReason> {
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
