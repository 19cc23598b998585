//! The loop: the only place where a stream meets a socket.

use std::fmt;
use std::future::Future;
use std::io::ErrorKind::TimedOut;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use futures_core::Stream;
use lasse_core::http1::{Framer, Wire};
use lasse_core::{Close, Handler, Instant, Output, Reason};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock::now;
use crate::mailbox::Mail;
use crate::session::Session;

/// Writes a response until its stream ends or its client leaves.
///
/// A client that closes its half of the connection is gone. What it says until
/// then, requests that it sends ahead, is kept in `read_ahead`, up to
/// `read_ahead_limit` bytes; then nothing more is read until the stream ends.
///
/// If [`Ended::close`] is [`Close::Abort`], reset the connection.
pub fn drive<'a, H, M, T>(
    session: Pin<&'a mut Session<H, M>>,
    io: &'a mut T,
    framer: &'a mut Framer,
    read_ahead: &'a mut BytesMut,
    read_ahead_limit: usize,
) -> Drive<'a, H, M, T>
where
    H: Handler,
    M: Stream<Item = Mail<H>> + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    Drive { session, io, framer, read_ahead, read_ahead_limit, is_flushed: true, give_up_at: None }
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub reason: Reason,
    /// Whether the client can tell that there should have been more.
    pub close: Close,
}

/// The future of [`drive`].
pub struct Drive<'a, H: Handler, M, T> {
    session: Pin<&'a mut Session<H, M>>,
    io: &'a mut T,
    framer: &'a mut Framer,
    read_ahead: &'a mut BytesMut,
    read_ahead_limit: usize,
    is_flushed: bool,
    /// When to give up on writing what is not the stream's.
    give_up_at: Option<Instant>,
}

impl<H, M, T> Future for Drive<'_, H, M, T>
where
    H: Handler,
    M: Stream<Item = Mail<H>> + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let drive = self.get_mut();
        loop {
            match drive.session.as_mut().poll_output(cx) {
                Poll::Ready(Output::Write(payload)) => {
                    if drive.poll_payload(&payload, cx).is_ready() {
                        continue;
                    }
                }
                Poll::Ready(Output::Close(close)) => {
                    let reason = drive.session.reason().unwrap_or(Reason::Dropped);
                    let close = match close {
                        Close::Clean => ready!(drive.poll_end(cx)),
                        Close::Abort => Close::Abort,
                    };
                    return Poll::Ready(Ended { reason, close });
                }
                Poll::Ready(Output::Wait) | Poll::Pending => {
                    if drive.poll_rest(cx).is_ready() {
                        continue;
                    }
                }
            }
            ready!(drive.poll_peer(cx));
        }
    }
}

impl<H: Handler, M, T: AsyncRead + AsyncWrite + Unpin> Drive<'_, H, M, T> {
    /// Ready when some of the payload is written, or will not be.
    fn poll_payload(&mut self, payload: &[u8], cx: &mut Context<'_>) -> Poll<()> {
        let session = self.session.as_mut();
        match poll_write(self.io, self.framer.wire(payload), cx) {
            Poll::Ready(Ok(written)) => {
                self.is_flushed = false;
                session.handle_written(self.framer.handle_written(written));
            }
            Poll::Ready(Err(error)) => session.handle_write_error(error),
            Poll::Pending => return session.poll_timeout(cx),
        }
        Poll::Ready(())
    }

    /// Writes what there is beyond the payload, a head or the end of a chunk, and
    /// has the socket let go of what it may hold back. Ready when that cannot be
    /// done.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.framer.wire(&[]).is_empty() {
            match poll_write(self.io, self.framer.wire(&[]), cx) {
                Poll::Ready(Ok(written)) => {
                    self.framer.handle_written(written);
                    self.is_flushed = false;
                    self.give_up_at = None;
                }
                Poll::Ready(Err(error)) => {
                    self.session.as_mut().handle_write_error(error);
                    return Poll::Ready(());
                }
                Poll::Pending => {
                    ready!(self.poll_patience(cx));
                    self.session.as_mut().handle_write_error(io::Error::from(TimedOut));
                    return Poll::Ready(());
                }
            }
        }
        if !self.is_flushed {
            self.is_flushed = Pin::new(&mut *self.io).poll_flush(cx).is_ready();
        }
        Poll::Pending
    }

    /// Ready when the client has been given time enough for the few bytes that
    /// are not the stream's.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = *self.give_up_at.get_or_insert_with(|| now() + PATIENCE);
        self.session.as_mut().poll_timer(deadline, cx)
    }

    /// Ready when the client has left. What it says meanwhile is kept.
    fn poll_peer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut space = [0; 256];
        while self.read_ahead.len() < self.read_ahead_limit {
            let room = space.len().min(self.read_ahead_limit - self.read_ahead.len());
            let mut buffer = ReadBuf::new(space.get_mut(..room).unwrap_or_default());
            match ready!(Pin::new(&mut *self.io).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    self.read_ahead.extend_from_slice(buffer.filled());
                }
                Ok(()) | Err(_) => {
                    self.session.as_mut().handle_peer_closed();
                    return Poll::Ready(());
                }
            }
        }
        Poll::Pending
    }

    /// Ready when the end of the body is written, or will not be.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Close> {
        match poll_write_end(self.io, self.framer, cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Close::Clean),
            Poll::Ready(Err(_)) => Poll::Ready(Close::Abort),
            Poll::Pending => self.poll_patience(cx).map(|()| Close::Abort),
        }
    }
}

impl<H: Handler, M, T> fmt::Debug for Drive<'_, H, M, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drive").field("session", &self.session).finish_non_exhaustive()
    }
}

fn poll_write_end(
    io: &mut (impl AsyncWrite + Unpin),
    framer: &mut Framer,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while !framer.end().is_empty() {
        let written = ready!(poll_write(io, framer.end(), cx))?;
        framer.handle_written(written);
    }
    Pin::new(io).poll_flush(cx)
}

/// Writes as much as the socket takes at once. A small copy is cheaper than a
/// vectored write.
pub(crate) fn poll_write(
    io: &mut (impl AsyncWrite + Unpin),
    wire: Wire<'_>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let io = Pin::new(io);
    let mut space = [0; SMALL];
    let written = match gather(wire, &mut space) {
        Some(bytes) => io.poll_write(cx, bytes),
        None => io.poll_write_vectored(cx, &wire.slices().map(IoSlice::new)),
    };
    match ready!(written) {
        Ok(0) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        written => Poll::Ready(written),
    }
}

/// The wire in one piece, if it fits.
fn gather<'a>(wire: Wire<'_>, space: &'a mut [u8; SMALL]) -> Option<&'a [u8]> {
    let len = wire.len();
    let mut room = space.get_mut(..len)?;
    for slice in wire.slices() {
        let (place, rest) = room.split_at_mut_checked(slice.len())?;
        place.copy_from_slice(slice);
        room = rest;
    }
    space.get(..len)
}

/// Up to how many bytes a copy is cheaper than a vectored write.
const SMALL: usize = 1024;

/// How long the few bytes of a head or an end may take.
const PATIENCE: Duration = Duration::from_secs(10);
