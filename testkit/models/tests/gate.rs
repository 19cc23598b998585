//! The gate's admissions against a drain: no stream is admitted once the drain was seen to
//! be finished, and a task that waits for that is notified.

#![allow(dead_code, reason = "the module has more than a model calls")]

#[path = "../../../lasse-tokio/src/gate/admissions.rs"]
mod admissions;

/// What the module takes from std in lasse-tokio.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
    pub(crate) use loom::sync::{Mutex, MutexGuard};
    pub(crate) use std::sync::PoisonError;
}

use admissions::{Admissions, Denied};
use loom::model::Builder;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread::{JoinHandle, spawn};

/// Runs `test` with all interleavings that have up to three preemptions.
fn model(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(test);
}

/// A gate whose drain refuses everything from its start, and the tasks that wait for it.
struct Gate {
    admissions: Admissions<()>,
    notified: Mutex<u32>,
    changed: Condvar,
}

impl Gate {
    fn new() -> Arc<Self> {
        let (admissions, notified) = (Admissions::default(), Mutex::new(0));
        Arc::new(Self { admissions, notified, changed: Condvar::new() })
    }

    fn admit(&self) -> bool {
        self.admissions.admit(usize::MAX, |()| Some(())).is_ok()
    }

    fn remove(&self) {
        if self.admissions.remove() {
            self.notify();
        }
    }

    fn drain(&self) {
        self.admissions.start_drain(());
        self.notify();
    }

    fn notify(&self) {
        *self.notified.lock().unwrap() += 1;
        self.changed.notify_all();
    }

    /// Returns when a drain has started and no stream is open, as `Gate::drained` does. If
    /// no notification comes, the model fails with a deadlock.
    fn wait_until_drained(&self) {
        loop {
            let seen = *self.notified.lock().unwrap();
            if self.admissions.with_schedule(|(), open| open) == Some(0) {
                return;
            }
            let mut notified = self.notified.lock().unwrap();
            while *notified == seen {
                notified = self.changed.wait(notified).unwrap();
            }
        }
    }
}

fn run<T: 'static>(gate: &Arc<Gate>, task: impl FnOnce(&Gate) -> T + 'static) -> JoinHandle<T> {
    let gate = gate.clone();
    spawn(move || task(&gate))
}

#[test]
fn no_stream_is_open_or_admitted_once_a_drain_was_seen_to_be_finished() {
    model(|| {
        let gate = Gate::new();
        let stream = run(&gate, |gate| {
            if gate.admit() {
                gate.remove();
            }
        });
        let draining = run(&gate, Gate::drain);
        gate.wait_until_drained();
        assert_eq!(gate.admissions.len(), 0);
        assert!(!gate.admit());
        stream.join().unwrap();
        draining.join().unwrap();
        assert_eq!(gate.admissions.len(), 0);
    });
}

#[test]
fn a_stream_admitted_during_the_notice_is_seen_after_it() {
    model(|| {
        let gate = Arc::new((Admissions::default(), AtomicBool::new(false)));
        gate.0.start_drain(());
        let stream = gate.clone();
        let stream = spawn(move || {
            let (admissions, clock) = &*stream;
            let refuse = |(): &()| clock.load(Ordering::Relaxed).then_some(());
            admissions.admit(usize::MAX, refuse).is_ok()
        });
        let time = gate.clone();
        let time = spawn(move || time.1.store(true, Ordering::Relaxed));
        let (admissions, clock) = &*gate;
        let is_finished = |(): &(), open| clock.load(Ordering::Relaxed) && open == 0;
        let is_finished = admissions.with_schedule(is_finished) == Some(true);
        assert!(!(stream.join().unwrap() && is_finished));
        time.join().unwrap();
    });
}

#[test]
fn the_last_of_the_streams_notifies_the_waiting_tasks() {
    model(|| {
        let gate = Gate::new();
        assert!(gate.admit() && gate.admit());
        let streams = [run(&gate, Gate::remove), run(&gate, Gate::remove)];
        gate.drain();
        gate.wait_until_drained();
        for stream in streams {
            stream.join().unwrap();
        }
    });
}

#[test]
fn the_limit_holds_while_a_drain_starts() {
    model(|| {
        let gate = Arc::new(Admissions::default());
        let admit = |gate: &Admissions<()>| gate.admit(1, |()| None::<()>);
        let admitted: Vec<_> =
            (0..2).map(|_| gate.clone()).map(|gate| spawn(move || admit(&gate))).collect();
        gate.start_drain(());
        let admitted: Vec<_> = admitted.into_iter().map(|task| task.join().unwrap()).collect();
        assert!(admitted.contains(&Ok(())) && admitted.contains(&Err(Denied::Limit)));
        assert_eq!(gate.len(), 1);
        assert!(!gate.remove() || gate.len() == 0);
    });
}
