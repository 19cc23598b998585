//! A handle of one stream: an extension of its request, by which the stream is ended from elsewhere.

use std::any::Any;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use lasse_core::EndReason;

use super::Signal;
use super::end_switch::EndSwitch;

/// A handle of one stream: an extension of its request, by which the stream is ended from elsewhere.
///
/// The stream must be admitted by a [`Gate`](crate::Gate), of its endpoint or of its server. The
/// guard of the handle is dropped when the stream has closed, or when the request was refused. So a
/// layer with limits of its own, such as over several nodes, knows which streams are open.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, Weak};
/// use std::time::Duration;
/// use lasse_tokio::lasse_core::EndReason;
/// use lasse_tokio::StreamHandle;
///
/// let place = Arc::new("a place");
/// let is_open: Weak<_> = Arc::downgrade(&place);
/// let handle = StreamHandle::new(place);
///
/// let mut request = http::Request::get("/news").body(())?;
/// request.extensions_mut().insert(handle.clone());
/// assert!(handle.end(EndReason::Replaced, Duration::from_secs(60)));
/// # drop(request); drop(handle);
/// assert!(is_open.upgrade().is_none());
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone)]
pub struct StreamHandle(Arc<Shared>);

struct Shared {
    end: EndSwitch,
    /// Called when the stream opens, once.
    opened: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    _guard: Box<dyn Any + Send + Sync>,
}

impl StreamHandle {
    /// A handle for one request. `guard` is dropped with its last clone, which the stream has.
    pub fn new(guard: impl Any + Send + Sync) -> Self {
        Self(Arc::new(Shared {
            end: EndSwitch::default(),
            opened: Mutex::default(),
            _guard: Box::new(guard),
        }))
    }

    /// The same, and `opened` is called when the stream opens: all gates have admitted it, and `init`
    /// has not refused it. So a layer can reserve a place for a request, and end an older stream only
    /// when the new one opens.
    pub fn with_opened(
        guard: impl Any + Send + Sync,
        opened: impl FnOnce() + Send + 'static,
    ) -> Self {
        let handle = Self::new(guard);
        *handle.lock_opened() = Some(Box::new(opened));
        handle
    }

    /// Ends the stream, now or when it opens: mostly as [`EndReason::Revoked`] or
    /// [`EndReason::Replaced`]. Its client returns after `retry`. Returns `false` if this was called
    /// before.
    pub fn end(&self, reason: EndReason, retry: Duration) -> bool {
        self.0.end.end(reason, retry)
    }

    /// A handle that does not keep the guard.
    pub fn downgrade(&self) -> WeakStreamHandle {
        WeakStreamHandle(Arc::downgrade(&self.0))
    }

    /// The stream opens.
    pub(super) fn set_opened(&self) {
        let opened = mem::take(&mut *self.lock_opened());
        if let Some(opened) = opened {
            opened();
        }
    }

    fn lock_opened(&self) -> MutexGuard<'_, Option<Box<dyn FnOnce() + Send>>> {
        self.0.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn poll_end(&self, cx: &Context<'_>) -> Poll<Signal> {
        self.0.end.poll_end(cx)
    }
}

impl fmt::Debug for StreamHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamHandle").finish_non_exhaustive()
    }
}

/// A handle of a stream that does not keep the guard of its [`StreamHandle`].
#[derive(Clone)]
pub struct WeakStreamHandle(std::sync::Weak<Shared>);

impl WeakStreamHandle {
    /// The handle, if the stream is still open.
    pub fn upgrade(&self) -> Option<StreamHandle> {
        self.0.upgrade().map(StreamHandle)
    }
}

impl fmt::Debug for WeakStreamHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakStreamHandle").finish_non_exhaustive()
    }
}
