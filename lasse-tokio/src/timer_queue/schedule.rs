//! Which tasks wait, until when, and whether a timer task runs that wakes them.
//!
//! Run through all its interleavings by `testkit/models`, with loom's types in place of
//! std's.

use std::iter;
use std::task::Waker;

use lasse_core::Instant;

use super::slots::Slots;
use super::sync::{AtomicBool, Mutex, MutexGuard, Ordering, PoisonError};

/// The slots of a queue, and whether a timer task wakes their tasks.
///
/// However threads interleave, a task whose slot is queued is woken when its time has come.
#[derive(Default)]
pub(super) struct Schedule {
    slots: Mutex<Slots>,
    /// Whether a timer task wakes the queued tasks. Written under the lock only.
    is_running: AtomicBool,
}

/// What a caller must do after it has queued a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    /// Start a timer task, because none runs.
    First,
    /// Wake the timer task, which waits for a later time.
    Earlier,
    /// Nothing: the timer task wakes at that time or before.
    Later,
}

impl Schedule {
    pub(super) fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a task whose slot was queued at `due` is woken at `time`, or before, and after `now`.
    /// Takes no lock.
    #[inline]
    pub(super) fn is_queued(&self, due: Instant, time: Instant, now: Instant) -> bool {
        // If the value read is stale, the task has been woken since, and is polled again.
        let is_running = self.is_running.load(Ordering::Acquire);
        now < due && due <= time && is_running
    }

    /// Queues a slot at `due`.
    pub(super) fn queue_at(&self, index: u32, due: Instant) -> Queued {
        let mut slots = self.lock();
        let first = slots.first_due();
        slots.move_to(index, due);
        let is_running = self.is_running.load(Ordering::Relaxed);
        if slots.first_due().is_some() && !is_running {
            self.is_running.store(true, Ordering::Release);
            return Queued::First;
        }
        match first {
            Some(first) if first <= due => Queued::Later,
            _ => Queued::Earlier,
        }
    }

    /// Takes the wakers whose time has come, at most so many, and returns the time of the next. If
    /// there is none, the timer task must end.
    pub(super) fn take_due(&self, now: Instant, most: usize) -> (Vec<Waker>, Option<Instant>) {
        let mut slots = self.lock();
        let wakers = iter::from_fn(|| slots.pop_due(now)).take(most).collect();
        let next = slots.first_due();
        if next.is_none() {
            self.is_running.store(false, Ordering::Release);
        }
        (wakers, next)
    }

    /// Records that the timer task was dropped. The caller must then wake all tasks, so that one of
    /// them starts another.
    pub(super) fn stop(&self) {
        let slots = self.lock();
        self.is_running.store(false, Ordering::Release);
        drop(slots);
    }

    #[cfg(test)]
    pub(super) fn is_running(&self) -> bool {
        self.is_running.load(Ordering::Relaxed)
    }
}
