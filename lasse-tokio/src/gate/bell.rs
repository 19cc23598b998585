//! Wakes streams: all at once, or each at a time of its own. That takes much less
//! for each of them than a timer would, and nothing to put a time off.

use std::collections::BTreeMap;
use std::mem::replace;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use lasse_core::Instant;
use slab::Slab;
use tokio::sync::Notify;
use tokio::time::timeout_at;

use crate::clock::{NEVER, at, now};

/// Who is to be woken, and when.
#[derive(Debug)]
pub(super) struct Bell {
    /// Wake-up times are rounded to multiples of a step that are counted from here, so that the same
    /// calls lead to the same times wherever the clock started.
    origin: Instant,
    state: Mutex<State>,
    /// Tells the watch that someone is to be woken earlier than all others.
    hurry: Notify,
    /// How often a watch was cut short, and all times were lost with it.
    losses: AtomicU32,
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
    losses: u32,
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
        let losses = self.losses.load(Ordering::Acquire);
        if now < place.due && place.due <= time && place.losses == losses {
            return;
        }
        place.losses = losses;
        place.due = self.round_up(time, time.saturating_duration_since(now));
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
        let state = self.state();
        let wakers = state.sleepers.iter().map(|(_, sleeper)| sleeper.waker.clone());
        let wakers: Vec<Waker> = wakers.collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn enter(&self, waker: &Waker) -> Place {
        let sleeper = Sleeper { waker: waker.clone(), due: NEVER };
        let index = self.state().sleepers.insert(sleeper) as u32;
        Place { waker: waker.clone(), due: NEVER, index, losses: 0 }
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

    /// A time a little later, by less than a thousandth of the delay, so that many who
    /// are to be woken at nearly the same time are woken together.
    fn round_up(&self, time: Instant, delay: Duration) -> Instant {
        let grain = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX) >> 10;
        let mask = grain.checked_ilog2().map_or(0, |bits| (1 << bits) - 1);
        let since = time.as_nanos().saturating_sub(self.origin.as_nanos());
        self.origin + Duration::from_nanos(since.saturating_add(mask) & !mask)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Bell {
    fn default() -> Self {
        let (state, hurry, losses) = Default::default();
        Self { origin: now(), state, hurry, losses }
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
            let mut state = self.bell.state();
            state.due.clear();
            state.is_watched = false;
            drop(state);
            self.bell.losses.fetch_add(1, Ordering::Release);
            self.bell.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use tokio::runtime::Builder;
    use tokio::time::sleep;

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Alarm(AtomicUsize);

    impl Wake for Alarm {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Sleeping {
        bell: Arc<Bell>,
        alarm: Arc<Alarm>,
        place: Option<Place>,
    }

    impl Sleeping {
        fn at(bell: &Arc<Bell>) -> Self {
            Self { bell: bell.clone(), alarm: Arc::default(), place: None }
        }

        fn wake_in(&mut self, delay: Duration) {
            let place = self.bell.wait(&mut self.place, &self.alarm.clone().into());
            self.bell.wake_at(place, now() + delay, now());
        }

        fn woken(&self) -> usize {
            self.alarm.0.load(Ordering::Relaxed)
        }
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_woken_once_at_a_time_of_its_own() {
        let bell = Arc::new(Bell::default());
        let (mut early, mut late) = (Sleeping::at(&bell), Sleeping::at(&bell));
        late.wake_in(secs(30));
        early.wake_in(secs(15));
        sleep(secs(14)).await;
        assert_eq!((early.woken(), late.woken()), (0, 0));
        sleep(secs(2)).await;
        assert_eq!((early.woken(), late.woken()), (1, 0));
        sleep(secs(60)).await;
        assert_eq!((early.woken(), late.woken()), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn who_puts_off_is_woken_too_early_and_who_hurries_is_not_too_late() {
        let bell = Arc::new(Bell::default());
        let (mut lazy, mut hasty) = (Sleeping::at(&bell), Sleeping::at(&bell));
        lazy.wake_in(secs(15));
        lazy.wake_in(secs(60));
        hasty.wake_in(secs(60));
        hasty.wake_in(secs(15));
        sleep(secs(16)).await;
        assert_eq!((lazy.woken(), hasty.woken()), (1, 1));
        lazy.wake_in(secs(44));
        sleep(secs(60)).await;
        assert_eq!((lazy.woken(), hasty.woken()), (2, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_left_is_not_woken_and_nothing_is_kept_of_it() {
        let bell = Arc::new(Bell::default());
        let mut sleeping = Sleeping::at(&bell);
        sleeping.wake_in(secs(15));
        bell.leave(sleeping.place.take().unwrap());
        bell.ring();
        sleep(secs(16)).await;
        assert_eq!(sleeping.woken(), 0);
        let state = bell.state();
        assert!(state.sleepers.is_empty() && state.due.is_empty() && !state.is_watched);
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_are_due_at_nearly_the_same_time_are_woken_together() {
        let bell = Arc::new(Bell::default());
        let mut all: Vec<Sleeping> = (0..100).map(|_| Sleeping::at(&bell)).collect();
        for (nth, sleeping) in (0..).zip(&mut all) {
            sleeping.wake_in(secs(15) + Duration::from_micros(nth));
        }
        assert!(bell.state().due.len() <= 2);
        sleep(secs(15) + Duration::from_millis(15)).await;
        assert!(all.iter().all(|sleeping| sleeping.woken() == 1));
    }

    #[test]
    fn those_whose_runtime_is_gone_are_woken_to_find_another() {
        let bell = Arc::new(Bell::default());
        let mut sleeping = Sleeping::at(&bell);
        let runtime = || Builder::new_current_thread().enable_time().start_paused(true).build();
        let first = runtime().unwrap();
        first.block_on(async { sleeping.wake_in(secs(15)) });
        drop(first);
        assert_eq!(sleeping.woken(), 1);
        runtime().unwrap().block_on(async {
            sleeping.wake_in(secs(60));
            sleep(secs(61)).await;
        });
        assert_eq!(sleeping.woken(), 2);
    }
}
