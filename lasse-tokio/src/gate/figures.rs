//! What a gate counts.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use lasse_core::Reason;

use super::Cause;

/// What a gate has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figures {
    /// How many streams there are.
    pub open: usize,
    /// How many of them know that they have to end, and when.
    pub draining: usize,
    ended: [u64; Reason::ALL.len()],
    refused: [u64; Cause::ALL.len()],
}

impl Figures {
    /// How many streams have ended for this reason.
    pub fn ended(&self, reason: Reason) -> u64 {
        let ended = Reason::ALL.into_iter().zip(self.ended);
        ended.filter(|(of, _)| *of == reason).map(|(_, count)| count).sum()
    }

    /// How many streams were not let in for this cause.
    pub fn refused(&self, cause: Cause) -> u64 {
        let refused = Cause::ALL.into_iter().zip(self.refused);
        refused.filter(|(of, _)| *of == cause).map(|(_, count)| count).sum()
    }
}

/// The counters behind the figures.
#[derive(Debug, Default)]
pub(super) struct Counters {
    draining: AtomicUsize,
    ended: [AtomicU64; Reason::ALL.len()],
    refused: [AtomicU64; Cause::ALL.len()],
}

impl Counters {
    pub(super) fn figures(&self, open: usize) -> Figures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Figures {
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

    pub(super) fn count_ended(&self, reason: Reason) {
        count(&self.ended, &Reason::ALL, reason);
    }

    pub(super) fn count_refused(&self, cause: Cause) {
        count(&self.refused, &Cause::ALL, cause);
    }
}

fn count<T: PartialEq>(counters: &[AtomicU64], kinds: &[T], kind: T) {
    for (counter, _) in counters.iter().zip(kinds).filter(|(_, of)| **of == kind) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
