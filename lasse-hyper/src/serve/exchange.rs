//! The response that an HTTP/1.1 connection is writing: what the service decides about
//! it, and what the socket and the connection's task do.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::upgrade::UpgradedConnection;

/// The state that the service, the body and the socket of one hyper connection share.
///
/// All of them run in the task of the connection, one after the other.
#[derive(Debug)]
pub(super) struct Exchange<B> {
    mode: AtomicU8,
    /// Whether a request has arrived whose response is not complete.
    is_busy: AtomicBool,
    /// Whether hyper has asked for the body of a response: its head is encoded.
    is_head_encoded: AtomicBool,
    /// Whether the response waits for the task to allow an upgrade.
    wants_upgrade: AtomicBool,
    /// The body that is left to the task.
    body: Mutex<Option<B>>,
    upgraded: Mutex<Option<UpgradedConnection>>,
}

/// What happens with the bytes that hyper writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteMode {
    /// They go to the socket.
    Direct,
    /// They go to the socket, and it is reset unless the response is completed: the end
    /// of the connection ends the body (RFC 9112 6.3), so a client cannot distinguish a body
    /// that is cut off from a complete one.
    CloseDelimited,
    /// They are kept: the task of the connection will write them, with the body.
    Capture,
    /// They go to the socket, which is shared from now on with the task of the
    /// connection: another protocol follows.
    Upgrade,
}

impl<B> Exchange<B> {
    pub(super) fn new() -> Self {
        Self {
            mode: AtomicU8::new(WriteMode::Direct as u8),
            is_busy: AtomicBool::new(false),
            is_head_encoded: AtomicBool::new(false),
            wants_upgrade: AtomicBool::new(false),
            body: Mutex::new(None),
            upgraded: Mutex::new(None),
        }
    }

    pub(super) fn mode(&self) -> WriteMode {
        const MODES: [WriteMode; 3] =
            [WriteMode::CloseDelimited, WriteMode::Capture, WriteMode::Upgrade];
        let mode = self.mode.load(Ordering::Relaxed);
        MODES.into_iter().find(|known| *known as u8 == mode).unwrap_or(WriteMode::Direct)
    }

    pub(super) fn set_mode(&self, mode: WriteMode) {
        self.mode.store(mode as u8, Ordering::Relaxed);
    }

    pub(super) fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Relaxed)
    }

    pub(super) fn set_busy(&self, is_busy: bool) {
        self.is_busy.store(is_busy, Ordering::Relaxed);
    }

    /// Leaves a body to the task of the connection. Hyper writes only the head, which
    /// the socket keeps.
    pub(super) fn hand_over(&self, body: B) {
        *lock(&self.body) = Some(body);
        self.set_mode(WriteMode::Capture);
    }

    pub(super) fn handle_head_encoded(&self) {
        self.is_head_encoded.store(true, Ordering::Relaxed);
    }

    /// The body that was left to the task, once hyper has encoded the head.
    pub(super) fn take_body(&self) -> Option<B> {
        if !self.is_head_encoded.load(Ordering::Relaxed) {
            return None;
        }
        lock(&self.body).take()
    }

    pub(super) fn wants_upgrade(&self) -> bool {
        self.wants_upgrade.load(Ordering::Relaxed)
    }

    pub(super) fn set_wants_upgrade(&self, wants_upgrade: bool) {
        self.wants_upgrade.store(wants_upgrade, Ordering::Relaxed);
    }

    pub(super) fn set_upgraded(&self, connection: UpgradedConnection) {
        *lock(&self.upgraded) = Some(connection);
    }

    pub(super) fn take_upgraded(&self) -> Option<UpgradedConnection> {
        lock(&self.upgraded).take()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
