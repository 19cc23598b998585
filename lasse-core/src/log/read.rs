//! Reading: whatever has come since, as one slice.

use alloc::vec::Vec;
use core::mem::size_of;

use bytes::Bytes;

use super::Log;
use super::cursor::{Cursor, Ending};
use crate::frame::Frame;

/// What a reader finds at its cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Read {
    /// These events, which the cursor has moved past.
    Events(Frame),
    /// Nothing yet.
    Wait,
    /// The next event has fallen off the log, so that this reader has a gap.
    Lagged,
    /// Nothing, and nothing will come.
    Over(Ending),
}

impl Log {
    /// Reads whole events in at most `budget` bytes, or one if that is larger, and
    /// moves the cursor past them.
    ///
    /// Readers at the same place share the bytes. They are copied only where they
    /// lie in several pieces, having been read piecemeal by others before; and
    /// then, where the log is large, once for those who read them in turn.
    pub fn read(&mut self, cursor: &mut Cursor, budget: usize) -> Read {
        if self.has_passed(*cursor) {
            return Read::Lagged;
        }
        if cursor.0 >= self.newest.index.end() {
            return self.ending.map_or(Read::Wait, Read::Over);
        }
        let latest = self.latest.as_deref().and_then(|latest| latest.find(*cursor, budget));
        let (frame, to) = latest.unwrap_or_else(|| self.read_anew(*cursor, budget));
        *cursor = to;
        Read::Events(frame)
    }

    /// Whether [`read`](Self::read) has anything but [`Read::Wait`] to say.
    pub fn is_ready(&self, cursor: Cursor) -> bool {
        cursor.0 < self.newest.index.end() || self.ending.is_some()
    }

    /// Whether events after the cursor have fallen off the log.
    pub fn has_passed(&self, cursor: Cursor) -> bool {
        cursor.0 < self.first
    }

    /// What was read last is not what would be read now.
    pub(super) fn forget_latest(&mut self) {
        if let Some(latest) = &mut self.latest {
            latest.0 = None;
        }
    }

    /// Reads, and remembers what was read. A copy is not worth its memory to a
    /// log that is small yet.
    fn read_anew(&mut self, from: Cursor, budget: usize) -> (Frame, Cursor) {
        let (events, len) = self.extent(from.0, budget);
        let (slice, copied) = self.slice(from.0, len);
        let (frame, to) = (Frame::from_bytes_unchecked(slice), Cursor(from.0 + events));
        if copied == 0 || !self.sealed.is_empty() {
            let slice = Slice { from, to, budget, copied, frame: frame.clone() };
            self.latest.get_or_insert_default().0 = Some(slice);
        }
        (frame, to)
    }

    /// How many events from `position` on fit in `budget` bytes, but at least
    /// one, and how many bytes they take.
    fn extent(&self, position: u64, budget: usize) -> (u64, usize) {
        let (mut events, mut bytes) = (0, 0);
        let first = self.segment_index(position);
        for segment in self.sealed.range(first..).chain([&self.newest]) {
            let nth = segment.index.nth(position);
            let (more, len) = segment.within(nth, budget - bytes.min(budget), events == 0);
            events += more as u64;
            bytes += len;
            if position + events < segment.index.end() {
                break;
            }
        }
        (events, bytes)
    }

    /// The next `len` bytes from `position` on: shared, if they lie in one piece.
    /// Tells how many were copied.
    fn slice(&mut self, position: u64, len: usize) -> (Bytes, usize) {
        let first = self.segment_index(position);
        let mut copy = Vec::new();
        let newest = Some(&mut self.newest);
        for segment in self.sealed.range_mut(first..).chain(newest) {
            let start = segment.index.start(segment.index.nth(position)).unwrap_or_default();
            let end = start + len - copy.len();
            for piece in segment.pieces(start, end) {
                if piece.len() == len {
                    return (piece, 0);
                }
                if copy.is_empty() {
                    copy.reserve_exact(len);
                }
                copy.extend_from_slice(&piece);
            }
            if copy.len() == len {
                break;
            }
        }
        (copy.into(), len)
    }
}

/// What was read last, if nothing has changed since.
#[derive(Debug, Default)]
pub(super) struct Latest(Option<Slice>);

#[derive(Debug)]
struct Slice {
    from: Cursor,
    to: Cursor,
    budget: usize,
    copied: usize,
    frame: Frame,
}

impl Latest {
    fn find(&self, from: Cursor, budget: usize) -> Option<(Frame, Cursor)> {
        let slice = self.0.as_ref()?;
        let is_it = slice.from == from && slice.budget == budget;
        is_it.then(|| (slice.frame.clone(), slice.to))
    }

    /// How many bytes it takes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.0.as_ref().map_or(0, |slice| slice.copied)
    }
}
