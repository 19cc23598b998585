//! A connection that was upgraded to another protocol, like WebSocket.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::transport::Transport;

/// The transport of an upgraded connection, in the hands of the user. It is shared with
/// the task of the connection, which can close it.
#[derive(Debug)]
pub(super) struct SharedTransport<Io> {
    io: Arc<Mutex<Io>>,
    /// Notifies the task that this is dropped.
    _open: oneshot::Sender<Infallible>,
}

/// The same connection, in its task: it counts as open until the user drops it, and is
/// closed when the server has shut down.
#[derive(Debug)]
pub(super) struct UpgradedConnection {
    io: Weak<dyn ShutDown>,
    dropped: oneshot::Receiver<Infallible>,
}

/// Shares the transport of a connection that is upgraded.
pub(super) fn share<Io: Transport>(io: Io) -> (SharedTransport<Io>, UpgradedConnection) {
    let io = Arc::new(Mutex::new(io));
    let (open, dropped) = oneshot::channel();
    let weak: Weak<Mutex<Io>> = Arc::downgrade(&io);
    (SharedTransport { io, _open: open }, UpgradedConnection { io: weak, dropped })
}

impl<Io: Transport> SharedTransport<Io> {
    pub(super) fn with<T>(&self, poll: impl FnOnce(Pin<&mut Io>) -> T) -> T {
        poll(Pin::new(&mut self.io.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl UpgradedConnection {
    /// Ready when the user has dropped the connection.
    pub(super) fn poll_dropped(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.dropped).poll(cx).map(drop)
    }

    /// Closes the connection now: the user's task reads the end, and cannot write.
    pub(super) fn shut_down(&self) {
        if let Some(io) = self.io.upgrade() {
            io.shut_down();
        }
    }
}

trait ShutDown: Send + Sync + std::fmt::Debug {
    fn shut_down(&self);
}

impl<Io: Transport> ShutDown for Mutex<Io> {
    fn shut_down(&self) {
        self.lock().unwrap_or_else(PoisonError::into_inner).shut_down();
    }
}
