//! Where each event of a segment begins, and where an id of the user's own is.

use alloc::vec::Vec;
use core::mem::size_of;

/// The index of one segment.
///
/// The offsets take two bytes each: an event begins within 64 KiB, however long
/// it is.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The position of the first event.
    pub(super) first: u64,
    /// The number of the first event. Those that follow count on.
    pub(super) number: u64,
    starts: Vec<u16>,
    /// Sorted.
    own: Vec<OwnId>,
}

/// What an id of the user's own hashes to, and which event of the segment has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct OwnId {
    hash: u32,
    nth: u16,
}

impl Index {
    pub(super) fn new(first: u64, number: u64) -> Self {
        Self { first, number, ..Self::default() }
    }

    /// Notes an event, with the id if it is the user's own.
    pub(super) fn push(&mut self, start: u16, own_id: Option<&str>) {
        if let (Some(id), Ok(nth)) = (own_id, u16::try_from(self.starts.len())) {
            let own = OwnId { hash: hash(id), nth };
            let place = self.own.partition_point(|other| *other < own);
            self.own.insert(place, own);
        }
        self.starts.push(start);
    }

    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The position after the last event.
    pub(super) fn end(&self) -> u64 {
        self.first + self.starts.len() as u64
    }

    /// Which event is at `position`: the first, if it is before this segment.
    pub(super) fn nth(&self, position: u64) -> usize {
        usize::try_from(position.saturating_sub(self.first)).unwrap_or(usize::MAX)
    }

    /// Where the nth event begins, hence where the one before it ends.
    pub(super) fn start(&self, nth: usize) -> Option<usize> {
        self.starts.get(nth).copied().map(usize::from)
    }

    /// How many of the events before the last, from the nth on, end at `limit`
    /// at the latest.
    pub(super) fn ending_by(&self, nth: usize, limit: usize) -> usize {
        let ends = self.starts.get(nth + 1..).unwrap_or_default();
        ends.partition_point(|end| usize::from(*end) <= limit)
    }

    /// The events that may have `id`, oldest first: those whose ids hash the
    /// same.
    pub(super) fn candidates(&self, id: &str) -> impl Iterator<Item = usize> {
        let hash = hash(id);
        let place = self.own.partition_point(|own| own.hash < hash);
        let from_there = self.own.get(place..).unwrap_or_default();
        let same = from_there.iter().take_while(move |own| own.hash == hash);
        same.map(|own| usize::from(own.nth))
    }

    /// Gives back what it does not need, since no event will follow.
    pub(super) fn shrink(&mut self) {
        self.starts.shrink_to_fit();
        self.own.shrink_to_fit();
    }

    /// How many bytes it has allocated.
    pub(super) fn memory(&self) -> usize {
        self.starts.capacity() * size_of::<u16>() + self.own.capacity() * size_of::<OwnId>()
    }
}

/// FNV-1a. Whether the ids are the same is up to a comparison, so nothing but
/// time hangs on this, and that only for who appends ids made to collide.
fn hash(id: &str) -> u32 {
    id.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
