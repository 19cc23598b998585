//! What carries a connection: a socket, or a byte stream of the caller's.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::sockets::{poll_read_socket, poll_write_socket, reset_on_drop, set_user_timeout};

/// What carries a connection.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin {
    /// Sets how long the client can acknowledge nothing before the connection fails with
    /// [`io::ErrorKind::TimedOut`], if the transport can notice that.
    fn set_write_timeout(&self, timeout: Option<Duration>);
}

impl<T: AsyncRead + AsyncWrite + Unpin> Transport for &mut T {
    fn set_write_timeout(&self, _: Option<Duration>) {}
}

/// A socket that is reset if it is dropped before it is shut down: by a panic, with its
/// runtime, or because its connection was aborted. A client that uses HTTP/1.0 takes a
/// normal close for the end of the stream.
///
/// It must be polled by one task only.
#[derive(Debug)]
pub(super) struct Socket {
    socket: TcpStream,
    /// Whether the last read was pending.
    is_read_registered: bool,
    is_shut_down: bool,
}

impl Socket {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, is_read_registered: false, is_shut_down: false }
    }

    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }
}

impl Transport for Socket {
    fn set_write_timeout(&self, timeout: Option<Duration>) {
        set_user_timeout(SockRef::from(&self.socket), timeout);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !self.is_shut_down {
            reset_on_drop(&self.socket);
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { socket, is_read_registered, .. } = self.get_mut();
        poll_read_socket(socket, is_read_registered, buffer, cx)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        poll_write_socket(&mut self.socket, bytes, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
        self.is_shut_down = true;
        Poll::Ready(Ok(()))
    }
}
