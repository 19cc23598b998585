//! The one place that reads a clock: real sockets live in real time.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "real sockets live in real time")]
pub(super) fn now() -> Instant {
    Instant::now()
}
