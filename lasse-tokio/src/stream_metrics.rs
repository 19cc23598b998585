//! The metrics of writes, if the feature `metrics` is on.

use lasse_core::{Connection, Instant, Source};

/// Called for each write of a stream, before the stream knows of it.
#[cfg(not(feature = "metrics"))]
#[inline]
pub(crate) fn written<S: Source>(_: usize, _: &Connection<S>, _: Instant) {}

/// Called for each write of a stream, before the stream knows of it.
#[cfg(feature = "metrics")]
pub(crate) fn written<S: Source>(n: usize, stream: &Connection<S>, now: Instant) {
    metrics::counter!("lasse_bytes_written_total").increment(n as u64);
    if sampling::is_sample() && stream.is_sending() {
        if let Some(progress) = stream.source().progress() {
            sampling::record(progress, now);
        }
    }
}

#[cfg(feature = "metrics")]
mod sampling {
    use std::cell::Cell;

    use lasse_core::{Instant, Progress};

    thread_local! {
        /// How many writes of this thread there were since the last sample.
        static WRITES: Cell<u32> = const { Cell::new(0) };
    }

    /// Whether this write is a sample.
    pub(super) fn is_sample() -> bool {
        WRITES.with(|writes| {
            let count = writes.get() + 1;
            writes.set(count % WRITES_A_SAMPLE);
            count == WRITES_A_SAMPLE
        })
    }

    pub(super) fn record(progress: Progress, now: Instant) {
        let behind = progress.behind as f64;
        metrics::histogram!("lasse_reader_lag_events").record(behind);
        // A log that has dropped nothing yet has room for more.
        let share = progress.ahead_of_oldest.map_or(0.0, |ahead| {
            let held = ahead as f64 + behind;
            if held > 0.0 { behind / held } else { 0.0 }
        });
        metrics::histogram!("lasse_reader_lag_share").record(share);
        if let Some(published) = progress.published {
            let time = now.saturating_duration_since(published);
            metrics::histogram!("lasse_publish_to_write_seconds").record(time.as_secs_f64());
        }
    }

    /// Of how many writes of a thread one is a sample.
    const WRITES_A_SAMPLE: u32 = 16;
}
