//! Waking tasks without a lock, so that no waker that panics keeps others from being woken.

use std::any::Any;
use std::boxed::Box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

/// Wakers to wake, at most [`BATCH`].
#[derive(Debug)]
pub(super) struct Wakers {
    wakers: [Option<Waker>; BATCH as usize],
    len: u32,
}

impl Wakers {
    /// Wakes all of them, without a lock.
    pub(super) fn wake(self) -> WakePanic {
        let wakers = self.wakers.into_iter().take(self.len as usize).flatten();
        wakers.fold(WakePanic::default(), |panic, waker| panic.or(wake(waker)))
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }
}

impl Extend<Waker> for Wakers {
    fn extend<I: IntoIterator<Item = Waker>>(&mut self, wakers: I) {
        let places = self.wakers.iter_mut().skip(self.len as usize);
        for (place, waker) in places.zip(wakers) {
            *place = Some(waker);
            self.len += 1;
        }
    }
}

impl Default for Wakers {
    fn default() -> Self {
        Self { wakers: [const { None }; BATCH as usize], len: 0 }
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
    pub(super) fn or(self, later: Self) -> Self {
        Self(self.0.or(later.0))
    }

    /// Continues the panic. Call it when all are woken.
    pub(super) fn resume(self) {
        if let Some(payload) = self.0 {
            resume_unwind(payload);
        }
    }
}

/// How many are woken before the lock is taken again.
pub(super) const BATCH: u32 = 64;
