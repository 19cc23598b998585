//! Batches: the newest events of some topics, for readers that do not look into the log.

use alloc::vec::Vec;

use super::Log;
use super::cursor::Cursor;
use super::gauge::Gauge;
use super::topics::Topics;
use super::view::View;
use crate::frame::Frame;

/// The events of some topics between two places. What it gives is what the log would give there.
#[derive(Debug)]
pub(crate) struct Batch {
    to: Cursor,
    frame: Frame,
    gauge: Gauge,
    /// The events, in order.
    events: Vec<Event>,
    /// The topics and prefixes of the events, and for each the number of an event, in order.
    topics: Vec<(u32, u32)>,
}

#[derive(Debug)]
struct Event {
    position: u64,
    /// Where it ends in the frame.
    end: usize,
}

impl Log {
    /// The events of the `topics`, in order, from `from` on. None, if there is none, if they have
    /// more than `budget` bytes, or if readers have to look into the log, because events are missing.
    pub(crate) fn batch(&mut self, from: Cursor, topics: &[u32], budget: usize) -> Option<Batch> {
        let index = self.topics.as_deref()?;
        if self.is_gap_after(from, topics, index) {
            return None;
        }
        let positions = |id: u32| {
            let positions = index.positions(id);
            let first = positions.partition_point(|position| *position < from.0);
            positions.range(first..).map(move |position| (*position, id))
        };
        // An event has at least one byte, so more of them do not fit.
        let most = budget.saturating_add(1);
        let mut found: Vec<(u64, u32)> =
            topics.iter().flat_map(|id| positions(*id).take(most)).take(most).collect();
        if found.is_empty() || found.len() == most {
            return None;
        }
        found.sort_unstable();
        let (mut events, mut bytes, mut numbered) = (Vec::<Event>::new(), Vec::new(), Vec::new());
        for (position, id) in found {
            if events.last().is_none_or(|last| last.position < position) {
                bytes.extend_from_slice(self.event_bytes(position));
                events.push(Event { position, end: bytes.len() });
                if bytes.len() > budget {
                    return None;
                }
            }
            numbered.push((id, events.len() as u32 - 1));
        }
        numbered.sort_unstable();
        let gauge = self.slices.get_or_insert_default().gauge();
        let frame = self.new_slice(bytes.into());
        let to = Cursor(self.end());
        Some(Batch { to, frame, gauge, events, topics: numbered })
    }

    fn is_gap_after(&self, from: Cursor, topics: &[u32], index: &Topics) -> bool {
        let is_gone = |id: &u32| index.gone(*id, true) > from.0;
        self.numbering.next_hole(from.0).is_some()
            || from.0 < self.first
                && (index.keys().is_some()
                    || index.holes_gone() > from.0
                    || topics.iter().any(is_gone))
    }
}

impl Batch {
    /// The place behind its events.
    pub(crate) fn to(&self) -> Cursor {
        self.to
    }

    /// The place before its first event.
    pub(crate) fn first(&self) -> Cursor {
        self.events.first().map_or(self.to, |event| Cursor(event.position))
    }

    /// The events of a view from `from` on, if there are any.
    pub(crate) fn read(&self, from: Cursor, view: &View) -> Option<Frame> {
        let mut numbers: Vec<usize> = Vec::new();
        for (id, bound) in view.wanted() {
            let first = self.topics.partition_point(|(other, _)| *other < id);
            let rest = self.topics.iter().skip(first);
            let events = rest.take_while(|(other, _)| *other == id);
            let events = events.map(|(_, number)| *number as usize);
            let least = from.0.max(bound);
            numbers.extend(events.filter(|number| self.position(*number) >= least));
        }
        numbers.sort_unstable();
        numbers.dedup();
        let (first, last) = (*numbers.first()?, *numbers.last()?);
        let (start, end) = (self.start(first), self.start(last + 1));
        let is_run = last - first + 1 == numbers.len();
        if is_run && end - start == self.frame.len() {
            return Some(self.frame.clone());
        }
        let mut copy = Vec::new();
        for number in numbers {
            copy.extend_from_slice(
                self.frame.as_bytes().get(self.start(number)..self.start(number + 1))?,
            );
        }
        Some(Frame::from_bytes_unchecked(self.gauge.count(copy.into())))
    }

    fn position(&self, number: usize) -> u64 {
        self.events.get(number).map_or(0, |event| event.position)
    }

    /// Where an event starts in the frame, hence where the one before it ends.
    fn start(&self, number: usize) -> usize {
        number
            .checked_sub(1)
            .and_then(|before| self.events.get(before))
            .map_or(0, |event| event.end)
    }
}
