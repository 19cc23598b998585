//! Waking tasks without a lock, so that a waker that panics does not prevent others from being
//! woken.

use std::any::Any;
use std::boxed::Box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

/// Wakers to wake, at most 64 before the lock is taken again.
#[derive(Debug)]
pub(super) struct Wakers {
    wakers: [Option<Waker>; BATCH],
    len: usize,
}

impl Wakers {
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds up to `limit` wakers, as far as there are any, and room.
    #[inline]
    pub(super) fn fill(&mut self, limit: u32, mut next: impl FnMut() -> Option<Waker>) {
        let end = self.wakers.len().min(self.len.saturating_add(limit as usize));
        let room = self.wakers.get_mut(self.len..end).unwrap_or_default();
        for place in room {
            *place = next();
            if place.is_none() {
                return;
            }
            self.len += 1;
        }
    }

    /// Wakes all of them, without a lock. Returns how many there were.
    pub(super) fn wake(&mut self, panic: &mut WakePanic) -> u32 {
        let len = std::mem::take(&mut self.len);
        let taken = self.wakers.get_mut(..len).unwrap_or_default();
        for waker in taken.iter_mut().filter_map(Option::take) {
            panic.and(wake(waker));
        }
        len as u32
    }
}

impl Default for Wakers {
    fn default() -> Self {
        Self { wakers: [const { None }; BATCH], len: 0 }
    }
}

/// Wakes a task, without a lock.
pub(super) fn wake(waker: Waker) -> WakePanic {
    WakePanic(catch_unwind(AssertUnwindSafe(|| waker.wake())).err())
}

/// The first panic of a waker, if any panicked.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct WakePanic(Option<Box<dyn Any + Send>>);

impl WakePanic {
    /// Adds what happened later.
    pub(super) fn and(&mut self, later: Self) {
        if later.0.is_some() && self.0.is_none() {
            *self = later;
        }
    }

    /// Continues the panic. Call it when all are woken.
    pub(super) fn resume(self) {
        if let Some(payload) = self.0 {
            resume_unwind(payload);
        }
    }
}

const BATCH: usize = 64;
