//! What a gate counts.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use lasse_core::EndReason;

use super::RejectReason;

/// What a gate has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GateStats {
    /// How many streams there are.
    pub open: usize,
    /// How many of them know that they have to end, and when.
    pub draining: usize,
    ended: [u64; EndReason::all().len()],
    refused: [u64; RejectReason::all().len()],
}

impl GateStats {
    /// How many streams have ended for this reason.
    pub fn ended(&self, reason: EndReason) -> u64 {
        let ended = EndReason::all().iter().zip(self.ended);
        ended.filter(|(of, _)| **of == reason).map(|(_, count)| count).sum()
    }

    /// How many streams were not let in for this cause.
    pub fn refused(&self, cause: RejectReason) -> u64 {
        let refused = RejectReason::all().iter().zip(self.refused);
        refused.filter(|(of, _)| **of == cause).map(|(_, count)| count).sum()
    }
}

/// The counters behind the figures.
#[derive(Debug, Default)]
pub(super) struct Counters {
    draining: AtomicUsize,
    ended: [AtomicU64; EndReason::all().len()],
    refused: [AtomicU64; RejectReason::all().len()],
}

impl Counters {
    pub(super) fn stats(&self, open: usize) -> GateStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        GateStats {
            open,
            draining: self.draining.load(Ordering::Relaxed),
            ended: self.ended.each_ref().map(read),
            refused: self.refused.each_ref().map(read),
        }
    }

    /// A stream has heard of a drain.
    pub(super) fn count_draining(&self) {
        self.draining.fetch_add(1, Ordering::Relaxed);
    }

    /// A stream that had heard of a drain is gone.
    pub(super) fn count_drained(&self) {
        self.draining.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn count_ended(&self, reason: EndReason) {
        count(&self.ended, EndReason::all(), reason);
    }

    pub(super) fn count_refused(&self, cause: RejectReason) {
        count(&self.refused, RejectReason::all(), cause);
    }
}

fn count<T: PartialEq>(counters: &[AtomicU64], kinds: &[T], kind: T) {
    for (counter, _) in counters.iter().zip(kinds).filter(|(_, of)| **of == kind) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
