//! A count of the bytes that readers hold.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// The bytes of the slices that were read from a log and are not dropped yet.
///
/// A clone is the same gauge. Relaxed is enough: the number orders nothing else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauge(Arc<AtomicUsize>);

impl Gauge {
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// The same bytes, counted until their last clone is dropped.
    #[inline]
    pub(crate) fn count(&self, bytes: Bytes) -> Bytes {
        self.0.fetch_add(bytes.len(), Ordering::Relaxed);
        Bytes::from_owner(Counted { bytes, gauge: self.clone() })
    }
}

struct Counted {
    bytes: Bytes,
    gauge: Gauge,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gauge.0.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}
