//! Making, changing and releasing views.

use alloc::boxed::Box;
use core::mem;

use super::Log;
use super::cursor::Cursor;
use super::resume::ResetReason;
use super::topics::Topics;
use super::view::View;
use crate::field::EventId;
use crate::topic::TopicFilter;

/// The views of a log.
impl Log {
    /// A view of the events that match `filter`.
    pub fn view(&mut self, filter: &TopicFilter) -> View {
        let topics = self.topics_mut();
        let ids = filter.wanted().iter().map(|wanted| topics.join(wanted.pattern.as_str()));
        let mut view = View::of(ids.collect());
        for (nth, wanted) in filter.wanted().iter().enumerate() {
            if let Some(id) = &wanted.after {
                self.bind(&mut view, nth, id);
            }
        }
        view
    }

    /// Another filter for a reader at `cursor`, while it reads. It continues to read the topics of
    /// both filters. New topics apply from now on, or after the lower bound that the filter gives:
    /// then the cursor moves back to it, and only the new part is read from there. A lower bound of an
    /// epoch that the log does not know counts as none.
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
            let Some(id) = changed.ids().get(nth).copied() else { continue };
            let bound = view.wanted().find(|(old, _)| *old == id).map(|(_, bound)| bound);
            let new = changed.wanted().nth(nth).map_or(0, |(_, bound)| bound);
            let after = wanted.after.as_ref().filter(|id| self.knows_place_after(id));
            let new = if after.is_some() { new } else { 0 };
            match (bound, after) {
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
        self.release(mem::replace(view, changed));
    }

    /// Whether the log knows from where on events are after the event `id`, or will know it.
    fn knows_place_after(&self, id: &EventId) -> bool {
        use ResetReason::{Ahead, Expired, Hole};
        matches!(self.place_after(id), Ok(_) | Err(Expired | Ahead | Hole))
    }

    /// Forgets a view.
    pub fn release(&mut self, view: View) {
        let Some(topics) = &mut self.topics else { return };
        view.ids().iter().for_each(|id| topics.leave(*id));
    }

    /// Finds the bounds that the log did not have before.
    pub(super) fn place_bounds(&self, view: &mut View) {
        for (nth, id) in view.take_pending() {
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
                view.set_pending(nth, id.clone());
                return;
            }
            Err(ResetReason::Hole) => self.before_holes(id),
            Err(_) => self.end(),
        };
        view.set_bound(nth, bound);
    }

    /// The place before the holes that the event `id` is before or in: a reader that goes back there is
    /// reset.
    fn before_holes(&self, id: &EventId) -> u64 {
        let mut place = self.past_hole(id).0;
        while place.checked_sub(1).is_some_and(|before| self.numbering.is_hole(before)) {
            place -= 1;
        }
        place
    }
}

/// How many topics without events a log remembers, however little it keeps.
const LEAST_FORGOTTEN: usize = 1024;
