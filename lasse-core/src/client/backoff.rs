//! How long to wait before connecting again.

use core::time::Duration;

/// How long a [`Client`](crate::Client) waits before it reconnects.
///
/// The shortest wait is the reconnection time: the value of the server's `retry:`, or 3 seconds.
/// Each failed attempt doubles the next wait, as HTML 9.2.3 allows.
#[doc(alias = "retry policy")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    floor: Duration,
    ceiling: Duration,
    jitter: u32,
    reset_after: Duration,
    max_server_delay: Duration,
}

impl Backoff {
    /// Waits of at least half a second, doubled up to a minute, and up to half
    /// as long again at random.
    pub const fn new() -> Self {
        Self {
            floor: Duration::from_millis(500),
            ceiling: Duration::from_secs(60),
            jitter: 50,
            reset_after: Duration::from_secs(30),
            max_server_delay: Duration::from_secs(60 * 60),
        }
    }

    /// Sets the shortest wait, whatever the server asks for: half a second, if not
    /// set. If it is zero, `retry: 0` lets the client reconnect at once, and
    /// failed attempts double their wait from a millisecond.
    #[must_use]
    pub const fn with_floor(self, floor: Duration) -> Self {
        Self { floor, ..self }
    }

    /// Sets the wait up to which failed attempts double it: a minute, if not set. A server can ask
    /// for more.
    #[must_use]
    pub const fn with_ceiling(self, ceiling: Duration) -> Self {
        Self { ceiling, ..self }
    }

    /// Sets how much longer a wait can be at random, in per cent: 50, if not set.
    /// Clients that lost the same server then do not reconnect all at once.
    #[must_use]
    pub const fn with_jitter(self, percent: u32) -> Self {
        Self { jitter: percent, ..self }
    }

    /// Sets after what time a stream counts as a success even if it brought nothing
    /// new: 30 seconds, if not set.
    #[must_use]
    pub const fn with_reset_after(self, duration: Duration) -> Self {
        Self { reset_after: duration, ..self }
    }

    /// Sets the longest delay that a server can ask for, by `retry:` or `Retry-After`: an hour, if
    /// not set. A longer one is reduced to this.
    #[must_use]
    pub const fn with_max_server_delay(self, delay: Duration) -> Self {
        Self { max_server_delay: delay, ..self }
    }

    /// Whether a stream that was open for `duration` counts as a success.
    pub(super) fn is_reset_after(&self, duration: Duration) -> bool {
        duration >= self.reset_after
    }

    /// How a delay counts that the server asked for.
    pub(super) fn limit(&self, server_delay: Duration) -> Duration {
        server_delay.min(self.max_server_delay)
    }

    /// The wait after `failures` failed attempts in a row, with the reconnection
    /// time `retry`. `random` is any number.
    ///
    /// A `Client` calls it by itself. It is for other loops that reconnect.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::time::Duration;
    /// use lasse_core::client::Backoff;
    ///
    /// let backoff = Backoff::new().with_floor(Duration::from_millis(50)).with_jitter(0);
    /// let delays = [1, 2, 3].map(|failures| backoff.delay(Duration::ZERO, failures, 0));
    /// assert_eq!(delays, [50, 100, 200].map(Duration::from_millis));
    /// ```
    pub fn delay(&self, retry: Duration, failures: u32, random: u64) -> Duration {
        let least = retry.max(self.floor);
        let least = if failures == 0 { least } else { least.max(LEAST_AFTER_FAILURE) };
        let factor = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let delay = least.saturating_mul(factor).min(self.ceiling.max(least));
        let spread = delay.saturating_mul(self.jitter) / 100;
        delay.saturating_add(fraction(spread, random))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

/// `spread` times `random` / 2^64.
fn fraction(spread: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(spread.as_nanos()).unwrap_or(u64::MAX);
    let part = (u128::from(nanos) * u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
}

/// The shortest wait after a failed attempt: zero cannot be doubled.
const LEAST_AFTER_FAILURE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn failures_double_the_reconnection_time_up_to_the_ceiling() {
        let backoff = Backoff::new().with_ceiling(seconds(20));
        let waits = [0, 1, 2, 3, 4, 5, 40, u32::MAX]
            .map(|failures| backoff.delay(seconds(3), failures, 0).as_secs());
        assert_eq!(waits, [3, 3, 6, 12, 20, 20, 20, 20]);
    }

    #[test]
    fn a_stream_that_was_open_for_the_time_to_reset_after_is_a_success() {
        let backoff = Backoff::new().with_reset_after(seconds(5));
        assert_eq!([4, 5].map(|open| backoff.is_reset_after(seconds(open))), [false, true]);
    }

    #[test]
    fn the_floor_also_applies_to_a_retry_of_zero() {
        assert_eq!(Backoff::new().delay(Duration::ZERO, 0, 0), Duration::from_millis(500));
    }

    #[test]
    fn the_ceiling_does_not_shorten_the_reconnection_time() {
        let backoff = Backoff::new().with_ceiling(seconds(20));
        assert_eq!(backoff.delay(seconds(90), 7, 0), seconds(90));
        assert_eq!(backoff.delay(Duration::MAX, 7, u64::MAX), Duration::MAX);
    }

    #[test]
    fn jitter_makes_a_wait_longer_and_never_shorter() {
        let backoff = Backoff::new().with_jitter(50);
        assert_eq!(backoff.delay(seconds(4), 0, 0), seconds(4));
        assert_eq!(backoff.delay(seconds(4), 0, 1 << 63), seconds(5));
        let most = backoff.delay(seconds(4), 0, u64::MAX);
        assert!(most > Duration::from_millis(5999) && most < seconds(6), "{most:?}");
    }
}
