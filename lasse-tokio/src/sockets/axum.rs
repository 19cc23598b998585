//! The listener, as `axum::serve` takes it.

use std::io;
use std::net::SocketAddr;

use super::{Listener, Socket};

/// For the client's address, see [`PeerAddr`](crate::PeerAddr).
impl axum::serve::Listener for Listener {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        self.accept().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }
}
