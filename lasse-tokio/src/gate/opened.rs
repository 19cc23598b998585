//! When a stream was opened, in three bytes.

use std::time::Duration;

use lasse_core::Instant;

/// When a stream was opened, if it is in the metrics. It takes the bytes that a permit has left.
///
/// It counts 32nds of a second, which repeat after six days: of a longer time it returns the
/// rest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Opened([u8; 3]);

impl Opened {
    /// Zero is for streams that are not in the metrics.
    pub(super) fn at(now: Instant) -> Self {
        let [a, b, c, ..] = (ticks(now) % CYCLE + 1).to_le_bytes();
        Self([a, b, c])
    }

    /// The time since then, if the stream is in the metrics.
    pub(super) fn until(self, now: Instant) -> Option<Duration> {
        let [a, b, c] = self.0;
        let opened = u64::from(u32::from_le_bytes([a, b, c, 0])).checked_sub(1)?;
        let passed = (ticks(now) % CYCLE + CYCLE - opened) % CYCLE;
        Some(Duration::from_nanos(passed * TICK_NANOS))
    }
}

fn ticks(now: Instant) -> u64 {
    now.as_nanos() / TICK_NANOS
}

/// Two to the power of 24 is the first number that does not fit; zero is taken.
const CYCLE: u64 = (1 << 24) - 1;

const TICK_NANOS: u64 = 1_000_000_000 / 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_since_a_stream_was_opened_is_known_for_six_days() {
        let begin = Instant::from_nanos(CYCLE * TICK_NANOS * 77 - TICK_NANOS);
        for ticks in [0, 1, 2, 32, CYCLE - 1] {
            let later = begin + Duration::from_nanos(ticks * TICK_NANOS);
            let time = Duration::from_nanos(ticks * TICK_NANOS);
            assert_eq!(Opened::at(begin).until(later), Some(time), "{ticks}");
        }
        assert_eq!(Opened::default().until(begin), None);
    }
}
