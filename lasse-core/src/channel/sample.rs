//! The time at which one event of many was published, for metrics.

use crate::log::Cursor;
use crate::time::Instant;

/// The time at which one event was published.
#[derive(Debug, Default)]
pub(super) struct Sample {
    /// The clock that the next publication reads, if it is the sample.
    clock: Option<fn() -> Instant>,
    /// The place after the event, and the time.
    taken: Option<(Cursor, Instant)>,
}

impl Sample {
    /// Has the time of the next publication taken.
    pub(super) fn request(&mut self, clock: fn() -> Instant) {
        self.clock = Some(clock);
    }

    /// The clock, if this publication is the sample.
    pub(super) fn take_clock(&mut self) -> Option<fn() -> Instant> {
        self.clock.take()
    }

    pub(super) fn set(&mut self, end: Cursor, time: Instant) {
        self.taken = Some((end, time));
    }

    /// When the event before this place was published, if its time was taken.
    pub(super) fn time_before(&self, place: Cursor) -> Option<Instant> {
        self.taken.filter(|(end, _)| *end == place).map(|(_, time)| time)
    }
}
