//! The deadlines of a stream.

use core::time::Duration;

use crate::time::Instant;

/// All deadlines of a stream. Its state decides which of them apply.
#[derive(Clone, Debug)]
pub(crate) struct Deadlines {
    /// A keep-alive must be sent.
    pub(crate) keep_alive: Deadline,
    /// The stream reaches its maximum age.
    pub(crate) age: Deadline,
    /// The source must be polled.
    pub(crate) source: Deadline,
}

impl Default for Deadlines {
    fn default() -> Self {
        let never = Deadline::NEVER;
        Self { keep_alive: never, age: never, source: never }
    }
}

/// A point in time, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) const NEVER: Self = Self(Instant::from_nanos(u64::MAX));

    pub(crate) fn at(time: Option<Instant>) -> Self {
        time.map_or(Self::NEVER, Self)
    }

    pub(crate) fn after(now: Instant, delay: Option<Duration>) -> Self {
        Self::at(delay.map(|delay| now + delay))
    }

    pub(crate) fn is_due(self, now: Instant) -> bool {
        self != Self::NEVER && self.0 <= now
    }

    pub(crate) fn time(self) -> Option<Instant> {
        (self != Self::NEVER).then_some(self.0)
    }
}
