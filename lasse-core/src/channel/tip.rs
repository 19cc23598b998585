//! The ends of a log, for readers that look without its lock.

use super::sync::{AtomicU32, AtomicUsize, Ordering};
use crate::log::Cursor;

/// Where a log begins and ends, and whether it has ended.
///
/// Positions are cut to one bit less than a pointer has: no reader is 2^31 events behind.
#[derive(Debug, Default)]
pub(super) struct Tip {
    first: AtomicUsize,
    /// The position of the end, and in the lowest bit whether the log is over.
    end: AtomicUsize,
    /// How often the log changed in a way that readers wait for, an epoch that begins included.
    changes: AtomicU32,
}

impl Tip {
    /// Called under the lock of the log, after each change.
    ///
    /// Release, here and below its Acquire, so that a reader that sees a new end also sees which
    /// events were dropped for it.
    pub(super) fn show(&self, first: Cursor, end: Cursor, is_over: bool) {
        self.first.store(cut(first), Ordering::Release);
        self.end.store(cut(end) | usize::from(is_over), Ordering::Release);
    }

    /// Called under the lock of the log, when the readers that wait at home become due.
    pub(super) fn count_change(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// How often the log changed in a way that readers wait for. A reader that waits at home since
    /// this was less may no longer wait.
    pub(super) fn changes(&self) -> u32 {
        self.changes.load(Ordering::Acquire)
    }

    /// Whether a reader can find anything at its cursor.
    pub(super) fn has_news(&self, cursor: Cursor) -> bool {
        self.end.load(Ordering::Acquire) != cut(cursor)
    }

    /// Whether there are no events after the cursor.
    pub(super) fn is_end(&self, cursor: Cursor) -> bool {
        self.end.load(Ordering::Acquire) | 1 == cut(cursor) | 1
    }

    /// How many entries are after the cursor, and how many that are held are before it, if the log
    /// has dropped any.
    pub(super) fn around(&self, cursor: Cursor) -> (u64, Option<u64>) {
        let (first, at) = (self.first.load(Ordering::Acquire), cut(cursor));
        let end = self.end.load(Ordering::Acquire) & !1;
        let between = |from: usize, to: usize| {
            let distance = to.wrapping_sub(from);
            // The other way round, if the log has changed meanwhile.
            if distance > usize::MAX / 2 { 0 } else { (distance >> 1) as u64 }
        };
        (between(at, end), (first > 0).then(|| between(first, at)))
    }

    /// Whether the log has dropped events after the cursor.
    pub(super) fn has_passed(&self, cursor: Cursor) -> bool {
        let first = self.first.load(Ordering::Acquire);
        cut(cursor).wrapping_sub(first) > usize::MAX / 2
    }
}

/// A position, with room for a bit.
fn cut(cursor: Cursor) -> usize {
    (cursor.position() as usize) << 1
}
