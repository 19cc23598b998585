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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::log::{Compaction, Epoch, Read, Retention};
    use crate::topic::{Topic, TopicFilter, TopicPattern};

    /// A log that keeps this many events.
    fn keeping(events: u64) -> Log {
        Log::new(Epoch::new("k").unwrap(), Retention::new().with_events(events))
    }

    fn view(log: &mut Log, topics: &[&'static str]) -> View {
        let patterns = topics.iter().map(|topic| TopicPattern::from_static(topic));
        log.view(&TopicFilter::new(patterns).unwrap())
    }

    fn append(log: &mut Log, topics: &[&'static str]) {
        for topic in topics {
            log.append_to(&Topic::from_static(topic), &Event::new("x")).unwrap();
        }
    }

    fn batch_of(log: &mut Log, from: u64, view: &View, budget: usize) -> Option<Batch> {
        let topics: Vec<u32> = view.wanted().map(|(id, _)| id).collect();
        log.batch(Cursor(from), &topics, budget)
    }

    #[test]
    fn a_batch_gives_each_view_what_the_log_would_give_it() {
        let mut log = keeping(100);
        let mut views = [&["tea"][..], &["cake"], &["tea", "cake"], &["nothing"]]
            .map(|topics| view(&mut log, topics));
        append(&mut log, &["milk", "tea", "cake", "tea", "milk", "cake"]);
        let batch = batch_of(&mut log, 0, &views[2], 1000).unwrap();
        assert_eq!((batch.first(), batch.to()), (Cursor(1), Cursor(6)));
        for from in 0..=6 {
            for view in &mut views {
                let expected = match log.read_view(&mut Cursor(from), view, 1000) {
                    Read::Events(frame) => Some(frame),
                    _ => None,
                };
                assert_eq!(batch.read(Cursor(from), view), expected, "from {from}, {view:?}");
            }
        }
        let [whole, again] = [0, 1].map(|from| batch.read(Cursor(from), &views[2]).unwrap());
        assert_eq!(whole.as_bytes().as_ptr(), again.as_bytes().as_ptr(), "it is shared");
    }

    #[test]
    fn the_bytes_of_a_batch_and_of_its_parts_are_counted_while_they_are_held() {
        let mut log = keeping(100);
        let [both, tea] = [&["tea", "cake"][..], &["tea"]].map(|topics| view(&mut log, topics));
        append(&mut log, &["tea", "cake", "tea"]);
        let batch = batch_of(&mut log, 0, &both, 1000).unwrap();
        // `data: x`, `id: k-1` and an empty line.
        assert_eq!(log.bytes_in_flight(), 3 * 17);
        let part = batch.read(Cursor(0), &tea).unwrap();
        assert_eq!(log.bytes_in_flight(), 5 * 17);
        drop((batch, part));
        assert_eq!(log.bytes_in_flight(), 0);
    }

    #[test]
    fn a_batch_keeps_to_the_budget() {
        let mut log = keeping(100);
        let tea = view(&mut log, &["tea"]);
        assert!(batch_of(&mut log, 0, &tea, 1000).is_none(), "there is no event");
        append(&mut log, &["tea", "tea"]);
        // `data: x`, `id: k-1` and an empty line.
        assert!(batch_of(&mut log, 0, &tea, 2 * 17).is_some());
        assert!(batch_of(&mut log, 0, &tea, 2 * 17 - 1).is_none());
        assert!(batch_of(&mut log, 2, &tea, 1000).is_none(), "they are read");
    }

    #[test]
    fn there_is_no_batch_across_a_gap_of_which_readers_have_to_know() {
        let mut log = keeping(100);
        let tea = view(&mut log, &["tea"]);
        append(&mut log, &["tea"]);
        log.append_hole().unwrap();
        append(&mut log, &["tea"]);
        let mut has_batch = |from| batch_of(&mut log, from, &tea, 1000).is_some();
        assert_eq!([0, 1, 2].map(&mut has_batch), [false, false, true], "a hole");

        let mut log = keeping(3);
        let (tea, milk) = (view(&mut log, &["tea"]), view(&mut log, &["milk"]));
        append(&mut log, &["tea", "cake", "cake", "milk", "tea"]);
        let mut has_batch = |from, view| batch_of(&mut log, from, view, 1000).is_some();
        assert_eq!([0, 1, 2].map(|from| has_batch(from, &tea)), [false, true, true]);
        assert_eq!([0, 1, 2].map(|from| has_batch(from, &milk)), [true; 3], "it lacks nothing");

        let mut log = keeping(2);
        let milk = view(&mut log, &["milk"]);
        append(&mut log, &["cake"]);
        log.append_hole().unwrap();
        append(&mut log, &["cake", "cake", "milk"]);
        let mut has_batch = |from| batch_of(&mut log, from, &milk, 1000).is_some();
        assert_eq!([0, 1, 2, 3].map(&mut has_batch), [false, false, true, true], "a dropped hole");

        let keys = Compaction::new(TopicPattern::from_static("price.*"));
        let mut log = keeping(2).with_compaction(keys);
        let milk = view(&mut log, &["milk"]);
        append(&mut log, &["cake", "cake", "milk"]);
        let mut has_batch = |from| batch_of(&mut log, from, &milk, 1000).is_some();
        assert_eq!([0, 1].map(&mut has_batch), [false, true], "keys can be kept apart");
    }
}
