//! One stream's part in the shutdown of a server.

use core::time::Duration;

use crate::time::Instant;

/// When a stream ends because its server shuts down, and when its client may
/// come back.
///
/// Give each stream a time and a delay of its own, or all clients come back at
/// once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// When the stream is told to come back and ends cleanly. A
    /// [finite](crate::StreamConfig::with_finite) one goes on.
    pub end_at: Instant,
    /// How long the client is to wait before it comes back, in whole
    /// milliseconds.
    pub retry: Duration,
    /// When the stream is aborted, finished or not.
    pub abort_at: Instant,
}
