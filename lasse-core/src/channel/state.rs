//! The state of a channel behind its lock, and the one way to change it.

use std::boxed::Box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use super::budget::Budget;
use super::config::{ChannelConfig, Settings};
use super::stats::ChannelStats;
use super::waiters::{BATCH, Waiters, WakePanic};
use crate::log::{Cursor, Ending, Epoch, Log, StartAt};
use crate::time::Instant;

/// A channel, shared by its handles and its readers.
#[derive(Debug)]
pub(super) struct Shared {
    config: ChannelConfig,
    /// How many handles there are.
    handles: AtomicUsize,
    /// The end of the log, and whether the log has ended, for readers that look without the lock.
    end: AtomicUsize,
    is_over: AtomicBool,
    state: Mutex<State>,
}

/// What the lock guards. It is held for microseconds. No code of others, such as that of a waker,
/// runs or is dropped under it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) log: Log,
    pub(super) readers: Waiters,
    /// How many readers there ever were.
    pub(super) arrivals: u64,
    /// Tasks that watch the channel, if there ever were any.
    pub(super) watchers: Option<Box<Watchers>>,
    pub(super) dispatcher: DispatcherSeat,
    /// The counters, once anything was counted.
    pub(super) stats: Option<Box<ChannelStats>>,
    /// The sum that the log's memory counts towards, and how much of it is counted.
    pub(super) budget: Option<Weak<dyn Budget>>,
    pub(super) counted: usize,
}

/// Tasks that watch a channel.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    /// They wait for the last reader to leave.
    pub(super) idle: Waiters,
    /// They wait for the channel to end.
    pub(super) ended: Waiters,
}

/// Whether there is a dispatcher.
#[derive(Debug, Default)]
pub(super) enum DispatcherSeat {
    #[default]
    Empty,
    /// There is one. It waits, if it has a waker.
    Taken(Option<Waker>),
}

impl Shared {
    pub(super) fn new(
        config: &ChannelConfig,
        log: Log,
        budget: Option<Weak<dyn Budget>>,
    ) -> Arc<Self> {
        let state = State {
            log,
            readers: Waiters::default(),
            arrivals: 0,
            watchers: None,
            dispatcher: DispatcherSeat::Empty,
            stats: None,
            budget,
            counted: 0,
        };
        let shared = Self {
            config: config.clone(),
            handles: AtomicUsize::new(1),
            end: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            state: Mutex::new(state),
        };
        shared.show_end(&shared.lock().log);
        Arc::new(shared)
    }

    pub(super) fn settings(&self) -> &Settings {
        self.config.settings()
    }

    /// The state. Poison is ignored, because no panic can leave a change half done.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the log, and wakes the tasks that wait for such a change.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Log) -> T) -> T {
        let mut state = self.lock();
        let before = state.extent();
        let result = change(&mut state.log);
        let counted = state.count();
        if before == state.extent() {
            drop(state);
        } else {
            let has_ended = before.1 != state.log.ending();
            self.show_end(&state.log);
            self.announce(state);
            if has_ended {
                self.announce_end();
            }
        }
        counted.into_iter().for_each(Counted::settle);
        result
    }

    /// Whether a reader can find anything. It costs less than the lock.
    ///
    /// Acquire, here and in `show_end` its Release, so that a reader that sees the end also sees
    /// all that was written before, though the lock would order it anyway.
    pub(super) fn may_have_news(&self, cursor: Cursor) -> bool {
        self.is_over.load(Ordering::Acquire)
            || self.end.load(Ordering::Acquire) != cursor.position() as usize
    }

    fn show_end(&self, log: &Log) {
        self.end.store(log.cursor(StartAt::Now).position() as usize, Ordering::Release);
        self.is_over.store(log.ending().is_some(), Ordering::Release);
    }

    /// Sets the time, for which no reader waits.
    #[must_use]
    pub(super) fn advance(&self, now: Instant) -> Option<Counted> {
        let mut state = self.lock();
        state.log.advance(now);
        state.count()
    }

    /// Counts the log's memory towards the budget, if there is one.
    #[must_use]
    pub(super) fn count(&self) -> Option<Counted> {
        self.lock().count()
    }

    /// Stops counting, and returns how much was counted.
    pub(super) fn leave_budget(&self) -> usize {
        let mut state = self.lock();
        state.budget = None;
        std::mem::take(&mut state.counted)
    }

    /// Whether the channel has a reader, or, unless it has ended, a handle beside the caller's.
    pub(super) fn is_used(&self) -> bool {
        let state = self.lock();
        let has_handles = self.handles.load(Ordering::Acquire) > 1;
        state.readers.taken() > 0 || (has_handles && state.log.ending().is_none())
    }

    /// A number that changes with each event and each new reader, and the bytes that are counted.
    pub(super) fn activity(&self) -> (u64, usize) {
        let state = self.lock();
        (state.log.appended() + state.arrivals, state.counted)
    }

    /// Wakes the readers that wait, or the dispatcher, which wakes them.
    fn announce(&self, mut guard: MutexGuard<'_, State>) {
        let state = &mut *guard;
        state.readers.call();
        match &mut state.dispatcher {
            DispatcherSeat::Taken(waker) => {
                let has_work = state.readers.is_due() || self.settings().retention.has_age();
                let waker = waker.take_if(|_| has_work);
                drop(guard);
                waker.into_iter().for_each(Waker::wake);
            }
            DispatcherSeat::Empty => self.wake(guard, |state| Some(&mut state.readers)),
        }
    }

    /// Wakes the tasks that wait for the channel to end.
    fn announce_end(&self) {
        let mut state = self.lock();
        state.watchers.iter_mut().for_each(|watchers| watchers.ended.call());
        self.wake(state, |state| Some(&mut state.watchers.as_mut()?.ended));
    }

    /// Wakes the waiters that are due now, in batches.
    ///
    /// Those that become due meanwhile are woken by the caller that made them due, so that no
    /// caller wakes without end.
    pub(super) fn wake<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        whom: impl Fn(&mut State) -> Option<&mut Waiters>,
    ) {
        let mut left = whom(&mut state).map_or(0, |waiters| waiters.due());
        let mut panic = WakePanic::default();
        while let Some(waiters) = whom(&mut state).filter(|waiters| left > 0 && waiters.is_due()) {
            let batch = waiters.take_due(left);
            left = left.saturating_sub(BATCH as u32);
            drop(state);
            panic = panic.or(batch.wake());
            state = self.lock();
        }
        drop(state);
        panic.resume();
    }

    pub(super) fn add_handle(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns whether it was the last.
    pub(super) fn drop_handle(&self) -> bool {
        self.handles.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

impl State {
    /// What readers wait for: a new entry, the end, or, if they are ahead, the next epoch.
    fn extent(&self) -> (Cursor, Option<Ending>, Epoch) {
        (self.log.cursor(StartAt::Now), self.log.ending(), *self.log.epoch())
    }

    fn count(&mut self) -> Option<Counted> {
        let budget = self.budget.as_ref()?.upgrade()?;
        let memory = self.log.memory();
        let before = std::mem::replace(&mut self.counted, memory);
        let change = memory as isize - before as isize;
        let has_excess = budget.add(change) && change > 0;
        Some(Counted { budget, has_excess })
    }
}

/// What remains to do, without the lock, after the memory of a log was counted.
///
/// It holds the budget, because dropping the last reference to a budget drops channels, which
/// lock themselves.
#[must_use]
pub(super) struct Counted {
    budget: Arc<dyn Budget>,
    has_excess: bool,
}

impl Counted {
    pub(super) fn settle(self) {
        if self.has_excess {
            self.budget.relieve();
        }
    }
}

/// Wakes the dispatcher, which then ends.
impl Drop for Shared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let DispatcherSeat::Taken(Some(waker)) = std::mem::take(&mut state.dispatcher) {
            waker.wake();
        }
    }
}
