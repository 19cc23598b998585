//! Reading: new events, as one slice.

use alloc::vec::Vec;
use core::mem::size_of;

use bytes::Bytes;

use super::Log;
use super::cursor::{Cursor, Ending};
use super::gauge::Gauge;
use crate::frame::Frame;

/// What a reader finds at its cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Read {
    /// These events. The cursor is after them now.
    Events(Frame),
    /// No event yet.
    Wait,
    /// Events are missing here. The cursor is after the hole now.
    Hole,
    /// The log has dropped the next event: this reader lags. The cursor stays where it is.
    Lagged,
    /// No event, and there will be none.
    Over(Ending),
}

impl Log {
    /// Reads whole events of at most `budget` bytes, or one event if that is larger, and moves the
    /// cursor past them.
    ///
    /// Readers at the same place share the bytes. A slice is a copy, unless that would be no
    /// smaller than half the memory that it lies in: a slow reader does not keep more than twice
    /// its slice allocated.
    #[inline]
    pub fn read(&mut self, cursor: &mut Cursor, budget: usize) -> Read {
        // It is there only as long as the log has its events.
        let latest = self.slices.as_deref().and_then(|slices| slices.find(*cursor, budget));
        let Some(latest) = latest else { return self.read_elsewhere(cursor, budget) };
        *cursor = latest.to;
        Read::Events(latest.frame.clone())
    }

    /// Reads a slice other than the last one, or the reason why there is none.
    #[inline(never)]
    fn read_elsewhere(&mut self, cursor: &mut Cursor, budget: usize) -> Read {
        if self.has_passed(*cursor) {
            return Read::Lagged;
        }
        if cursor.0 >= self.end() {
            return self.ending.map_or(Read::Wait, Read::Over);
        }
        if self.numbering.is_hole(cursor.0) {
            cursor.0 += 1;
            return Read::Hole;
        }
        let (frame, to) = self.read_new_slice(*cursor, budget);
        *cursor = to;
        Read::Events(frame)
    }

    /// Whether [`read`](Self::read) returns anything but [`Read::Wait`].
    pub fn is_ready(&self, cursor: Cursor) -> bool {
        cursor.0 < self.end() || self.ending.is_some()
    }

    /// Whether the log has dropped events after the cursor.
    pub fn has_passed(&self, cursor: Cursor) -> bool {
        cursor.0 < self.first
    }

    /// The place before the first event that is held.
    #[cfg(feature = "std")]
    pub(crate) fn first(&self) -> Cursor {
        Cursor(self.first)
    }

    /// The place after the newest entry, where new readers start.
    #[cfg(feature = "std")]
    #[inline]
    pub(crate) fn last(&self) -> Cursor {
        Cursor(self.end())
    }

    /// Drops the last slice, because there is more to read now.
    pub(super) fn forget_latest(&mut self) {
        if let Some(slices) = &mut self.slices {
            slices.latest = None;
        }
    }

    /// Reads, and keeps the slice for the next reader, unless it is large compared with the log.
    fn read_new_slice(&mut self, from: Cursor, budget: usize) -> (Frame, Cursor) {
        let (entries, len) = self.extent(from.0, budget);
        let slice = self.slice(from.0, len);
        let to = Cursor(from.0 + entries);
        let slices = self.slices.get_or_insert_default();
        let frame = Frame::from_bytes_unchecked(slices.gauge.count(slice));
        if len <= SMALL || len * 4 <= self.sealed_bytes + self.newest.capacity() {
            slices.latest = Some(Slice { from, to, budget, frame: frame.clone() });
        }
        (frame, to)
    }

    /// Bytes that were gathered, as a slice that is counted while a reader holds it.
    pub(super) fn new_slice(&mut self, bytes: Bytes) -> Frame {
        Frame::from_bytes_unchecked(self.slices.get_or_insert_default().gauge.count(bytes))
    }

    /// The count of the bytes that readers hold, for copies that they make.
    #[cfg(feature = "std")]
    pub(crate) fn gauge(&mut self) -> Gauge {
        self.slices.get_or_insert_default().gauge.clone()
    }

    /// Keeps a slice of neighbours that were gathered, if it is small, as if it had been read with
    /// its length as the budget.
    pub(super) fn keep_small_slice(&mut self, from: Cursor, to: Cursor, frame: &Frame) {
        let budget = frame.len();
        if budget <= SMALL || budget * 4 <= self.sealed_bytes + self.newest.capacity() {
            let slice = Slice { from, to, budget, frame: frame.clone() };
            self.slices.get_or_insert_default().latest = Some(slice);
        }
    }

    /// How many events from `position` on fit in `budget` bytes, but at least one, and how many
    /// bytes they take. No hole is among them.
    fn extent(&self, position: u64, budget: usize) -> (u64, usize) {
        let most = self.numbering.next_hole(position).map_or(u64::MAX, |hole| hole - position);
        let (mut events, mut bytes) = (0, 0);
        let first = self.segment_index(position);
        for segment in self.sealed.range(first..).chain([&self.newest]) {
            let nth = segment.index.nth(position);
            let (more, len) = segment.within(nth, budget - bytes.min(budget), events == 0);
            if events + more as u64 >= most {
                let last = nth + usize::try_from(most - events).unwrap_or(usize::MAX);
                let start = segment.index.start(nth).unwrap_or_default();
                let end = segment.index.start(last).unwrap_or(start + len);
                return (most, bytes + end - start);
            }
            events += more as u64;
            bytes += len;
            if position + events < segment.index.end() {
                break;
            }
        }
        (events, bytes)
    }

    /// The next `len` bytes from `position` on.
    fn slice(&mut self, position: u64, len: usize) -> Bytes {
        let first = self.segment_index(position);
        let mut copy = Vec::new();
        let newest = Some(&mut self.newest);
        for segment in self.sealed.range_mut(first..).chain(newest) {
            let start = segment.index.start(segment.index.nth(position)).unwrap_or_default();
            let end = start + len - copy.len();
            if let Some(shared) = segment.share(start, end).filter(|shared| shared.len() == len) {
                return shared;
            }
            copy.reserve_exact(len - copy.len());
            segment.copy(start, end, &mut copy);
            if copy.len() == len {
                break;
            }
        }
        copy.into()
    }
}

/// The slices that were read.
#[derive(Debug, Default)]
pub(super) struct Slices {
    /// The last one, if nothing has changed since, because other readers will read the same.
    latest: Option<Slice>,
    /// What readers hold.
    gauge: Gauge,
}

#[derive(Debug)]
struct Slice {
    from: Cursor,
    to: Cursor,
    budget: usize,
    frame: Frame,
}

impl Slices {
    fn find(&self, from: Cursor, budget: usize) -> Option<&Slice> {
        self.latest.as_ref().filter(|slice| slice.from == from && slice.budget == budget)
    }

    /// The gauge that counts what readers hold.
    #[cfg(feature = "std")]
    pub(super) fn gauge(&self) -> Gauge {
        self.gauge.clone()
    }

    /// How many bytes of slices readers hold.
    pub(super) fn bytes(&self) -> usize {
        self.gauge.bytes()
    }

    /// The last slice, if it is exactly that of these entries.
    pub(super) fn between(&self, from: Cursor, to: Cursor) -> Option<Frame> {
        let slice = self.latest.as_ref().filter(|slice| slice.from == from && slice.to == to)?;
        Some(slice.frame.clone())
    }

    /// How many bytes it has allocated.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.latest.as_ref().map_or(0, |slice| slice.frame.len() + OWNER)
    }
}

/// A slice that is kept for the next reader even by a log that is no larger.
const SMALL: usize = 512;

/// The overhead of a slice, in addition to its bytes.
const OWNER: usize = 56;
