//! The listener, as `axum::serve` takes it.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::{Listener, WriteDeadline};

/// For the client's address in the extensions of its request, let axum's
/// `ListenerExt::tap_io` make it a listener that has one.
impl axum::serve::Listener for Listener {
    type Io = WriteDeadline<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        self.accept().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }
}
