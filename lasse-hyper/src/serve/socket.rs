//! A connection's socket as hyper sees it: the bytes that told its protocol come
//! first, and what goes wrong is told to the connection's fate.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use lasse_tokio::WriteDeadline;
use lasse_tokio::lasse_core::EndReason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::introduce::Caller;

/// A socket, or what is between it and HTTP.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Sees to it that the client takes the end of the connection for an error.
    fn reset_on_drop(&self);
}

impl Transport for WriteDeadline<TcpStream> {
    fn reset_on_drop(&self) {
        Self::reset_on_drop(self);
    }
}

#[cfg(feature = "tls")]
impl<Io: Transport> Transport for tokio_rustls::server::TlsStream<Io> {
    fn reset_on_drop(&self) {
        self.get_ref().0.reset_on_drop();
    }
}

/// A socket of which some bytes were read, and are read again.
#[derive(Debug)]
pub(super) struct Socket<Io: Transport> {
    pub(super) io: Io,
    pub(super) read_ahead: Bytes,
    pub(super) caller: Arc<Caller>,
}

impl<Io: Transport> Drop for Socket<Io> {
    fn drop(&mut self) {
        if self.caller.must_reset() {
            self.io.reset_on_drop();
        }
    }
}

impl<Io: Transport> Socket<Io> {
    fn note<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &result {
            self.caller.fate.decide(match error.kind() {
                ErrorKind::TimedOut => EndReason::Stalled,
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => EndReason::PeerClosed,
                _ => EndReason::WriteFailed,
            });
        }
        result
    }
}

impl<Io: Transport> AsyncRead for Socket<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read_ahead.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, out);
        }
        let n = self.read_ahead.len().min(out.remaining());
        out.put_slice(&self.read_ahead.split_to(n));
        if self.read_ahead.is_empty() {
            self.read_ahead = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<Io: Transport> AsyncWrite for Socket<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match together(slices, &mut [0; SMALL]) {
            Some(bytes) => Pin::new(&mut self.io).poll_write(cx, bytes),
            None => Pin::new(&mut self.io).poll_write_vectored(cx, slices),
        };
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.note(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// The slices in one, if they fit: to copy a few costs less than to have the
/// kernel gather them, and a chunk comes in three.
fn together<'a>(slices: &[IoSlice<'_>], space: &'a mut [u8; SMALL]) -> Option<&'a [u8]> {
    let mut len = 0;
    for slice in slices {
        space.get_mut(len..len + slice.len())?.copy_from_slice(slice);
        len += slice.len();
    }
    space.get(..len)
}

/// How many bytes are few.
const SMALL: usize = 1024;
