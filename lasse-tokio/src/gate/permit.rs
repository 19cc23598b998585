//! One stream's leave to be.

use std::fmt;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use lasse_core::{Drain, EndReason, Instant};

use super::config::Key;
use super::{Gate, report};
use crate::clock::now;
use crate::timer_queue::TimerEntry;

/// One stream's leave to be, for as long as the stream holds it. It tells the
/// stream when it has to end, and the gate why it did.
pub struct Permit {
    gate: Gate,
    key: Option<Key>,
    /// By which the gate wakes the stream's task.
    timer: Option<TimerEntry>,
    /// Of how many drains this stream has heard.
    heard: u32,
    /// What is counted when the permit is dropped.
    reason: Option<EndReason>,
}

impl Permit {
    pub(super) fn new(gate: Gate) -> Self {
        report::opened();
        Self { gate, key: None, timer: None, heard: 0, reason: Some(EndReason::Dropped) }
    }

    pub(super) fn with_key(self, key: Option<Key>) -> Self {
        let mut permit = self;
        permit.key = key;
        permit
    }

    /// Ready when the stream has to end: what its part in it is. Ready again if
    /// the plans change. Costs next to nothing until then.
    pub fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Drain> {
        let gate = &self.gate.0;
        gate.timers.register(&mut self.timer, cx.waker());
        let drains = gate.drains.load(Ordering::Acquire);
        if drains == self.heard {
            return Poll::Pending;
        }
        let Some(drain) = gate.timetable.draw(now(), &gate.config) else { return Poll::Pending };
        if self.heard == 0 {
            gate.counters.count_draining();
        }
        self.heard = drains;
        Poll::Ready(drain)
    }

    /// Sees to it that the stream's task is woken at a time, or earlier.
    pub(crate) fn wake_at(&mut self, time: Instant, now: Instant, cx: &mut Context<'_>) {
        let timers = &self.gate.0.timers;
        let entry = timers.register(&mut self.timer, cx.waker());
        timers.wake_at(entry, time, now);
    }

    /// Takes note of why the stream ended. Of one that is dropped without, the
    /// gate counts [`EndReason::Dropped`].
    pub fn record(&mut self, reason: EndReason) {
        self.reason = Some(reason);
    }

    /// Returns the permit: no stream came of it, and there is nothing to count.
    pub fn withdraw(mut self) {
        self.reason = None;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let gate = &self.gate.0;
        if let Some(entry) = self.timer.take() {
            gate.timers.remove(entry);
        }
        if let Some(key) = self.key {
            gate.config.return_key(key);
        }
        if self.heard > 0 {
            gate.counters.count_drained();
        }
        if let Some(reason) = self.reason {
            gate.counters.count_ended(reason);
            report::ended(reason);
        }
        report::left();
        gate.handle_gone();
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_draining = self.heard > 0;
        f.debug_struct("Permit").field("is_draining", &is_draining).finish_non_exhaustive()
    }
}
