//! The loop: the only place where a stream meets a socket.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use futures_core::Stream;
use lasse_core::http1::{Framer, Wire};
use lasse_core::{Close, Handler, Instant, Output, Reason};
use pin_project_lite::pin_project;
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
    session: Session<H, M>,
    io: &'a mut T,
    framer: Framer,
    read_ahead: &'a mut BytesMut,
    read_ahead_limit: usize,
) -> Drive<'a, H, M, T>
where
    H: Handler,
    M: Stream<Item = Mail<H>> + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    Drive { session, io, framer, read_ahead, read_ahead_limit, is_flushed: true, end_by: None }
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub reason: Reason,
    /// Whether the client can tell that there should have been more.
    pub close: Close,
}

pin_project! {
    /// The future of [`drive`].
    pub struct Drive<'a, H: Handler, M, T> {
        #[pin]
        session: Session<H, M>,
        io: &'a mut T,
        framer: Framer,
        read_ahead: &'a mut BytesMut,
        read_ahead_limit: usize,
        is_flushed: bool,
        end_by: Option<Instant>,
    }
}

impl<H, M, T> Future for Drive<'_, H, M, T>
where
    H: Handler,
    M: Stream<Item = Mail<H>> + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        loop {
            let drive = self.as_mut().project();
            let mut session = drive.session;
            match session.as_mut().poll_output(cx) {
                Poll::Ready(Output::Write(payload)) => {
                    let written = poll_write(drive.io, drive.framer.wire(&payload), cx);
                    *drive.is_flushed = false;
                    match written {
                        Poll::Ready(Ok(n)) => {
                            let acknowledged = drive.framer.handle_written(n);
                            session.handle_written(acknowledged);
                            continue;
                        }
                        Poll::Ready(Err(error)) => {
                            session.handle_write_error(error);
                            continue;
                        }
                        Poll::Pending => {}
                    }
                    if session.poll_timeout(cx).is_ready() {
                        continue;
                    }
                }
                Poll::Ready(Output::Close(close)) => {
                    let reason = session.reason().unwrap_or(Reason::Dropped);
                    let close = match close {
                        Close::Clean => ready!(self.poll_end(cx)),
                        Close::Abort => Close::Abort,
                    };
                    return Poll::Ready(Ended { reason, close });
                }
                Poll::Ready(Output::Wait) | Poll::Pending => {
                    if !*drive.is_flushed {
                        *drive.is_flushed = Pin::new(&mut **drive.io).poll_flush(cx).is_ready();
                    }
                }
            }
            ready!(self.as_mut().poll_peer(cx));
        }
    }
}

impl<H: Handler, M, T: AsyncRead + AsyncWrite + Unpin> Drive<'_, H, M, T> {
    /// Ready when the client has left. What it says meanwhile is kept.
    fn poll_peer(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let drive = self.project();
        let mut space = [0; 1024];
        while drive.read_ahead.len() < *drive.read_ahead_limit {
            let room = space.len().min(*drive.read_ahead_limit - drive.read_ahead.len());
            let mut buffer = ReadBuf::new(space.get_mut(..room).unwrap_or_default());
            match ready!(Pin::new(&mut **drive.io).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    drive.read_ahead.extend_from_slice(buffer.filled());
                }
                Ok(()) | Err(_) => {
                    drive.session.handle_peer_closed();
                    return Poll::Ready(());
                }
            }
        }
        Poll::Pending
    }

    /// Ready when the end of the body is written, or will not be.
    fn poll_end(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Close> {
        let drive = self.as_mut().project();
        match poll_write_end(drive.io, drive.framer, cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Close::Clean),
            Poll::Ready(Err(_)) => Poll::Ready(Close::Abort),
            Poll::Pending => {
                let deadline = *drive.end_by.get_or_insert_with(|| now() + TIME_TO_END);
                drive.session.poll_timer(deadline, cx).map(|()| Close::Abort)
            }
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
const SMALL: usize = 2048;

/// How long the last few bytes of a body may take.
const TIME_TO_END: Duration = Duration::from_secs(10);
