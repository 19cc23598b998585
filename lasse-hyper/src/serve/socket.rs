//! The socket of a connection, as hyper sees it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use lasse_tokio::server::poll_write_slices;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::context::ConnectionContext;
use super::exchange::{Exchange, WriteMode};
use super::transport::{Transport, end_reason};
use super::upgrade::{SharedTransport, share};

/// The socket of a connection, as hyper sees it.
///
/// It returns bytes that were read ahead, keeps bytes that hyper should not write
/// itself, and records why the connection ends.
#[derive(Debug)]
pub(super) struct Socket<Io, B> {
    link: Link<Io>,
    read_ahead: Bytes,
    context: Arc<ConnectionContext>,
    exchange: Arc<Exchange<B>>,
    /// The bytes that were written in [`WriteMode::Capture`].
    captured: Vec<u8>,
    has_read_end: bool,
    is_shut_down: bool,
}

#[derive(Debug)]
enum Link<Io> {
    Own(Io),
    Shared(SharedTransport<Io>),
    /// Only while it is replaced.
    Empty,
}

/// A socket that hyper returned, and the bytes that were read ahead.
#[derive(Debug)]
pub(super) struct SocketParts<Io> {
    /// `None` if the connection was upgraded.
    pub(super) io: Option<Io>,
    /// Bytes that were read ahead, and not by hyper.
    pub(super) read_ahead: Bytes,
    pub(super) captured: Bytes,
    /// Whether the client has closed its half.
    pub(super) has_read_end: bool,
    /// Whether hyper has closed our half, after the last response.
    pub(super) is_shut_down: bool,
}

impl<Io: Transport, B> Socket<Io, B> {
    pub(super) fn new(
        io: Io,
        read_ahead: Bytes,
        context: Arc<ConnectionContext>,
        exchange: Arc<Exchange<B>>,
    ) -> Self {
        Self {
            link: Link::Own(io),
            read_ahead,
            context,
            exchange,
            captured: Vec::new(),
            has_read_end: false,
            is_shut_down: false,
        }
    }

    pub(super) fn into_parts(self) -> SocketParts<Io> {
        let Self { link, read_ahead, captured, has_read_end, is_shut_down, .. } = self;
        let io = match link {
            Link::Own(io) => Some(io),
            Link::Shared(_) | Link::Empty => None,
        };
        SocketParts { io, read_ahead, captured: captured.into(), has_read_end, is_shut_down }
    }

    fn with_io<T>(
        &mut self,
        poll: impl FnOnce(Pin<&mut Io>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut self.link {
            Link::Own(io) => poll(Pin::new(io)),
            Link::Shared(io) => io.with(poll),
            Link::Empty => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Prepares the transport for what hyper is going to write.
    fn begin_response(&mut self, mode: WriteMode) {
        match (&self.link, mode) {
            (Link::Own(io), WriteMode::CloseDelimited) => {
                io.set_reset_on_drop(true);
                self.exchange.set_mode(WriteMode::Direct);
            }
            (Link::Own(_), WriteMode::Upgrade) => {
                if let Link::Own(io) = std::mem::replace(&mut self.link, Link::Empty) {
                    let (shared, connection) = share(io);
                    self.link = Link::Shared(shared);
                    self.exchange.set_upgraded(connection);
                }
            }
            _ => {}
        }
    }

    fn poll_write_slices(
        &mut self,
        slices: &[IoSlice<'_>],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mode = self.exchange.mode();
        if mode == WriteMode::Capture {
            slices.iter().for_each(|slice| self.captured.extend_from_slice(slice));
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        if mode != WriteMode::Direct {
            self.begin_response(mode);
        }
        let written = self.with_io(|io| poll_write_slices(io, slices, cx));
        self.record(written)
    }

    /// Records why the connection ends, if it does.
    fn record<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &result {
            self.context.end_reason.decide(end_reason(error));
        }
        result
    }
}

impl<Io: Transport, B> AsyncRead for Socket<Io, B> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read_ahead.is_empty() {
            let before = out.filled().len();
            ready!(self.with_io(|io| io.poll_read(cx, out)))?;
            self.has_read_end |= out.filled().len() == before && out.remaining() > 0;
            return Poll::Ready(Ok(()));
        }
        let n = self.read_ahead.len().min(out.remaining());
        out.put_slice(self.read_ahead.get(..n).unwrap_or_default());
        self.read_ahead.advance(n);
        if self.read_ahead.is_empty() {
            self.read_ahead = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<Io: Transport, B> AsyncWrite for Socket<Io, B> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_slices(&[IoSlice::new(bytes)], cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_slices(slices, cx)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.link {
            Link::Own(io) => io.is_write_vectored(),
            Link::Shared(io) => io.with(|io| io.is_write_vectored()),
            Link::Empty => false,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.with_io(|io| io.poll_flush(cx));
        self.record(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_shut_down = true;
        self.with_io(|io| io.poll_shutdown(cx))
    }
}
