//! A channel, shared by its handles and its readers, and the one way to change its log.

use std::boxed::Box;
use std::sync::{Arc, OnceLock, PoisonError, Weak};

use super::budget::{Budget, Counted};
use super::config::{ChannelConfig, Settings};
use super::sample::Sample;
use super::seat::{Called, Seat};
use super::shard::{Shard, Shards};
use super::state::State;
use super::sync::{AtomicUsize, Mutex, MutexGuard, Ordering};
use super::tip::Tip;
use super::topic_calls::ShardSet;
use super::waiters::Waiters;
use super::wakers::{WakePanic, Wakers, wake};
use crate::log::{Cursor, Log};
use crate::time::Instant;

/// A channel, shared by its handles and its readers.
#[derive(Debug)]
pub(super) struct Shared {
    config: ChannelConfig,
    /// How many handles there are.
    handles: AtomicUsize,
    /// The ends of the log, for readers that look without the lock.
    pub(super) tip: Tip,
    /// Where readers wait, once there are many.
    shards: OnceLock<Box<Shards>>,
    state: Mutex<State>,
}

impl Shared {
    pub(super) fn new(
        config: &ChannelConfig,
        log: Log,
        budget: Option<Weak<dyn Budget>>,
    ) -> Arc<Self> {
        let tip = Tip::default();
        tip.show(log.first(), log.last(), log.ending().is_some());
        Arc::new(Self {
            config: config.clone(),
            handles: AtomicUsize::new(1),
            tip,
            shards: OnceLock::new(),
            state: Mutex::new(State::new(log, budget)),
        })
    }

    pub(super) fn settings(&self) -> &Settings {
        self.config.settings()
    }

    /// The state. Poison is ignored, because no panic can leave a change half done.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shards, if there are any.
    pub(super) fn shards(&self) -> Option<&Shards> {
        self.shards.get().map(AsRef::as_ref)
    }

    /// The shards, which are made if there are none. Called without a lock.
    pub(super) fn make_shards(&self) -> &Shards {
        self.shards.get_or_init(|| Box::new(Shards::new(self.settings())))
    }

    /// Changes the log, and wakes the tasks that wait for such a change.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Log) -> T) -> T {
        let mut state = self.lock();
        let before = state.extent();
        let result = change(&mut state.log);
        let counted = state.count();
        let after = state.extent();
        self.tip.show(state.log.first(), after.0, after.1.is_some());
        let mut panic = WakePanic::default();
        if before == after {
            drop(state);
        } else {
            // Under the lock of the change: a shard relies on it.
            let shards = state.call_topics(before.0, self.shards());
            let sample = state.watchers.as_mut().map(|watchers| &mut watchers.sample);
            if let Some(clock) = sample.and_then(Sample::take_clock) {
                state = self.sample(state, clock, after.0);
            }
            self.announce(state, shards, &mut panic);
            if before.1 != after.1 {
                self.announce_end(&mut panic);
            }
        }
        counted.into_iter().for_each(Counted::settle);
        panic.resume();
        result
    }

    /// Takes the time at which the event before `end` was published. The clock is read without the
    /// lock.
    #[cold]
    fn sample<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        clock: fn() -> Instant,
        end: Cursor,
    ) -> MutexGuard<'a, State> {
        drop(state);
        let now = clock();
        let mut state = self.lock();
        state.sample().set(end, now);
        state
    }

    /// Drops all events, and the slices that are kept for readers.
    pub(super) fn clear(&self) {
        self.change(Log::clear);
        self.each_shard().for_each(Shard::forget_slice);
    }

    /// Sets the time, for which no reader waits.
    #[must_use]
    pub(super) fn advance(&self, now: Instant) -> Option<Counted> {
        let mut state = self.lock();
        state.log.advance(now);
        let (end, ending, _) = state.extent();
        self.tip.show(state.log.first(), end, ending.is_some());
        state.count()
    }

    /// Counts the log's memory towards the budget, if there is one.
    #[must_use]
    pub(super) fn count(&self) -> Option<Counted> {
        self.lock().count()
    }

    /// Stops counting, and returns how much was counted.
    pub(super) fn leave_budget(&self) -> usize {
        self.lock().leave_budget()
    }

    /// Whether the channel has a reader, or, unless it has ended, another handle than the caller's.
    pub(super) fn is_used(&self) -> bool {
        let state = self.lock();
        let has_handles = self.handles.load(Ordering::Acquire) > 1;
        state.subscribers > 0 || (has_handles && state.log.ending().is_none())
    }

    /// A number that changes with each event and each new reader, and the bytes that are counted.
    pub(super) fn activity(&self) -> (u64, usize) {
        let state = self.lock();
        (state.log.appended() + state.arrivals(), state.counted())
    }

    /// Divides the readers into shards, if they are many.
    pub(super) fn divide(&self, state: MutexGuard<'_, State>) {
        let subscribers = state.subscribers;
        drop(state);
        if subscribers > self.settings().shards_above {
            self.make_shards();
        }
    }

    /// Counts a reader out.
    pub(super) fn remove_subscriber(&self) {
        let mut state = self.lock();
        state.subscribers -= 1;
        if state.subscribers == 0 {
            state.watchers.iter_mut().for_each(|watchers| watchers.idle.call());
        }
        let mut panic = WakePanic::default();
        self.wake(state, |state| Some(&mut state.watchers.as_mut()?.idle), &mut panic);
        panic.resume();
    }

    /// Wakes the readers that wait, or the dispatchers, which wake them: those of these shards, and
    /// of those with readers of all events.
    fn announce(&self, mut guard: MutexGuard<'_, State>, shards: ShardSet, panic: &mut WakePanic) {
        let state = &mut *guard;
        self.tip.count_change();
        state.home.call();
        let has_work = state.home.is_due() || self.settings().retention.has_age();
        match state.dispatcher.call_if(has_work) {
            Called::Dispatcher(waker) => {
                drop(guard);
                waker.into_iter().for_each(|waker| panic.and(wake(waker)));
            }
            Called::Nobody => self.wake(guard, |state| Some(&mut state.home), panic),
        }
        for shard in self.each_shard() {
            if shard.flags.set_due() | shards.contains(shard.number()) {
                self.serve(shard, panic);
            }
        }
    }

    /// Has the readers of a shard woken: by its dispatcher, by that of the channel, or else at once.
    pub(super) fn serve(&self, shard: &Shard, panic: &mut WakePanic) {
        let called = match shard.call() {
            Called::Nobody => self.lock().dispatcher.call_if(true),
            called => called,
        };
        match called {
            Called::Dispatcher(waker) => {
                waker.into_iter().for_each(|waker| panic.and(wake(waker)));
            }
            Called::Nobody => shard.wake_all(self, panic),
        }
    }

    /// Serves the readers that must be woken and that no dispatcher serves any more.
    pub(super) fn serve_all(&self, panic: &mut WakePanic) {
        self.wake(self.lock(), |state| Some(&mut state.home), panic);
        let due = self.each_shard().filter(|shard| shard.is_unattended() && shard.is_due());
        due.for_each(|shard| self.serve(shard, panic));
    }

    /// Wakes the tasks that wait for the channel to end.
    fn announce_end(&self, panic: &mut WakePanic) {
        let mut state = self.lock();
        state.watchers.iter_mut().for_each(|watchers| watchers.ended.call());
        self.wake(state, |state| Some(&mut state.watchers.as_mut()?.ended), panic);
    }

    /// Wakes the waiters that are due now, in batches.
    ///
    /// No more than there are waiters, so that no caller wakes without end: those that become due
    /// meanwhile are woken by the caller that made them due.
    fn wake<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        whom: impl Fn(&mut State) -> Option<&mut Waiters>,
        panic: &mut WakePanic,
    ) {
        let due = |state: &mut State| whom(state).is_some_and(|waiters| waiters.is_due());
        if !due(&mut state) {
            return;
        }
        let mut left = whom(&mut state).map_or(0, |waiters| waiters.taken());
        let mut wakers = Wakers::default();
        while let Some(waiters) = whom(&mut state).filter(|waiters| left > 0 && waiters.is_due()) {
            waiters.take_due(left, 0, &mut wakers);
            drop(state);
            left = left.saturating_sub(wakers.wake(panic));
            state = self.lock();
        }
    }

    pub(super) fn shard(&self, nth: usize) -> Option<&Shard> {
        self.shards()?.get(nth)
    }

    pub(super) fn each_shard(&self) -> impl Iterator<Item = &Shard> + Clone {
        self.shards().into_iter().flat_map(Shards::iter)
    }

    pub(super) fn add_handle(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns whether it was the last.
    pub(super) fn drop_handle(&self) -> bool {
        self.handles.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

/// Wakes the dispatchers, which then end.
impl Drop for Shared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let seats = [std::mem::take(&mut state.dispatcher)].into_iter();
        let seats =
            seats.chain(self.each_shard().map(|shard| std::mem::take(&mut *shard.lock_seat())));
        let mut panic = WakePanic::default();
        for seat in seats {
            if let Seat::Taken(Some(waker)) = seat {
                panic.and(wake(waker));
            }
        }
        panic.resume();
    }
}
