//! A point on the caller's monotonic clock.

use core::ops::Add;
use core::time::Duration;

/// A point in time, in nanoseconds on a clock of the caller's.
///
/// The core never reads a clock: whoever drives it says what time it is. Any
/// clock that does not run backwards will do, wherever it starts.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use lasse_core::Instant;
///
/// let boot = Instant::from_nanos(0);
/// let later = boot + Duration::from_millis(15);
/// assert_eq!(later.saturating_duration_since(boot), Duration::from_millis(15));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The point `nanos` nanoseconds after the clock's zero.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// How many nanoseconds lie between the clock's zero and this point.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; nothing, if it is yet to come.
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Stops at the end of time, some 584 years after the clock's zero.
impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

#[cfg(feature = "std")]
mod std_clock {
    use std::sync::OnceLock;

    use super::{Duration, Instant};

    /// The first instant that was converted; all others are counted from it,
    /// in both directions.
    static ANCHOR: OnceLock<std::time::Instant> = OnceLock::new();

    /// Where the anchor lies: far from zero, so that a clock which was paused
    /// before the anchor was cast still moves.
    const OFFSET: u64 = 1 << 62;

    impl From<std::time::Instant> for Instant {
        fn from(time: std::time::Instant) -> Self {
            let anchor = *ANCHOR.get_or_init(|| time);
            match time.checked_duration_since(anchor) {
                Some(after) => Self(OFFSET) + after,
                None => {
                    let before = anchor.saturating_duration_since(time);
                    let nanos = u64::try_from(before.as_nanos()).unwrap_or(u64::MAX);
                    Self(OFFSET.saturating_sub(nanos))
                }
            }
        }
    }

    /// Of no use but to wait for: a point so far ahead that std cannot tell it
    /// comes back as a year after the anchor, and one so far back as the anchor.
    impl From<Instant> for std::time::Instant {
        fn from(time: Instant) -> Self {
            let anchor = *ANCHOR.get_or_init(clock);
            let (ahead, back) = (time.0.saturating_sub(OFFSET), OFFSET.saturating_sub(time.0));
            if back > 0 {
                return anchor.checked_sub(Duration::from_nanos(back)).unwrap_or(anchor);
            }
            let point = anchor.checked_add(Duration::from_nanos(ahead));
            point.unwrap_or_else(|| anchor + Duration::from_secs(365 * 24 * 60 * 60))
        }
    }

    /// Reads std's clock, which only happens to who asks for a std instant
    /// before having given one.
    #[expect(clippy::disallowed_methods, reason = "an anchor must be some instant, any instant")]
    fn clock() -> std::time::Instant {
        std::time::Instant::now()
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods)]
    fn times_before_and_after_the_anchor_keep_their_distance() {
        let anchor = std::time::Instant::now();
        let here = Instant::from(anchor);
        let hour = Duration::from_secs(3600);
        assert_eq!(Instant::from(anchor + hour), here + hour);
        let earlier = anchor.checked_sub(Duration::from_secs(1)).unwrap();
        assert_eq!(Instant::from(earlier) + Duration::from_secs(1), here);
        assert_eq!(std::time::Instant::from(Instant::from(earlier)), earlier);
        assert_eq!(std::time::Instant::from(here + hour), anchor + hour);
        assert!(std::time::Instant::from(Instant::from_nanos(0)) <= anchor);
    }

    #[test]
    fn the_end_of_time_is_not_passed() {
        assert_eq!(Instant::from_nanos(1) + Duration::MAX, Instant::from_nanos(u64::MAX));
    }
}
