//! What a gate counts.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use lasse_core::EndReason;

use super::RejectReason;

/// What a gate has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GateStats {
    /// How many streams are open.
    pub open: usize,
    /// How many of them have been given a time at which they end.
    pub draining: usize,
    ended: [u64; EndReason::all().len()],
    rejected: [u64; RejectReason::all().len()],
}

impl GateStats {
    /// How many streams ended for this reason.
    pub fn ended(&self, reason: EndReason) -> u64 {
        let ended = EndReason::all().iter().zip(self.ended);
        ended.filter(|(of, _)| **of == reason).map(|(_, count)| count).sum()
    }

    /// How many streams were rejected for this reason.
    pub fn rejected(&self, reason: RejectReason) -> u64 {
        let rejected = RejectReason::all().iter().zip(self.rejected);
        rejected.filter(|(of, _)| **of == reason).map(|(_, count)| count).sum()
    }
}

/// The counters behind the stats. All are relaxed: each is only ever read by itself.
#[derive(Debug, Default)]
pub(super) struct Counters {
    draining: AtomicUsize,
    ended: [AtomicU64; EndReason::all().len()],
    rejected: [AtomicU64; RejectReason::all().len()],
}

impl Counters {
    pub(super) fn stats(&self, open: usize) -> GateStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        GateStats {
            open,
            draining: self.draining.load(Ordering::Relaxed),
            ended: self.ended.each_ref().map(read),
            rejected: self.rejected.each_ref().map(read),
        }
    }

    /// A stream was given a time at which it ends.
    pub(super) fn count_draining(&self) {
        self.draining.fetch_add(1, Ordering::Relaxed);
    }

    /// A stream that had been given a time is closed.
    pub(super) fn count_drained(&self) {
        self.draining.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn count_ended(&self, reason: EndReason) {
        count(&self.ended, EndReason::all(), reason);
    }

    pub(super) fn count_rejected(&self, reason: RejectReason) {
        count(&self.rejected, RejectReason::all(), reason);
    }
}

fn count<T: PartialEq>(counters: &[AtomicU64], kinds: &[T], kind: T) {
    for (counter, _) in counters.iter().zip(kinds).filter(|(_, of)| **of == kind) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
