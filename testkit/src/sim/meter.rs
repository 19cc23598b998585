//! What the simulation counts, and its protection against tasks that never wait.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use lasse_tokio::now;

/// Counts steps and faults.
#[derive(Debug, Default)]
pub(super) struct Meter {
    steps: AtomicU64,
    /// How many steps there were, and the time, when the clock was last read.
    steps_before: AtomicU64,
    nanos_before: AtomicU64,
    faults: Mutex<BTreeMap<&'static str, u64>>,
}

impl Meter {
    /// Counts a call of the network, a poll of a task or an action.
    ///
    /// # Panics
    ///
    /// If there were too many while no time passed: then some task never waits, and the simulation
    /// would never end.
    pub(super) fn count_step(&self) {
        let steps = self.steps.fetch_add(1, Relaxed);
        if steps - self.steps_before.load(Relaxed) >= MOST_AT_ONCE {
            self.steps_before.store(steps, Relaxed);
            let now = now().as_nanos();
            let before = self.nanos_before.swap(now, Relaxed);
            assert_ne!(now, before, "a task never waits: {MOST_AT_ONCE} steps in no time");
        }
    }

    pub(super) fn count_fault(&self, kind: &'static str) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        *faults.entry(kind).or_default() += 1;
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps.load(Relaxed)
    }

    pub(super) fn faults(&self) -> BTreeMap<&'static str, u64> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A run needs some thousands at a time.
const MOST_AT_ONCE: u64 = 1_000_000;
