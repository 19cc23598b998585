//! Random times, so that many clients do not do the same thing at once.

use std::hash::{BuildHasher, RandomState};
use std::ops::RangeInclusive;
use std::time::Duration;

/// A random number. It is not for secrets.
pub(crate) fn random() -> u64 {
    // Each state hashes with keys of its own.
    RandomState::new().hash_one(())
}

/// The point of `span` that `random` selects: 0 is its start, `u64::MAX` its end. If the span ends
/// before it starts, its start.
pub(crate) fn point_in(span: RangeInclusive<Duration>, random: u64) -> Duration {
    let (start, end) = span.into_inner();
    let width = u64::try_from(end.saturating_sub(start).as_nanos()).unwrap_or(u64::MAX);
    let offset = u128::from(width) * u128::from(random) / u128::from(u64::MAX);
    start + Duration::from_nanos(u64::try_from(offset).unwrap_or(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn random_points_are_spread_over_the_whole_span() {
        let mut tenths = [0; 10];
        for _ in 0..10_000 {
            let point = point_in(SECOND..=2 * SECOND, random());
            assert!(point >= SECOND && point <= 2 * SECOND);
            let tenth = (point - SECOND).as_millis() / 100;
            tenths[usize::try_from(tenth).unwrap().min(9)] += 1;
        }
        assert!(tenths.iter().all(|count| (800..1200).contains(count)), "{tenths:?}");
    }

    #[test]
    fn a_point_is_in_the_span_or_at_the_start_of_an_empty_one() {
        let (none, all, last) = (Duration::ZERO, Duration::MAX, Duration::MAX - SECOND);
        for random in [0, 1, u64::MAX] {
            assert_eq!(point_in(SECOND..=SECOND, random), SECOND);
            assert_eq!(point_in(2 * SECOND..=SECOND, random), 2 * SECOND);
            assert_eq!(point_in(none..=none, random), none);
            assert_eq!(point_in(all..=all, random), all);
            assert!(point_in(none..=all, random) <= all);
            assert!((last..=all).contains(&point_in(last..=all, random)));
        }
    }
}
