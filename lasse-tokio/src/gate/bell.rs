//! Wakes streams: all at once, or each at a time of its own. That takes much less
//! for each of them than a timer would, and nothing to put a time off.

use std::collections::BTreeMap;
use std::mem::replace;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use lasse_core::Instant;
use slab::Slab;
use tokio::sync::Notify;
use tokio::time::timeout_at;

use crate::clock::{at, now};

/// Who is to be woken, and when.
#[derive(Debug, Default)]
pub(super) struct Bell {
    state: Mutex<State>,
    /// Tells the watch that someone is to be woken earlier than all others.
    hurry: Notify,
}

#[derive(Debug, Default)]
struct State {
    sleepers: Slab<Sleeper>,
    /// Who is to be woken at what time, unless that was changed since.
    due: BTreeMap<Instant, Vec<u32>>,
    is_watched: bool,
}

#[derive(Debug)]
struct Sleeper {
    waker: Waker,
    due: Instant,
}

/// A place among those who are to be woken.
#[derive(Debug)]
pub(super) struct Place {
    /// What is kept at the bell, so that a stream that is polled by the same task
    /// again need not ask.
    waker: Waker,
    due: Instant,
    index: u32,
}

impl Bell {
    /// Sees to it that `waker` is woken, instead of what was in `place` before.
    pub(super) fn wait<'a>(&self, place: &'a mut Option<Place>, waker: &Waker) -> &'a mut Place {
        let place = place.get_or_insert_with(|| self.enter(waker));
        if !place.waker.will_wake(waker) {
            place.waker.clone_from(waker);
            let told = waker.clone();
            let mut state = self.state();
            let sleeper = state.sleepers.get_mut(place.index as usize);
            let old = sleeper.map(|sleeper| replace(&mut sleeper.waker, told));
            drop((state, old));
        }
        place
    }

    /// Wakes who is in `place` at a time, or earlier. To put off the time costs
    /// nothing: then that is once too early.
    pub(super) fn wake_at(self: &Arc<Self>, place: &mut Place, time: Instant, now: Instant) {
        if now < place.due && place.due <= time {
            return;
        }
        place.due = round_up(time, time.saturating_duration_since(now));
        let mut state = self.state();
        if let Some(sleeper) = state.sleepers.get_mut(place.index as usize) {
            sleeper.due = place.due;
        }
        let is_first = state.due.first_key_value().is_none_or(|(first, _)| place.due < *first);
        state.due.entry(place.due).or_default().push(place.index);
        let is_watched = replace(&mut state.is_watched, true);
        drop(state);
        if !is_watched {
            let watch = Watch { bell: Arc::clone(self), is_over: false };
            drop(tokio::spawn(watch.keep()));
        } else if is_first {
            self.hurry.notify_one();
        }
    }

    /// Wakes no one on behalf of `place` any more.
    pub(super) fn leave(&self, place: Place) {
        let sleeper = self.state().sleepers.try_remove(place.index as usize);
        drop(sleeper);
    }

    /// Wakes all who wait. They go on waiting, for the next time.
    pub(super) fn ring(&self) {
        let sleepers = |state: &State| {
            let wakers = state.sleepers.iter().map(|(_, sleeper)| sleeper.waker.clone());
            wakers.collect::<Vec<Waker>>()
        };
        let wakers = sleepers(&self.state());
        wakers.into_iter().for_each(Waker::wake);
    }

    fn enter(&self, waker: &Waker) -> Place {
        let sleeper = Sleeper { waker: waker.clone(), due: NEVER };
        let index = self.state().sleepers.insert(sleeper) as u32;
        Place { waker: waker.clone(), due: NEVER, index }
    }

    /// Wakes those whose time has come. When the next one's will, if there is one:
    /// if not, no one keeps watch any more.
    fn wake_due(&self, now: Instant) -> Option<Instant> {
        let mut state = self.state();
        let mut wakers = Vec::new();
        while let Some(first) = state.due.first_entry().filter(|first| *first.key() <= now) {
            let (time, due) = first.remove_entry();
            for index in due {
                let sleeper = state.sleepers.get_mut(index as usize);
                if let Some(sleeper) = sleeper.filter(|sleeper| sleeper.due == time) {
                    sleeper.due = NEVER;
                    wakers.push(sleeper.waker.clone());
                }
            }
        }
        let next = state.due.keys().next().copied();
        state.is_watched = next.is_some();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        next
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that looks at the clock, as long as anyone is to be woken.
struct Watch {
    bell: Arc<Bell>,
    is_over: bool,
}

impl Watch {
    async fn keep(mut self) {
        while let Some(next) = self.bell.wake_due(now()) {
            let _ = timeout_at(at(next), self.bell.hurry.notified()).await;
        }
        self.is_over = true;
    }
}

impl Drop for Watch {
    /// If its runtime is gone, those who are left may have another.
    fn drop(&mut self) {
        if !self.is_over {
            self.bell.state().is_watched = false;
            self.bell.ring();
        }
    }
}

/// A time a little later, by less than a thousandth of the delay, so that many who
/// are to be woken at nearly the same time are woken together.
fn round_up(time: Instant, delay: Duration) -> Instant {
    let grain = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX) >> 10;
    let mask = grain.checked_ilog2().map_or(0, |bits| (1 << bits) - 1);
    Instant::from_nanos(time.as_nanos().saturating_add(mask) & !mask)
}

const NEVER: Instant = Instant::from_nanos(u64::MAX);
