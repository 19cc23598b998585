//! Whether a request was read to its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a request was read to its end. A clone is the same.
///
/// It is in the extensions of each HTTP/1.1 request with a body. A service that wraps
/// the body can take it, and say so.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestEnd(Arc<AtomicBool>);

impl RequestEnd {
    /// The body has returned its end, without an error.
    #[cfg(feature = "axum")]
    pub(crate) fn handle_read(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_read(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
