//! Encoded events, one after the other, in one piece of memory.

use alloc::vec::Vec;
use core::mem::size_of;

use bytes::{Bytes, BytesMut};

use super::index::Index;
use crate::frame::Fields;

/// A stretch of the log.
///
/// Readers share its bytes while more are appended behind them: the first reader
/// to come freezes what was appended since the last one, without a copy, as one
/// run.
#[derive(Debug, Default)]
pub(super) struct Segment {
    pub(super) index: Index,
    runs: Vec<Run>,
    /// What no one has read yet, and room for more.
    tail: BytesMut,
    capacity: usize,
    len: usize,
}

/// Events that are frozen together.
#[derive(Debug)]
struct Run {
    start: usize,
    bytes: Bytes,
}

impl Segment {
    /// A segment that takes no memory until something is appended.
    pub(super) fn new(first: u64, number: u64) -> Self {
        Self { index: Index::new(first, number), ..Self::default() }
    }

    /// Whether there is nothing to read.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether there is room for `len` bytes more.
    pub(super) fn has_room(&self, len: usize) -> bool {
        self.len + len <= self.capacity
    }

    /// Makes room for `len` bytes more, in at most `limit` bytes altogether,
    /// unless there is nothing yet; tells whether there is.
    pub(super) fn make_room(&mut self, len: usize, limit: usize) -> bool {
        if self.has_room(len) {
            return true;
        }
        let needed = self.len + len;
        let capacity = needed.next_power_of_two().max(SMALLEST);
        match (self.is_empty(), capacity <= limit) {
            (true, false) => self.grow(needed),
            (_, true) => self.grow(capacity),
            (false, false) => return false,
        }
        true
    }

    /// Appends an event, for which there must be room. Its own id, if it has one,
    /// will be found again.
    pub(super) fn append(&mut self, fields: &Fields<'_>, own_id: Option<&str>) {
        // Room ends at 64 KiB but for an event that is alone.
        let start = u16::try_from(self.len).unwrap_or(u16::MAX);
        self.index.push(start, own_id);
        let before = self.tail.len();
        fields.put(&mut self.tail);
        self.len += self.tail.len() - before;
    }

    /// How many events, from the nth on, there are in `budget` bytes, and how
    /// many bytes they take. One is taken even if it is larger, when `any_size`.
    pub(super) fn within(&self, nth: usize, budget: usize, any_size: bool) -> (usize, usize) {
        let Some(start) = self.index.start(nth) else { return (0, 0) };
        if self.len - start <= budget {
            return (self.index.len() - nth, self.len - start);
        }
        let fit = self.index.ending_by(nth, start.saturating_add(budget));
        let taken = fit.max(usize::from(any_size));
        (taken, self.index.start(nth + taken).unwrap_or(self.len) - start)
    }

    /// The bytes from `start` to `end`, in as few pieces as there are runs.
    pub(super) fn pieces(&mut self, start: usize, end: usize) -> impl Iterator<Item = Bytes> {
        if end > self.frozen() {
            self.freeze();
        }
        let first = self.runs.partition_point(|run| run.start <= start).saturating_sub(1);
        let runs = self.runs.get(first..).unwrap_or_default();
        runs.iter().take_while(move |run| run.start < end).map(move |run| {
            let from = start.saturating_sub(run.start).min(run.bytes.len());
            run.bytes.slice(from..(end - run.start).clamp(from, run.bytes.len()))
        })
    }

    /// The id of the nth event, with which its bytes end.
    pub(super) fn id(&self, nth: usize) -> Option<&str> {
        let event = self.event(nth)?.strip_suffix(b"\n\n")?;
        let line = memchr::memrchr(b'\n', event).map_or(0, |at| at + 1);
        core::str::from_utf8(event.get(line..)?.strip_prefix(b"id: ")?).ok()
    }

    /// The first event, at or after `position`, that has `id`.
    pub(super) fn find(&self, id: &str, position: u64) -> Option<u64> {
        let from = self.index.nth(position);
        let mut candidates = self.index.candidates(id).filter(|nth| *nth >= from);
        let nth = candidates.find(|nth| self.id(*nth) == Some(id))?;
        Some(self.index.first + nth as u64)
    }

    /// Ends the segment: as one run, and in no more memory than it needs, or
    /// little more where that spares a copy.
    pub(super) fn seal(mut self) -> Self {
        self.freeze();
        let waste = self.capacity - self.len;
        if self.runs.len() > 1 || waste > self.capacity / 8 {
            self.grow(self.len);
            self.freeze();
        }
        self.tail = BytesMut::new();
        self.runs.shrink_to_fit();
        self.index.shrink();
        self
    }

    /// How many bytes it takes: those to read, and what it takes to find them.
    pub(super) fn kept(&self) -> usize {
        self.len + self.overhead()
    }

    /// How many bytes it has allocated.
    pub(super) fn memory(&self) -> usize {
        self.capacity + self.overhead()
    }

    fn overhead(&self) -> usize {
        size_of::<Self>() + self.runs.capacity() * size_of::<Run>() + self.index.memory()
    }

    /// Moves to a memory of `capacity` bytes. Slices that readers hold stay
    /// where they are.
    fn grow(&mut self, capacity: usize) {
        let mut whole = BytesMut::with_capacity(capacity);
        for run in &self.runs {
            whole.extend_from_slice(&run.bytes);
        }
        whole.extend_from_slice(&self.tail);
        self.tail = whole;
        self.runs = Vec::new();
        self.capacity = capacity;
    }

    fn freeze(&mut self) {
        if !self.tail.is_empty() {
            let start = self.frozen();
            self.runs.push(Run { start, bytes: self.tail.split().freeze() });
        }
    }

    /// Where the tail begins.
    fn frozen(&self) -> usize {
        self.len - self.tail.len()
    }

    fn event(&self, nth: usize) -> Option<&[u8]> {
        let start = self.index.start(nth)?;
        let end = self.index.start(nth + 1).unwrap_or(self.len);
        let frozen = self.frozen();
        if start >= frozen {
            return self.tail.get(start - frozen..end - frozen);
        }
        let run = self.runs.get(self.runs.partition_point(|run| run.start <= start) - 1)?;
        run.bytes.get(start - run.start..end - run.start)
    }
}

const SMALLEST: usize = 256;
