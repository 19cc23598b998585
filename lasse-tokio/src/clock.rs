//! Tokio's clock, which tests can pause.

use lasse_core::Instant;

/// What time it is, to tokio.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std().into()
}
