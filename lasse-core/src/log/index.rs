//! Where each entry of a segment begins.

use alloc::vec::Vec;
use core::mem::size_of;

/// The index of one segment.
///
/// The offsets take two bytes each: an entry begins within 64 KiB, however long it is.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The position of the first entry.
    pub(super) first: u64,
    starts: Vec<u16>,
}

impl Index {
    pub(super) fn new(first: u64) -> Self {
        Self { first, starts: Vec::new() }
    }

    /// Adds an entry.
    pub(super) fn push(&mut self, start: u16) {
        self.starts.push(start);
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The position after the last entry.
    pub(super) fn end(&self) -> u64 {
        self.first + self.starts.len() as u64
    }

    /// The entry at `position`, counted from the first of the segment. Zero, if the position is
    /// before the segment.
    pub(super) fn nth(&self, position: u64) -> usize {
        usize::try_from(position.saturating_sub(self.first)).unwrap_or(usize::MAX)
    }

    /// Where the nth entry begins, hence where the one before it ends.
    pub(super) fn start(&self, nth: usize) -> Option<usize> {
        self.starts.get(nth).copied().map(usize::from)
    }

    /// How many of the entries before the last, from the nth on, end at or before `limit`.
    pub(super) fn ending_by(&self, nth: usize, limit: usize) -> usize {
        let ends = self.starts.get(nth + 1..).unwrap_or_default();
        ends.partition_point(|end| usize::from(*end) <= limit)
    }

    /// Frees spare capacity, since no entry will follow.
    pub(super) fn shrink(&mut self) {
        self.starts.shrink_to_fit();
    }

    /// How many bytes it has allocated.
    pub(super) fn memory(&self) -> usize {
        self.starts.capacity() * size_of::<u16>()
    }
}
