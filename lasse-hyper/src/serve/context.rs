//! The context of one open connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use lasse_tokio::{Gate, PeerAddr, ServeConfig};

use crate::end_reason_cell::EndReasonCell;

/// The settings that all connections of a server share.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) config: ServeConfig,
    pub(super) gate: Gate,
    /// Made once, since each connection needs it.
    pub(super) http1: http1::Builder,
    pub(super) http2_idle_timeout: Duration,
}

/// The context of one open connection.
#[derive(Debug)]
pub(super) struct ConnectionContext {
    pub(super) settings: Arc<Settings>,
    pub(super) peer: PeerAddr,
    /// Why the connection ended, and every stream on it.
    pub(super) end_reason: EndReasonCell,
    has_request: AtomicBool,
    has_new_wake: AtomicBool,
}

impl ConnectionContext {
    pub(super) fn new(settings: Arc<Settings>, peer: PeerAddr) -> Self {
        Self {
            settings,
            peer,
            end_reason: EndReasonCell::new(),
            has_request: AtomicBool::new(false),
            has_new_wake: AtomicBool::new(false),
        }
    }

    /// The head of a request has arrived.
    pub(super) fn handle_request(&self) {
        self.has_request.store(true, Ordering::Relaxed);
    }

    /// Whether the head of a request has ever arrived.
    pub(super) fn has_request(&self) -> bool {
        self.has_request.load(Ordering::Relaxed)
    }

    /// The task of the connection was woken.
    pub(super) fn handle_wake(&self) {
        self.has_new_wake.store(true, Ordering::Relaxed);
    }

    /// Whether the task was woken since a body returned `Pending`. Until then, the body
    /// need not be polled again.
    pub(super) fn has_new_wake(&self) -> bool {
        self.has_new_wake.load(Ordering::Relaxed)
    }

    /// A body returned `Pending`.
    pub(super) fn handle_pending(&self) {
        self.has_new_wake.store(false, Ordering::Relaxed);
    }
}
