//! The permit that a stream holds for as long as it is open.

use std::fmt;
use std::task::{Context, Poll};

use lasse_core::{Drain, EndReason, Instant};

use super::config::Key;
use super::{Gate, report};
use crate::clock::now;
use crate::timer_queue::TimerEntry;

/// The permit that a [`Gate`] gives to one stream, which is open until the permit is
/// dropped. By the permit the stream learns when it must end, and the gate why it ended.
pub struct Permit {
    gate: Gate,
    key: Option<Key>,
    /// By which the gate wakes the stream's task.
    timer: Option<TimerEntry>,
    /// The permit of the server's gate, if that is another one.
    server: Option<Box<Self>>,
    /// The number of drains when the stream last saw the schedule.
    drains: u32,
    /// What is counted when the permit is dropped, if anything.
    reason: Option<EndReason>,
    /// Whether it is in the metrics: of a stream's two permits, one is.
    is_reported: bool,
}

impl Permit {
    /// A permit that has nothing to count yet but that it is there.
    pub(super) fn new(gate: Gate) -> Self {
        let (key, timer, server, reason) = (None, None, None, None);
        Self { gate, key, timer, server, drains: 0, reason, is_reported: false }
    }

    pub(super) fn with_key(self, key: Option<Key>) -> Self {
        let mut permit = self;
        permit.key = key;
        permit
    }

    /// The permit of a stream that opens now, with that of its server's gate.
    pub(super) fn open(self, server: Option<Self>) -> Self {
        let mut permit = self;
        permit.server = server.map(Box::new);
        permit.record(EndReason::Dropped);
        permit.is_reported = true;
        report::opened();
        permit
    }

    /// Ready when the stream must end at some time, which is its part in the drain. Ready
    /// again if a new plan replaces the old one. Until then it costs one atomic load.
    ///
    /// If both the endpoint's and the server's gate drain, the server's plan counts.
    pub fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Drain> {
        let own = self.poll_own_drain(cx);
        let Some(server) = &mut self.server else { return own };
        match server.poll_drain(cx) {
            Poll::Pending if server.drains == 0 => own,
            drain => drain,
        }
    }

    fn poll_own_drain(&mut self, cx: &mut Context<'_>) -> Poll<Drain> {
        let gate = &self.gate.0;
        gate.timers.register(&mut self.timer, cx.waker());
        let drains = gate.admissions.drains();
        if drains == self.drains {
            return Poll::Pending;
        }
        // A clone, because to draw calls the user's code, which must not be called under a
        // lock.
        let schedule = gate.admissions.with_schedule(|schedule, _| schedule.clone());
        let Some(schedule) = schedule else { return Poll::Pending };
        if self.drains == 0 {
            gate.counters.count_draining();
        }
        self.drains = drains;
        Poll::Ready(schedule.draw(now(), &gate.config))
    }

    /// Has the stream's task woken at `time`, or once before.
    pub(crate) fn wake_at(&mut self, time: Instant, now: Instant, cx: &mut Context<'_>) {
        let timers = &self.gate.0.timers;
        let entry = timers.register(&mut self.timer, cx.waker());
        timers.wake_at(entry, time, now);
    }

    /// Sets the reason for which the stream ended. Without one, the gate counts
    /// [`EndReason::Dropped`].
    pub fn record(&mut self, reason: EndReason) {
        self.reason = Some(reason);
        if let Some(server) = &mut self.server {
            server.reason = Some(reason);
        }
    }

    /// Gives the permit back: it was not used for a stream, and no end is counted.
    pub fn withdraw(mut self) {
        self.reason = None;
        if let Some(server) = self.server.take() {
            server.withdraw();
        }
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
        if self.drains > 0 {
            gate.counters.count_drained();
        }
        if let Some(reason) = self.reason {
            gate.counters.count_ended(reason);
        }
        if self.is_reported {
            self.reason.into_iter().for_each(report::ended);
            report::closed();
        }
        gate.remove_stream();
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_draining = self.drains > 0;
        f.debug_struct("Permit").field("is_draining", &is_draining).finish_non_exhaustive()
    }
}
