//! The timer queue: wakes many tasks, each at a time of its own, by one tokio timer.

mod schedule;
mod slots;

use std::fmt;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lasse_core::Instant;
use schedule::{Queued, Schedule};
use slots::Slots;
use tokio::sync::Notify;
use tokio::time::timeout_at;

use crate::clock::{NEVER, at, now};

/// What `schedule.rs` takes from std. A model gives it the same of loom.
mod sync {
    pub(super) use std::sync::atomic::{AtomicBool, Ordering};
    pub(super) use std::sync::{Mutex, MutexGuard, PoisonError};
}

/// Wakes many tasks, each at a time of its own, by one tokio timer. A clone is the
/// same queue.
///
/// A stream has several deadlines, which move with every event. A tokio timer of
/// its own would take more memory, and the lock of the runtime's timer wheel with
/// every move. In this queue a task has one entry of 32 bytes, however often its
/// deadline moves, and postponing a deadline takes no lock: the task is woken once
/// at the earlier time, and then waits for the later one.
///
/// A time is rounded up by less than a thousandth of the delay, so that tasks with
/// nearly the same time are woken together.
///
/// # Examples
///
/// ```
/// use std::future::poll_fn;
/// use std::time::Duration;
/// use lasse_tokio::now;
/// use lasse_tokio::server::TimerQueue;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let timers = TimerQueue::new();
/// let mut timer = timers.timer();
/// let deadline = now() + Duration::from_secs(15);
/// poll_fn(|cx| timer.poll_until(deadline, cx)).await;
/// assert!(now() >= deadline);
/// # }
/// ```
#[doc(alias = "deadline")]
#[doc(alias = "sleep")]
#[doc(alias = "timeout")]
#[derive(Clone, Debug, Default)]
pub struct TimerQueue(Arc<Shared>);

/// The timer of one task in a [`TimerQueue`].
#[derive(Debug)]
pub struct Timer {
    queue: TimerQueue,
    entry: Option<TimerEntry>,
}

struct Shared {
    /// Rounded times are multiples of a step counted from here, so that the same calls
    /// lead to the same times wherever the clock started.
    origin: Instant,
    schedule: Schedule,
    /// Wakes the [`TimerTask`] when a slot is queued before all others.
    earlier: Notify,
}

/// A task's slot in a queue. It must be given back by [`TimerQueue::remove`].
///
/// With it, a task that is polled again takes no lock unless its slot must change.
#[derive(Debug)]
pub(crate) struct TimerEntry {
    /// The addresses in the slot's waker. The lower half of the second is enough: vtables
    /// are statics of one program.
    data: usize,
    vtable: u32,
    /// The index of the slot, plus one.
    number: NonZeroU32,
    /// The `due` of the slot, when it was last queued.
    due: Instant,
}

impl TimerQueue {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// A timer for one task. It takes no room in the queue before it is polled.
    pub fn timer(&self) -> Timer {
        Timer { queue: self.clone(), entry: None }
    }

    /// Has the entry wake `waker` from now on, and makes the entry if there is none.
    #[inline]
    pub(crate) fn register<'a>(
        &self,
        entry: &'a mut Option<TimerEntry>,
        waker: &Waker,
    ) -> &'a mut TimerEntry {
        let entry = entry.get_or_insert_with(|| self.insert(waker));
        if addresses(waker) != (entry.data, entry.vtable) {
            self.replace_waker(entry, waker);
        }
        entry
    }

    #[cold]
    fn replace_waker(&self, entry: &mut TimerEntry, waker: &Waker) {
        (entry.data, entry.vtable) = addresses(waker);
        let new = waker.clone();
        let mut slots = self.0.lock();
        let old = slots.replace_waker(entry.index(), new);
        drop((slots, old));
    }

    /// Wakes the task of `entry` at `time`, or once before. The task must then call
    /// this again. Must be called in a tokio runtime.
    #[inline]
    pub(crate) fn wake_at(&self, entry: &mut TimerEntry, time: Instant, now: Instant) {
        if !self.0.schedule.is_queued(entry.due, time, now) {
            self.queue_at(entry, time, now);
        }
    }

    fn queue_at(&self, entry: &mut TimerEntry, time: Instant, now: Instant) {
        entry.due = self.0.round_up(time, time.saturating_duration_since(now));
        match self.0.schedule.queue_at(entry.index(), entry.due) {
            Queued::First => {
                drop(tokio::spawn(TimerTask { queue: self.clone(), is_finished: false }.run()));
            }
            Queued::Earlier => self.0.earlier.notify_one(),
            Queued::Later => {}
        }
    }

    /// Stops waking the task of `entry`.
    pub(crate) fn remove(&self, entry: TimerEntry) {
        let mut slots = self.0.lock();
        let waker = slots.remove(entry.index());
        drop((slots, waker));
    }

    /// Wakes the tasks of all entries now. Each is still woken at its own time.
    pub(crate) fn wake_all(&self) {
        let wakers = self.0.lock().wakers().cloned().collect();
        wake_each(wakers);
    }

    #[cold]
    fn insert(&self, waker: &Waker) -> TimerEntry {
        let new = waker.clone();
        let index = self.0.lock().insert(new);
        let (data, vtable) = addresses(waker);
        let number = NonZeroU32::MIN.saturating_add(index);
        TimerEntry { data, vtable, number, due: NEVER }
    }

    /// Wakes tasks whose time has come. Returns when to call this again, or `None`
    /// if nothing is queued any more.
    fn wake_due(&self, now: Instant) -> Option<Instant> {
        let (wakers, next) = self.0.schedule.take_due(now, BATCH);
        wake_each(wakers);
        next
    }
}

impl TimerEntry {
    fn index(&self) -> u32 {
        self.number.get() - 1
    }
}

/// The addresses that differ between any two wakers that exist at the same time.
#[inline]
pub(crate) fn addresses(waker: &Waker) -> (usize, u32) {
    (waker.data() as usize, std::ptr::from_ref(waker.vtable()) as usize as u32)
}

impl Timer {
    /// Ready when `time` has come. Until then, the task of `cx` will be woken at
    /// that time, or once before.
    ///
    /// # Panics
    ///
    /// If `time` is in the future and this is not called in a tokio runtime.
    pub fn poll_until(&mut self, time: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let now = now();
        if time <= now {
            return Poll::Ready(());
        }
        let entry = self.queue.register(&mut self.entry, cx.waker());
        self.queue.wake_at(entry, time, now);
        Poll::Pending
    }

    /// Wakes no task any more, and frees the entry, until it is polled again.
    pub fn stop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.queue.remove(entry);
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    /// A time a little later, by less than a thousandth of the delay.
    fn round_up(&self, time: Instant, delay: Duration) -> Instant {
        if time == NEVER {
            return NEVER;
        }
        let grain = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX) >> 10;
        let mask = grain.checked_ilog2().map_or(0, |bits| (1 << bits) - 1);
        let since = time.as_nanos().saturating_sub(self.origin.as_nanos());
        self.origin + Duration::from_nanos(since.saturating_add(mask) & !mask)
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.schedule.lock()
    }
}

impl Default for Shared {
    fn default() -> Self {
        let (schedule, earlier) = Default::default();
        Self { origin: now(), schedule, earlier }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("tasks", &self.lock().len()).finish_non_exhaustive()
    }
}

/// Waits for the next time in the queue, as long as there is one.
struct TimerTask {
    queue: TimerQueue,
    is_finished: bool,
}

impl TimerTask {
    async fn run(mut self) {
        while let Some(next) = self.queue.wake_due(now()) {
            let _ = timeout_at(at(next), self.queue.0.earlier.notified()).await;
        }
        self.is_finished = true;
    }
}

impl Drop for TimerTask {
    /// If this task's runtime has stopped, the tasks in the queue can be of another:
    /// the first that is polled then starts a new timer task.
    fn drop(&mut self) {
        if !self.is_finished {
            self.queue.0.schedule.stop();
            self.queue.wake_all();
        }
    }
}

/// Wakes each of them. If a waker panics, the others are woken all the same.
pub(crate) fn wake_each(wakers: Vec<Waker>) {
    for waker in wakers {
        let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
    }
}

/// How many tasks are woken each time that the lock is taken.
const BATCH: usize = 256;

#[cfg(test)]
mod tests;
