//! Reading a view: neighbours as one slice, other events gathered.

use alloc::boxed::Box;
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use bytes::Bytes;

use super::cursor::Cursor;
use super::read::Read;
use super::view::{CatchUp, View};
use super::{Log, topics::Topics};
use crate::frame::Frame;
use crate::topic::matches;

/// Neighbours that are read together.
#[derive(Debug)]
struct Run {
    start: u64,
    end: u64,
    len: usize,
}

impl Log {
    /// Reads the next events of a view, of at most `budget` bytes, or one event if that is larger,
    /// and moves the cursor past them. The cost is in proportion to the events that are read, not
    /// to those that the log holds.
    ///
    /// The cursor also moves past events that are not in the view.
    pub fn read_view(&mut self, cursor: &mut Cursor, view: &mut View, budget: usize) -> Read {
        self.place_bounds(view);
        if let Some(catch_up) = view.catch_up() {
            let is_behind = cursor.0 < catch_up.until;
            let read = is_behind.then(|| self.catch_up(cursor, view, catch_up, budget)).flatten();
            if cursor.0 >= catch_up.until {
                view.set_catch_up(None);
            }
            if let Some(read) = read {
                return read;
            }
        }
        if view.is_all() {
            return self.read(cursor, budget);
        }
        if self.lacks(cursor.0, view, true) {
            return Read::Lagged;
        }
        let end = self.end();
        if let Some(frame) = self.gather(cursor, view, end, None, budget) {
            return Read::Events(frame);
        }
        if cursor.0 < end {
            cursor.0 += 1;
            return Read::Hole;
        }
        self.ending.map_or(Read::Wait, Read::Over)
    }

    /// Whether [`read_view`](Self::read_view) returns anything but [`Read::Wait`].
    pub fn is_view_ready(&self, cursor: Cursor, view: &View) -> bool {
        self.ending.is_some() || self.has_more(cursor, view)
    }

    /// The topics, and prefixes of them, of the entries from `from` on. `None` is for an entry that
    /// concerns readers of all topics: a hole, or one that was dropped already.
    #[cfg(feature = "std")]
    pub(crate) fn each_topic_from(&self, from: Cursor, mut each: impl FnMut(Option<u32>)) {
        let Some(topics) = self.topics.as_deref() else { return };
        if from.0 < self.first || self.numbering.next_hole(from.0).is_some() {
            each(None);
        }
        for position in from.0.max(self.first)..self.end() {
            topics.ids_at(position).for_each(|id| each(Some(id)));
        }
    }

    /// Whether a reader has not read all events that are kept because they are the newest of their
    /// keys.
    #[cfg(feature = "std")]
    pub(crate) fn has_kept(&self, cursor: Cursor, view: &View) -> bool {
        let next = (cursor.0 < self.first).then(|| self.positions(cursor.0, view).next()).flatten();
        next.is_some_and(|next| next < self.first)
    }

    /// Whether a reader gets an event, a hole or a reset.
    pub(super) fn has_more(&self, cursor: Cursor, view: &View) -> bool {
        let place = cursor.0;
        let Some(CatchUp { until, keys_only }) = view.catch_up() else {
            return match view.is_all() {
                true => place < self.end(),
                false => {
                    self.lacks(place, view, true)
                        || self.numbering.next_hole(place).is_some()
                        || self.positions(place, view).next().is_some()
                }
            };
        };
        let caught_up = place.max(until);
        let is_lost = (!keys_only && place < until && self.lacks(place, view, false))
            || self.lacks(caught_up, view, true);
        let first_hole = self.numbering.next_hole(if keys_only { caught_up } else { place });
        is_lost
            || first_hole.is_some()
            || self.latest_positions(place, view, CatchUp { until, keys_only }).next().is_some()
            || self.positions(caught_up, view).next().is_some()
    }

    /// Reads for a reader that gets only the newest event of each key, or returns `None` when it has
    /// them all.
    fn catch_up(
        &mut self,
        cursor: &mut Cursor,
        view: &View,
        catch_up: CatchUp,
        budget: usize,
    ) -> Option<Read> {
        if !catch_up.keys_only && self.lacks(cursor.0, view, false) {
            return Some(Read::Lagged);
        }
        let until = catch_up.until;
        if let Some(frame) = self.gather(cursor, view, until, Some(catch_up), budget) {
            return Some(Read::Events(frame));
        }
        if cursor.0 < until {
            cursor.0 += 1;
            return Some(Read::Hole);
        }
        None
    }

    /// Reads the next events before `end` or a hole, and moves the cursor behind them, or to the end
    /// or hole.
    fn gather(
        &mut self,
        cursor: &mut Cursor,
        view: &View,
        end: u64,
        catch_up: Option<CatchUp>,
        budget: usize,
    ) -> Option<Frame> {
        let crosses_holes = catch_up.is_some_and(|catch_up| catch_up.keys_only);
        let hole = self.numbering.next_hole(cursor.0).filter(|_| !crosses_holes);
        let end = hole.unwrap_or(end).min(end);
        let (runs, next) = match catch_up {
            Some(catch_up) => {
                self.runs(self.latest_positions(cursor.0, view, catch_up), end, budget)
            }
            None => self.runs(self.positions(cursor.0, view), end, budget),
        };
        cursor.0 = next.max(cursor.0);
        let frame = match runs.as_slice() {
            [] => return None,
            [run] if run.start >= self.first => self.neighbours(run),
            runs => {
                let copy = self.copy(runs);
                self.new_slice(copy)
            }
        };
        Some(frame)
    }

    /// The events at `positions`, as runs of at most `budget` bytes, and the position where the rest
    /// begins.
    fn runs(
        &self,
        positions: impl Iterator<Item = u64>,
        end: u64,
        budget: usize,
    ) -> (Vec<Run>, u64) {
        let mut runs: Vec<Run> = Vec::new();
        let mut total = 0;
        for position in positions {
            if position >= end {
                break;
            }
            let len = self.event_bytes(position).len();
            if total > 0 && total + len > budget {
                return (runs, position);
            }
            total += len;
            match runs.last_mut().filter(|run| run.end == position && run.start >= self.first) {
                Some(run) => (run.end, run.len) = (position + 1, run.len + len),
                None => runs.push(Run { start: position, end: position + 1, len }),
            }
        }
        (runs, end)
    }

    /// The positions of the events of a view from `from` on, in order.
    fn positions<'a>(&'a self, from: u64, view: &'a View) -> Box<dyn Iterator<Item = u64> + 'a> {
        let Some(topics) = self.topics.as_deref() else { return Box::new(from..self.end()) };
        let kept = kept_positions(topics, from, self.first, view);
        if view.is_all() {
            return Box::new(kept.chain(from.max(self.first)..self.end()));
        }
        let from = from.max(self.first);
        let mut wanted = view.wanted();
        match (wanted.next(), wanted.next()) {
            (Some(one), None) => Box::new(kept.chain(positions_of(topics, from, one))),
            _ => Box::new(kept.chain(Merge::new(topics, from, view))),
        }
    }

    /// The same, without events that a newer one of the same key superseded.
    fn latest_positions<'a>(
        &'a self,
        from: u64,
        view: &'a View,
        catch_up: CatchUp,
    ) -> impl Iterator<Item = u64> + 'a {
        let is_latest = move |position: &u64| {
            *position < self.first
                || self
                    .topics
                    .as_deref()
                    .is_some_and(|topics| topics.is_latest(*position, catch_up.keys_only))
        };
        let positions = self.positions(from, view);
        positions.take_while(move |position| *position < catch_up.until).filter(is_latest)
    }

    /// The bytes of an event that is held, or kept because it is the newest of its key.
    pub(super) fn event_bytes(&self, position: u64) -> &[u8] {
        if position < self.first {
            let keys = self.topics.as_deref().and_then(Topics::keys);
            return keys.and_then(|keys| keys.kept(position)).map_or(&[], |kept| &kept.bytes);
        }
        let segment = self.segment(position);
        segment.event(segment.index.nth(position)).unwrap_or_default()
    }

    /// One run of held events, which readers at the same place share.
    fn neighbours(&mut self, run: &Run) -> Frame {
        let (from, to) = (Cursor(run.start), Cursor(run.end));
        if let Some(frame) = self.slices.as_deref().and_then(|slices| slices.between(from, to)) {
            return frame;
        }
        let copy = self.copy(core::slice::from_ref(run));
        let frame = self.new_slice(copy);
        self.keep_small_slice(from, to, &frame);
        frame
    }

    fn copy(&self, runs: &[Run]) -> Bytes {
        let mut copy = Vec::with_capacity(runs.iter().map(|run| run.len).sum());
        let positions = runs.iter().flat_map(|run| run.start..run.end);
        positions.for_each(|position| copy.extend_from_slice(self.event_bytes(position)));
        copy.into()
    }
}

/// The positions of one topic from `from` on.
fn positions_of(topics: &Topics, from: u64, (id, bound): (u32, u64)) -> impl Iterator<Item = u64> {
    let positions = topics.positions(id);
    let first = positions.partition_point(|position| *position < from.max(bound));
    positions.range(first..).copied()
}

/// The positions, between `from` and `first`, of the newest events of keys.
fn kept_positions<'a>(
    topics: &'a Topics,
    from: u64,
    first: u64,
    view: &'a View,
) -> Box<dyn Iterator<Item = u64> + 'a> {
    let Some(keys) = topics.keys().filter(|_| from < first) else {
        return Box::new(core::iter::empty());
    };
    if !view.is_all() && !view.wanted().any(|(id, _)| topics.is_prefix(id)) {
        let oldest = |(id, bound)| {
            let position = topics.positions(id).front().copied()?;
            (position < first && position >= from.max(bound)).then_some(position)
        };
        let mut kept: Vec<u64> = view.wanted().filter_map(oldest).collect();
        kept.sort_unstable();
        return Box::new(kept.into_iter());
    }
    let is_wanted = move |position: u64, topic: u32| {
        let matches = |id| id == topic || matches(topics.name(id), topics.name(topic));
        view.is_all() || view.wanted().any(|(id, bound)| position >= bound && matches(id))
    };
    let kept =
        keys.kept_from(from).filter(move |(position, kept)| is_wanted(*position, kept.topic));
    Box::new(kept.map(|(position, _)| position))
}

/// The positions of several topics, in order, each once.
struct Merge<'a> {
    topics: &'a Topics,
    /// The next position of each topic, the topic, and which of its positions that is.
    heads: BinaryHeap<Reverse<(u64, u32, usize)>>,
}

impl<'a> Merge<'a> {
    fn new(topics: &'a Topics, from: u64, view: &View) -> Self {
        let head = |(id, bound): (u32, u64)| {
            let positions = topics.positions(id);
            let nth = positions.partition_point(|position| *position < from.max(bound));
            Some(Reverse((*positions.get(nth)?, id, nth)))
        };
        Self { topics, heads: view.wanted().filter_map(head).collect() }
    }

    fn pop(&mut self) -> Option<u64> {
        let Reverse((position, id, nth)) = self.heads.pop()?;
        if let Some(next) = self.topics.positions(id).get(nth + 1) {
            self.heads.push(Reverse((*next, id, nth + 1)));
        }
        Some(position)
    }
}

impl Iterator for Merge<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let position = self.pop()?;
        while self.heads.peek().is_some_and(|Reverse((next, ..))| *next == position) {
            self.pop();
        }
        Some(position)
    }
}
