//! Chance, so that what many clients do is not done by all at once.

use std::hash::{BuildHasher, RandomState};
use std::ops::RangeInclusive;
use std::time::Duration;

/// A number that no one can foresee, for what asks to be spread:
/// [`Client::poll_output`](lasse_core::Client::poll_output). Not for secrets.
pub fn chance() -> u64 {
    // Each state has keys of its own, by which it hashes.
    RandomState::new().hash_one(())
}

/// The point of `span` that `random` selects: 0 is its start, `u64::MAX` its end. If the span ends
/// before it starts, its start.
pub(crate) fn draw(span: RangeInclusive<Duration>, random: u64) -> Duration {
    let (start, end) = span.into_inner();
    let width = u64::try_from(end.saturating_sub(start).as_nanos()).unwrap_or(u64::MAX);
    let drawn = u128::from(width) * u128::from(random) / u128::from(u64::MAX);
    start + Duration::from_nanos(u64::try_from(drawn).unwrap_or(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn draws_are_spread_over_the_whole_span() {
        let mut tenths = [0; 10];
        for _ in 0..10_000 {
            let drawn = draw(SECOND..=2 * SECOND, chance());
            assert!(drawn >= SECOND && drawn <= 2 * SECOND);
            let tenth = (drawn - SECOND).as_millis() / 100;
            tenths[usize::try_from(tenth).unwrap().min(9)] += 1;
        }
        assert!(tenths.iter().all(|count| (800..1200).contains(count)), "{tenths:?}");
    }

    #[test]
    fn a_span_without_width_holds_its_start_alone() {
        for random in [0, 1, u64::MAX] {
            assert_eq!(draw(SECOND..=SECOND, random), SECOND);
            assert_eq!(draw(2 * SECOND..=SECOND, random), 2 * SECOND);
            assert!(draw(Duration::ZERO..=Duration::MAX, random) <= Duration::MAX);
        }
    }
}
