//! Points in time on the caller's clock.

use core::ops::Add;
use core::time::Duration;

/// A point in time, in nanoseconds on the caller's clock.
///
/// The core never reads a clock: the driver passes the time. Any monotonic clock
/// works, wherever its zero is.
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

    /// The nanoseconds between the clock's zero and this point.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this point; zero, if `earlier` is later.
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Saturates at the latest point, some 584 years after the clock's zero.
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

    /// The first instant that was converted. All others are counted from it,
    /// forwards and backwards.
    static ANCHOR: OnceLock<std::time::Instant> = OnceLock::new();

    /// The anchor in nanoseconds: far from zero, so that a clock that was paused
    /// before the anchor was set still advances.
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

    /// For deadlines only: a point that is too late for std becomes a year after the
    /// first instant that was converted, and one that is too early becomes that instant.
    impl From<Instant> for std::time::Instant {
        fn from(time: Instant) -> Self {
            let anchor = *ANCHOR.get_or_init(clock);
            let (after, before) = (time.0.saturating_sub(OFFSET), OFFSET.saturating_sub(time.0));
            if before > 0 {
                return anchor.checked_sub(Duration::from_nanos(before)).unwrap_or(anchor);
            }
            let point = anchor.checked_add(Duration::from_nanos(after));
            point.unwrap_or_else(|| anchor + Duration::from_secs(365 * 24 * 60 * 60))
        }
    }

    /// Reads std's clock. This only happens if no instant of std was converted before.
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
    fn an_addition_saturates() {
        assert_eq!(Instant::from_nanos(1) + Duration::MAX, Instant::from_nanos(u64::MAX));
    }
}
