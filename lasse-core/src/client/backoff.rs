//! How long to wait before connecting again.

use core::time::Duration;

/// How long a [`Client`](crate::Client) waits before it connects again.
///
/// The least it waits is what the server asked for by `retry:`, or 3 seconds. An
/// attempt that comes to nothing doubles the next wait; "optionally, wait some
/// more" is what HTML 9.2.3 says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    floor: Duration,
    ceiling: Duration,
    jitter: u32,
    reset_after: Duration,
}

impl Backoff {
    /// Waits of half a second at least, doubled up to a minute, and up to half
    /// as much again at random.
    pub const fn new() -> Self {
        Self {
            floor: Duration::from_millis(500),
            ceiling: Duration::from_secs(60),
            jitter: 50,
            reset_after: Duration::from_secs(30),
        }
    }

    /// Sets the shortest wait, whatever the server asks for: `retry: 0` is no
    /// licence for a tight loop.
    #[must_use]
    pub const fn with_floor(self, floor: Duration) -> Self {
        Self { floor, ..self }
    }

    /// Sets up to where a wait is doubled. A server may still ask for more.
    #[must_use]
    pub const fn with_ceiling(self, ceiling: Duration) -> Self {
        Self { ceiling, ..self }
    }

    /// Sets how much longer a wait may be at random, in per cent, so that a
    /// thousand clients that lost the same server do not come back as one.
    #[must_use]
    pub const fn with_jitter(self, per_cent: u32) -> Self {
        Self { jitter: per_cent, ..self }
    }

    /// Sets how long a stream must live not to count as an attempt that came to
    /// nothing, even if it brought nothing new.
    #[must_use]
    pub const fn with_reset_after(self, life: Duration) -> Self {
        Self { reset_after: life, ..self }
    }

    pub(super) fn has_lived(&self, life: Duration) -> bool {
        life >= self.reset_after
    }

    /// The wait after `failures` attempts in a row that came to nothing, when
    /// the server asked for `retry`.
    pub(super) fn delay(&self, retry: Duration, failures: u32, random: u64) -> Duration {
        let least = retry.max(self.floor);
        let factor = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let delay = least.saturating_mul(factor).min(self.ceiling.max(least));
        let spread = delay.saturating_mul(self.jitter) / 100;
        delay.saturating_add(part_of(spread, random))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

/// The part of `spread` that `random` is of all numbers.
fn part_of(spread: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(spread.as_nanos()).unwrap_or(u64::MAX);
    let part = (u128::from(nanos) * u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_wait_is_what_the_server_asks_for_then_doubles_up_to_the_ceiling() {
        let backoff = Backoff::new().with_ceiling(seconds(20));
        let waits = [0, 1, 2, 3, 4, 5, 40, u32::MAX]
            .map(|failures| backoff.delay(seconds(3), failures, 0).as_secs());
        assert_eq!(waits, [3, 3, 6, 12, 20, 20, 20, 20]);
    }

    #[test]
    fn the_floor_holds_against_a_retry_of_nothing() {
        assert_eq!(Backoff::new().delay(Duration::ZERO, 0, 0), Duration::from_millis(500));
    }

    #[test]
    fn the_ceiling_is_none_for_what_the_server_asks_for() {
        let backoff = Backoff::new().with_ceiling(seconds(20));
        assert_eq!(backoff.delay(seconds(90), 7, 0), seconds(90));
        assert_eq!(backoff.delay(Duration::MAX, 7, u64::MAX), Duration::MAX);
    }

    #[test]
    fn jitter_makes_a_wait_longer_never_shorter() {
        let backoff = Backoff::new().with_jitter(50);
        assert_eq!(backoff.delay(seconds(4), 0, 0), seconds(4));
        assert_eq!(backoff.delay(seconds(4), 0, 1 << 63), seconds(5));
        let most = backoff.delay(seconds(4), 0, u64::MAX);
        assert!(most > Duration::from_millis(5999) && most < seconds(6), "{most:?}");
    }
}
