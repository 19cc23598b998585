//! The schedule of the timer queue: a task whose time has come is woken, whatever other tasks queue
//! meanwhile, and whether the timer task ends, or is dropped with its runtime.

#![allow(dead_code, reason = "the modules have more than a model calls")]

#[path = "../../../lasse-tokio/src/timer_queue/schedule.rs"]
mod schedule;
#[path = "../../../lasse-tokio/src/timer_queue/slots.rs"]
mod slots;

/// What the modules take from std in lasse-tokio.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};
    pub(crate) use loom::sync::{Mutex, MutexGuard};
    pub(crate) use std::sync::PoisonError;
}

/// What the modules take from lasse-tokio.
mod clock {
    pub(crate) const NEVER: lasse_core::Instant = lasse_core::Instant::from_nanos(u64::MAX);
}

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as Untracked};
use std::task::{Wake, Waker};

use clock::NEVER;
use lasse_core::Instant;
use loom::model::Builder;
use loom::sync::{Condvar, Mutex};
use loom::thread::{JoinHandle, spawn};
use schedule::{Queued, Schedule};

/// Runs `test` with all interleavings that have up to three preemptions.
fn model(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(test);
}

/// A flag that a thread waits for. If it is never set, the model fails with a deadlock.
#[derive(Default)]
struct Signal {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    fn set(&self) {
        *self.is_set.lock().unwrap() = true;
        self.changed.notify_all();
    }

    /// Takes the flag, if it is set.
    fn take(&self) -> bool {
        std::mem::take(&mut *self.is_set.lock().unwrap())
    }

    fn wait(&self) {
        let mut is_set = self.is_set.lock().unwrap();
        while !std::mem::take(&mut *is_set) {
            is_set = self.changed.wait(is_set).unwrap();
        }
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.set();
    }
}

/// A timer queue, with threads in place of timer tasks.
struct Queue {
    schedule: Schedule,
    /// In place of tokio's `Notify`.
    earlier: Signal,
    /// The time. It orders no other memory, so loom need not know of it, nor of what follows.
    clock: AtomicU64,
    /// How many timer tasks are dropped with their runtime.
    to_drop: AtomicUsize,
    timer_tasks: Untracked<Vec<JoinHandle<()>>>,
}

impl Queue {
    fn new(to_drop: usize) -> Arc<Self> {
        let (schedule, earlier, clock, timer_tasks) = Default::default();
        Arc::new(Self { schedule, earlier, clock, to_drop: to_drop.into(), timer_tasks })
    }

    fn now(&self) -> Instant {
        at(self.clock.load(Ordering::SeqCst))
    }

    /// Queues a slot as `TimerQueue::wake_at` does.
    fn wake_at(self: &Arc<Self>, index: u32, due: &mut Instant, time: Instant) {
        if self.schedule.is_queued(*due, time, self.now()) {
            return;
        }
        *due = time;
        match self.schedule.queue_at(index, time) {
            Queued::First => {
                let queue = self.clone();
                let timer_task = spawn(move || queue.run_timer_task());
                self.timer_tasks.lock().unwrap().push(timer_task);
            }
            Queued::Earlier => self.earlier.set(),
            Queued::Later => {}
        }
    }

    /// Runs as `TimerTask` does. The clock moves on when nothing else must be done before.
    fn run_timer_task(&self) {
        if self.to_drop.swap(0, Ordering::SeqCst) > 0 {
            self.schedule.stop();
            let wakers: Vec<Waker> = self.schedule.lock().wakers().cloned().collect();
            return wakers.into_iter().for_each(Waker::wake);
        }
        loop {
            let (wakers, next) = self.schedule.take_due(self.now(), 1);
            wakers.into_iter().for_each(Waker::wake);
            match next {
                None => return,
                Some(FAR) => self.earlier.wait(),
                Some(_) if self.earlier.take() => {}
                Some(next) => {
                    self.clock.fetch_max(next.as_nanos(), Ordering::SeqCst);
                }
            }
        }
    }

    /// A task that waits for these times, one after the other.
    fn wait_for(self: &Arc<Self>, times: &[Instant]) {
        let signal = Arc::new(Signal::default());
        let index = self.schedule.lock().insert(signal.clone().into());
        let mut due = NEVER;
        for time in times {
            while self.now() < *time {
                self.wake_at(index, &mut due, *time);
                signal.wait();
            }
        }
        drop(self.schedule.lock().remove(index));
    }

    /// Waits for the ends of the timer tasks.
    fn join(&self) {
        while let Some(timer_task) = { self.timer_tasks.lock().unwrap().pop() } {
            timer_task.join().unwrap();
        }
        let slots = self.schedule.lock();
        assert_eq!((slots.len(), slots.first_due()), (0, None));
    }
}

const fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

/// A time that does not come.
const FAR: Instant = at(1_000);

#[test]
fn a_task_is_woken_in_time_while_the_timer_task_waits_for_a_later_one() {
    model(|| {
        let queue = Queue::new(0);
        let index = queue.schedule.lock().insert(Waker::noop().clone());
        queue.wake_at(index, &mut NEVER.clone(), FAR);
        queue.wait_for(&[at(1)]);
        drop(queue.schedule.lock().remove(index));
        queue.earlier.set();
        queue.join();
    });
}

#[test]
fn two_tasks_are_woken_however_timer_tasks_end_and_start() {
    model(|| {
        let queue = Queue::new(0);
        let other = queue.clone();
        let other = spawn(move || other.wait_for(&[at(1)]));
        queue.wait_for(&[at(2)]);
        other.join().unwrap();
        queue.join();
    });
}

#[test]
fn a_task_that_waits_again_is_woken_again_while_the_timer_task_ends() {
    model(|| {
        let queue = Queue::new(0);
        queue.wait_for(&[at(1), at(2)]);
        queue.join();
    });
}

#[test]
fn tasks_are_woken_when_the_timer_task_is_dropped() {
    model(|| {
        let queue = Queue::new(1);
        let other = queue.clone();
        let other = spawn(move || other.wait_for(&[at(1)]));
        queue.wait_for(&[at(1)]);
        other.join().unwrap();
        queue.join();
    });
}
