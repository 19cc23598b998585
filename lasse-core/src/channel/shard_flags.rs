//! The flags by which a publisher checks whether readers of a shard wait, without its lock.
//!
//! The parties, and what each does before and after:
//!
//! | party | before | operation | after |
//! |---|---|---|---|
//! | publisher | stores the new tip | [`set_due`](ShardFlags::set_due) | calls the dispatcher, if that returns true |
//! | first reader to wait | enters its waker | [`set_waiting`](ShardFlags::set_waiting) | reads the tip again |
//! | dispatcher | | [`clear`](ShardFlags::clear) | takes the wakers |
//!
//! The reader and the dispatcher hold the lock of the shard during this. Each operation both reads
//! and writes, so of a publisher and a reader, one comes second and sees what the first has
//! written.
//!
//! Readers of topics need another flag: [`TopicsFlag`]. `testkit/models` runs this file through all
//! interleavings.

use super::sync::{AtomicBool, AtomicU8, Ordering};

/// Whether readers wait in a shard, and whether something was published since they were last woken.
#[derive(Debug, Default)]
pub(super) struct ShardFlags(AtomicU8);

impl ShardFlags {
    /// Sets that something was published. Returns whether the caller must call the dispatcher:
    /// readers wait, and no other publisher has called it for them.
    ///
    /// Release, so that a reader of this flag also reads the tip that was stored before it.
    pub(super) fn set_due(&self) -> bool {
        self.0.fetch_or(DUE, Ordering::Release) == WAITING
    }

    /// Sets that readers wait. Earlier events must not concern them: the caller reads the tip after
    /// this.
    ///
    /// Acquire, so that the caller then reads the tip of the publisher whose flag this replaces.
    pub(super) fn set_waiting(&self) {
        self.0.swap(WAITING, Ordering::Acquire);
    }

    /// Clears both flags, before the readers that wait are taken.
    ///
    /// Relaxed is enough: a publisher that relies on this has set its flag before it, and the next
    /// reader to wait replaces the flags after it, and so reads the tip of that publisher.
    pub(super) fn clear(&self) {
        self.0.swap(0, Ordering::Relaxed);
    }

    /// Whether readers wait and something was published.
    ///
    /// Relaxed is enough: a dispatcher asks after it has stored its waker under a lock, which a
    /// publisher takes after it has set the flag.
    pub(super) fn is_due(&self) -> bool {
        self.0.load(Ordering::Relaxed) == WAITING | DUE
    }
}

/// Whether there are events for readers of topics in a shard that have not become due.
///
/// It is set and cleared under the lock of the log, and read without it. Relaxed is enough: a
/// dispatcher reads it after it has stored its waker under a lock, which a publisher takes after it
/// has set this.
#[derive(Debug, Default)]
pub(super) struct TopicsFlag(AtomicBool);

impl TopicsFlag {
    /// Sets that there are. Returns whether the caller must call the dispatcher: no other publisher
    /// has.
    pub(super) fn set(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }

    /// Clears it, when the caller takes the events.
    pub(super) fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// At least one reader waits, or has left since.
const WAITING: u8 = 1;

/// Something was published.
const DUE: u8 = 2;
