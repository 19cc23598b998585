//! The byte stream of a connection: TCP, or TLS over it.

use std::fmt::Debug;
use std::io;

use lasse_tokio::lasse_core::EndReason;
use lasse_tokio::{Socket, WriteDeadline};
use tokio::io::{AsyncRead, AsyncWrite};

/// The byte stream of a connection, for
/// [`ConnectionServer`](crate::server::ConnectionServer): a [`Socket`], or one of your own.
///
/// Writes must have a timeout, as with [`WriteDeadline`](lasse_tokio::WriteDeadline),
/// because a client that reads nothing is not noticed otherwise.
pub trait Transport: AsyncRead + AsyncWrite + Debug + Unpin + Send + 'static {
    /// Sets whether the connection is reset when this is dropped, even if the process
    /// is killed. The client then gets an error instead of a clean end.
    fn set_reset_on_drop(&self, is_reset: bool);

    /// Closes both directions now, though another task uses them.
    fn shut_down(&self);
}

impl Transport for Socket {
    fn set_reset_on_drop(&self, is_reset: bool) {
        Self::set_reset_on_drop(self, is_reset);
    }

    fn shut_down(&self) {
        Self::shut_down(self);
    }
}

#[cfg(feature = "tls")]
impl<Io: Transport> Transport for tokio_rustls::server::TlsStream<Io> {
    fn set_reset_on_drop(&self, is_reset: bool) {
        self.get_ref().0.set_reset_on_drop(is_reset);
    }

    fn shut_down(&self) {
        self.get_ref().0.shut_down();
    }
}

impl<Io: Transport> Transport for WriteDeadline<Io> {
    fn set_reset_on_drop(&self, is_reset: bool) {
        self.get_ref().set_reset_on_drop(is_reset);
    }

    fn shut_down(&self) {
        self.get_ref().shut_down();
    }
}

/// The reason for the end of a stream if its bytes cannot be written.
pub(super) fn end_reason(error: &io::Error) -> EndReason {
    match error.kind() {
        io::ErrorKind::TimedOut => EndReason::Stalled,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => EndReason::PeerClosed,
        _ => EndReason::WriteFailed,
    }
}
