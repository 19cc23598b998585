//! Encoded events in one piece of memory.

use alloc::vec::Vec;
use core::mem::size_of;

use bytes::{Bytes, BytesMut};

use super::index::Index;
use crate::frame::Fields;

/// A part of the log.
///
/// Its bytes can be shared while more are appended: the first read freezes the bytes appended since
/// the previous read, without a copy, as one piece.
#[derive(Debug, Default)]
pub(super) struct Segment {
    pub(super) index: Index,
    pieces: Vec<Piece>,
    /// The bytes that are not frozen yet, and room for more.
    tail: BytesMut,
    capacity: usize,
    len: usize,
}

/// Entries that were frozen together.
#[derive(Debug)]
struct Piece {
    start: usize,
    bytes: Bytes,
}

impl Segment {
    /// A segment that takes no memory until something is appended.
    pub(super) fn new(first: u64) -> Self {
        Self { index: Index::new(first), ..Self::default() }
    }

    /// Whether there are no entries.
    pub(super) fn is_empty(&self) -> bool {
        self.index.len() == 0
    }

    /// Whether there is room for an entry of `len` bytes more.
    pub(super) fn has_room(&self, len: usize) -> bool {
        self.len + len <= self.capacity && self.can_begin()
    }

    /// Whether another entry can begin here: its offset is known, and there are not too many.
    pub(super) fn can_begin(&self) -> bool {
        self.len <= usize::from(u16::MAX) && self.index.len() < MOST_ENTRIES
    }

    /// Makes room for `len` bytes more, in at most `limit` bytes altogether, unless the segment is
    /// empty. Returns whether there is room.
    pub(super) fn make_room(&mut self, len: usize, limit: usize) -> bool {
        if self.has_room(len) {
            return true;
        }
        if !self.can_begin() {
            return false;
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

    /// Appends an event, for which there must be room.
    pub(super) fn append(&mut self, fields: &Fields<'_>) {
        self.append_hole();
        let before = self.tail.len();
        fields.put(&mut self.tail);
        self.len += self.tail.len() - before;
    }

    /// Appends an entry without bytes, for which there must be room.
    pub(super) fn append_hole(&mut self) {
        self.index.push(u16::try_from(self.len).unwrap_or(u16::MAX));
    }

    /// How many entries, from the nth on, there are in `budget` bytes, and how many bytes they
    /// take. With `any_size`, one is taken even if it is larger.
    pub(super) fn within(&self, nth: usize, budget: usize, any_size: bool) -> (usize, usize) {
        let Some(start) = self.index.start(nth) else { return (0, 0) };
        if self.len - start <= budget {
            return (self.index.len() - nth, self.len - start);
        }
        let fit = self.index.ending_by(nth, start.saturating_add(budget));
        let taken = fit.max(usize::from(any_size));
        (taken, self.index.start(nth + taken).unwrap_or(self.len) - start)
    }

    /// The bytes from `start` to `end`, shared, if they lie in one piece and make up at least half
    /// of the memory that they would keep allocated.
    pub(super) fn share(&mut self, start: usize, end: usize) -> Option<Bytes> {
        if (end - start) * 2 < self.capacity || end > self.len {
            return None;
        }
        self.pieces(start, end).next().filter(|piece| piece.len() == end - start)
    }

    /// Copies the bytes from `start` to `end`, as far as there are any.
    pub(super) fn copy(&self, start: usize, end: usize, out: &mut Vec<u8>) {
        let first = self.pieces.partition_point(|piece| piece.start <= start).saturating_sub(1);
        for piece in self.pieces.get(first..).unwrap_or_default() {
            out.extend_from_slice(range(&piece.bytes, piece.start, start, end));
        }
        out.extend_from_slice(range(&self.tail, self.frozen(), start, end));
    }

    /// The bytes from `start` to `end`, in as few pieces as they lie in.
    fn pieces(&mut self, start: usize, end: usize) -> impl Iterator<Item = Bytes> {
        if end > self.frozen() {
            self.freeze();
        }
        let first = self.pieces.partition_point(|piece| piece.start <= start).saturating_sub(1);
        let pieces = self.pieces.get(first..).unwrap_or_default();
        pieces.iter().take_while(move |piece| piece.start < end).map(move |piece| {
            let from = start.saturating_sub(piece.start).min(piece.bytes.len());
            piece.bytes.slice(from..(end - piece.start).clamp(from, piece.bytes.len()))
        })
    }

    /// The id of the nth entry. A hole has none.
    pub(super) fn id(&self, nth: usize) -> Option<&str> {
        id_in(self.event(nth)?)
    }

    /// Ends the segment: as one piece, and in no more memory than it needs, or little more if that
    /// spares a copy.
    pub(super) fn seal(mut self) -> Self {
        self.freeze();
        let waste = self.capacity - self.len;
        if self.pieces.len() > 1 || waste > self.capacity / 8 {
            self.grow(self.len);
            self.freeze();
        }
        self.tail = BytesMut::new();
        self.pieces.shrink_to_fit();
        self.index.shrink();
        self
    }

    /// How many bytes it uses, for events and index.
    pub(super) fn kept(&self) -> usize {
        self.len + self.overhead()
    }

    /// How many bytes it has allocated.
    pub(super) fn memory(&self) -> usize {
        self.capacity + self.overhead()
    }

    fn overhead(&self) -> usize {
        size_of::<Self>() + self.pieces.capacity() * size_of::<Piece>() + self.index.memory()
    }

    /// How many bytes of memory a slice of it keeps allocated.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Moves to a memory of `capacity` bytes. Slices that readers hold stay where they are.
    fn grow(&mut self, capacity: usize) {
        let mut whole = BytesMut::with_capacity(capacity);
        for piece in &self.pieces {
            whole.extend_from_slice(&piece.bytes);
        }
        whole.extend_from_slice(&self.tail);
        self.tail = whole;
        self.pieces = Vec::new();
        self.capacity = capacity;
    }

    fn freeze(&mut self) {
        if !self.tail.is_empty() {
            let start = self.frozen();
            self.pieces.push(Piece { start, bytes: self.tail.split().freeze() });
        }
    }

    /// Where the tail begins.
    fn frozen(&self) -> usize {
        self.len - self.tail.len()
    }

    /// The bytes of the nth entry.
    pub(super) fn event(&self, nth: usize) -> Option<&[u8]> {
        let start = self.index.start(nth)?;
        let end = self.index.start(nth + 1).unwrap_or(self.len);
        let frozen = self.frozen();
        if start >= frozen {
            return self.tail.get(start - frozen..end - frozen);
        }
        let nth = self.pieces.partition_point(|piece| piece.start <= start).checked_sub(1)?;
        let piece = self.pieces.get(nth)?;
        piece.bytes.get(start - piece.start..end - piece.start)
    }
}

/// The id of an encoded event, which stands at the end of its bytes.
pub(super) fn id_in(event: &[u8]) -> Option<&str> {
    let event = event.strip_suffix(b"\n\n")?;
    let line = memchr::memrchr(b'\n', event).map_or(0, |at| at + 1);
    core::str::from_utf8(event.get(line..)?.strip_prefix(b"id: ")?).ok()
}

/// The part from `start` to `end` of bytes that begin at `at`.
fn range(bytes: &[u8], at: usize, start: usize, end: usize) -> &[u8] {
    let from = start.saturating_sub(at).min(bytes.len());
    bytes.get(from..end.saturating_sub(at).clamp(from, bytes.len())).unwrap_or_default()
}

const SMALLEST: usize = 256;

/// Entries of a segment. Events reach it only if they take less than 16 bytes.
const MOST_ENTRIES: usize = 4096;
