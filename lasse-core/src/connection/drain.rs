//! The part of one stream in the shutdown of a server.

use core::time::Duration;

use crate::time::Instant;

/// When a stream ends because its server shuts down, and when its client
/// reconnects.
///
/// Give each stream a time and a delay of its own, so that not all clients reconnect
/// at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "shutdown")]
pub struct Drain {
    /// When the stream sends `retry` and ends cleanly. A
    /// [finite](crate::StreamConfig::with_finite) stream continues.
    pub end_at: Instant,
    /// How long the client waits before it reconnects, in whole milliseconds.
    pub retry: Duration,
    /// From `end_at` on, a client that takes no byte for so long has stalled, even if the
    /// [write timeout](crate::StreamConfig::with_write_timeout) is longer. The time before
    /// counts: a stream whose client has stalled by then is aborted at `end_at`.
    pub stall_timeout: Duration,
    /// When the stream is aborted, whether it is finite or not. If this is not later than
    /// `end_at`, the stream is left a tenth of a second to send `retry`.
    pub abort_at: Instant,
}

impl Drain {
    /// When a client has stalled that has taken no byte since `progress_at`.
    pub(super) fn stalled_at(&self, progress_at: Instant) -> Instant {
        self.end_at.max(progress_at + self.stall_timeout)
    }

    /// Leaves a stream that ends now the time to send `retry`.
    pub(super) fn leave_time(&mut self, now: Instant) {
        self.abort_at = self.abort_at.max(now + TIME_FOR_RETRY);
    }
}

const TIME_FOR_RETRY: Duration = Duration::from_millis(100);
