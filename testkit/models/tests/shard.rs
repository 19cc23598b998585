//! The flags of a channel's shard: whatever the order of publishers, readers and the dispatcher, a
//! reader that waits is woken if something was published that it has not seen.

#![allow(dead_code, reason = "the module has more than a model calls")]

#[path = "../../../lasse-core/src/channel/shard_flags.rs"]
mod shard_flags;

/// What the module takes from std in lasse-core.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, Ordering};
}

use loom::model::Builder;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread::{JoinHandle, spawn};
use shard_flags::ShardFlags;

/// Runs `test` with all interleavings that have up to three preemptions.
fn model(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(test);
}

/// A shard, as `channel/shard.rs` has it.
struct Shard {
    /// The end of the log. All orderings but those of the flags are as weak as they can be.
    tip: AtomicUsize,
    flags: ShardFlags,
    state: Mutex<State>,
    /// Whether the dispatcher was called. None, if there is no dispatcher.
    seat: Mutex<Option<bool>>,
    called: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Arc<Task>>,
    has_flag: bool,
}

/// A task that sleeps until it is woken.
#[derive(Default)]
struct Task {
    is_woken: Mutex<bool>,
    woken: Condvar,
}

impl Task {
    fn wake(&self) {
        *self.is_woken.lock().unwrap() = true;
        self.woken.notify_one();
    }

    fn sleep(&self) {
        let mut is_woken = self.is_woken.lock().unwrap();
        while !*is_woken {
            is_woken = self.woken.wait(is_woken).unwrap();
        }
        *is_woken = false;
    }
}

impl Shard {
    fn new(has_dispatcher: bool) -> Arc<Self> {
        Arc::new(Self {
            tip: AtomicUsize::new(0),
            flags: ShardFlags::default(),
            state: Mutex::default(),
            seat: Mutex::new(has_dispatcher.then_some(false)),
            called: Condvar::new(),
        })
    }

    fn publish(&self) {
        self.tip.fetch_add(1, Ordering::Relaxed);
        if self.flags.set_due() {
            self.serve();
        }
    }

    /// Calls the dispatcher, or does its work.
    fn serve(&self) {
        let mut seat = self.seat.lock().unwrap();
        match &mut *seat {
            Some(is_called) => {
                *is_called = true;
                self.called.notify_one();
            }
            None => {
                drop(seat);
                self.wake_all();
            }
        }
    }

    fn wake_all(&self) {
        let mut state = self.state.lock().unwrap();
        self.flags.clear();
        state.has_flag = false;
        let due = std::mem::take(&mut state.waiting);
        drop(state);
        due.iter().for_each(|task| task.wake());
    }

    /// Waits for a call, and then wakes, until a call finds the seat empty.
    fn dispatch(&self) {
        loop {
            let mut seat = self.seat.lock().unwrap();
            loop {
                match *seat {
                    None => return,
                    Some(true) => break,
                    Some(false) if self.flags.is_due() => break,
                    Some(false) => seat = self.called.wait(seat).unwrap(),
                }
            }
            *seat = Some(false);
            drop(seat);
            self.wake_all();
        }
    }

    /// The dispatcher leaves, and publishers do its work.
    fn leave_seat(&self) {
        *self.seat.lock().unwrap() = None;
        self.called.notify_one();
        if self.flags.is_due() {
            self.serve();
        }
    }

    /// Reads until the log has `end` events, and sleeps whenever there is nothing to read. If no
    /// wake comes, the model fails with a deadlock.
    fn read_until(&self, end: usize) {
        let task = Arc::new(Task::default());
        let mut cursor = 0;
        while cursor < end {
            let mut state = self.state.lock().unwrap();
            cursor = self.tip.load(Ordering::Relaxed);
            if cursor == end {
                return;
            }
            state.waiting.push(task.clone());
            if !std::mem::replace(&mut state.has_flag, true) {
                self.flags.set_waiting();
            }
            let has_news = self.tip.load(Ordering::Relaxed) != cursor;
            drop(state);
            if !has_news {
                task.sleep();
            }
        }
    }
}

fn run(shard: &Arc<Shard>, task: impl FnOnce(&Shard) + 'static) -> JoinHandle<()> {
    let shard = shard.clone();
    spawn(move || task(&shard))
}

#[test]
fn a_reader_that_waits_is_woken_by_one_of_two_publishers() {
    model(|| {
        let shard = Shard::new(false);
        let publishers = [run(&shard, Shard::publish), run(&shard, Shard::publish)];
        shard.read_until(2);
        for publisher in publishers {
            publisher.join().unwrap();
        }
    });
}

#[test]
fn each_of_two_readers_is_woken() {
    model(|| {
        let shard = Shard::new(false);
        let publisher = run(&shard, |shard| {
            shard.publish();
            shard.publish();
        });
        let reader = run(&shard, |shard| shard.read_until(2));
        shard.read_until(2);
        reader.join().unwrap();
        publisher.join().unwrap();
    });
}

#[test]
fn a_dispatcher_wakes_a_reader_for_each_publisher() {
    model(|| {
        let shard = Shard::new(true);
        let dispatcher = run(&shard, Shard::dispatch);
        let publisher = run(&shard, |shard| {
            shard.publish();
            shard.publish();
        });
        shard.read_until(2);
        publisher.join().unwrap();
        shard.leave_seat();
        dispatcher.join().unwrap();
    });
}

#[test]
fn a_dispatcher_that_leaves_loses_no_publication() {
    model(|| {
        let shard = Shard::new(true);
        let publisher = run(&shard, Shard::publish);
        let leaving = run(&shard, Shard::leave_seat);
        shard.read_until(1);
        publisher.join().unwrap();
        leaving.join().unwrap();
    });
}
