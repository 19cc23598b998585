//! Reading: whatever has come since, as one slice.

use alloc::vec::Vec;

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
    /// lie in several pieces, having been read piecemeal by others before.
    pub fn read(&mut self, cursor: &mut Cursor, budget: usize) -> Read {
        if self.has_passed(*cursor) {
            return Read::Lagged;
        }
        if cursor.0 >= self.newest.index.end() {
            return self.ending.map_or(Read::Wait, Read::Over);
        }
        let (events, bytes) = self.extent(cursor.0, budget);
        let slice = self.slice(cursor.0, bytes);
        cursor.0 += events;
        Read::Events(Frame::from_bytes_unchecked(slice))
    }

    /// Whether [`read`](Self::read) has anything but [`Read::Wait`] to say.
    pub fn is_ready(&self, cursor: Cursor) -> bool {
        cursor.0 < self.newest.index.end() || self.ending.is_some()
    }

    /// Whether events after the cursor have fallen off the log.
    pub fn has_passed(&self, cursor: Cursor) -> bool {
        cursor.0 < self.first
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
    fn slice(&mut self, position: u64, len: usize) -> Bytes {
        let first = self.segment_index(position);
        let mut copy = Vec::new();
        let newest = Some(&mut self.newest);
        for segment in self.sealed.range_mut(first..).chain(newest) {
            let start = segment.index.start(segment.index.nth(position)).unwrap_or_default();
            let end = start + len - copy.len();
            for piece in segment.pieces(start, end) {
                if piece.len() == len {
                    return piece;
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
        copy.into()
    }
}
