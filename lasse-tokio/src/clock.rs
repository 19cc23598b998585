//! Tokio's clock, which tests can pause.

use lasse_core::Instant;

/// What time it is, to tokio.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std().into()
}

/// A time, as tokio has it.
pub(crate) fn at(time: Instant) -> tokio::time::Instant {
    tokio::time::Instant::from_std(time.into())
}
