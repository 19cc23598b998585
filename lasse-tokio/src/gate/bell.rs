//! Wakes all streams at once, which is rare, at no cost to them until then.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use slab::Slab;

/// Who is to be woken.
#[derive(Debug, Default)]
pub(super) struct Bell(Mutex<Slab<Waker>>);

/// A place among those who are to be woken.
#[derive(Debug)]
pub(super) struct Place {
    /// What is kept at the bell, so that a stream that is polled by the same task
    /// again need not ask.
    waker: Waker,
    index: usize,
}

impl Bell {
    /// Sees to it that `waker` is woken, instead of what was in `place` before.
    pub(super) fn wait(&self, place: &mut Option<Place>, waker: &Waker) {
        if place.as_ref().is_some_and(|place| place.waker.will_wake(waker)) {
            return;
        }
        let (kept, told) = (waker.clone(), waker.clone());
        let old = match place {
            Some(place) => {
                place.waker = kept;
                self.wakers().get_mut(place.index).map(|old| std::mem::replace(old, told))
            }
            None => {
                let index = self.wakers().insert(told);
                *place = Some(Place { waker: kept, index });
                None
            }
        };
        drop(old);
    }

    /// Wakes no one on behalf of `place` any more.
    pub(super) fn leave(&self, place: Place) {
        let waker = self.wakers().try_remove(place.index);
        drop(waker);
    }

    /// Wakes all who wait. They go on waiting, for the next time.
    pub(super) fn ring(&self) {
        let wakers: Vec<Waker> = self.wakers().iter().map(|(_, waker)| waker.clone()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn wakers(&self) -> MutexGuard<'_, Slab<Waker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
