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
    /// When the stream is aborted, whether it is finite or not.
    pub abort_at: Instant,
}
