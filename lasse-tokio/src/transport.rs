//! A socket, and what puts an answer on it.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lasse_core::http1::{Framer, Wire};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The side of a stream that faces the client, which [`drive`](crate::drive)
/// writes to: a socket, what puts an answer on it, and what the client says
/// meanwhile.
///
/// # Examples
///
/// ```
/// use lasse_tokio::Transport;
/// use lasse_tokio::lasse_core::http1::{Framer, Limits, parse_request};
///
/// # let socket = tokio::io::empty();
/// let input = b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n";
/// let head = parse_request(input, &Limits::default())?.expect("a whole head");
/// let framer = Framer::of_stream(head.context, &http::Response::new(()));
/// let transport = Transport::new(socket, framer).with_read_ahead(16 * 1024);
/// # Ok::<(), lasse_tokio::lasse_core::http1::BadRequest>(())
/// ```
#[derive(Debug)]
pub struct Transport<T> {
    io: T,
    framer: Framer,
    read_ahead: Vec<u8>,
    read_ahead_limit: u32,
    is_flushed: bool,
}

impl<T> Transport<T> {
    /// Has `framer` put an answer on `io`. Nothing is read of what the client says.
    pub fn new(io: T, framer: Framer) -> Self {
        Self { io, framer, read_ahead: Vec::new(), read_ahead_limit: 0, is_flushed: true }
    }

    /// Keeps what the client says before the answer ends, requests that it sends
    /// ahead, up to `bytes` in all; more is not read until then.
    #[must_use]
    pub fn with_read_ahead(self, bytes: usize) -> Self {
        let read_ahead_limit = u32::try_from(bytes).unwrap_or(u32::MAX);
        Self { read_ahead_limit, ..self }
    }

    /// Goes on with another answer.
    pub(crate) fn begin(&mut self, framer: Framer) {
        self.framer = framer;
    }

    pub(crate) fn framer(&self) -> &Framer {
        &self.framer
    }

    pub(crate) fn io(&mut self) -> &mut T {
        &mut self.io
    }

    /// What the client has said.
    pub(crate) fn read_ahead(&mut self) -> &mut Vec<u8> {
        &mut self.read_ahead
    }

    /// The socket, and what the client has said.
    pub fn into_parts(self) -> (T, Vec<u8>) {
        (self.io, self.read_ahead)
    }
}

impl<T: AsyncWrite + Unpin> Transport<T> {
    /// Ready when some of the wire is written that carries the payload: how much
    /// of the payload that was.
    pub(crate) fn poll_write(
        &mut self,
        payload: &[u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let written = ready!(poll_write(&mut self.io, self.framer.wire(payload), cx))?;
        self.is_flushed = false;
        Poll::Ready(Ok(self.framer.handle_written(written)))
    }

    /// Ready when the socket has let go of what it may hold back.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_flushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when the end of the body is written.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.framer.end().is_empty() {
            let written = ready!(poll_write(&mut self.io, self.framer.end(), cx))?;
            self.framer.handle_written(written);
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }
}

impl<T: AsyncRead + Unpin> Transport<T> {
    /// Ready when the client has left. What it says meanwhile is kept.
    pub(crate) fn poll_peer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.read_ahead_limit as usize;
        while self.read_ahead.len() < limit {
            let room = limit - self.read_ahead.len();
            if !ready!(self.poll_fill::<256>(room, cx)) {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// Ready when the client has said more, which is kept, or, if not, has left.
    /// Reads through space on the stack: a connection that waits has no buffer.
    pub(crate) fn poll_fill<const SPACE: usize>(
        &mut self,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Poll<bool> {
        let mut space = [const { MaybeUninit::uninit() }; SPACE];
        let mut buffer = ReadBuf::uninit(space.get_mut(..SPACE.min(most)).unwrap_or_default());
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer));
        self.read_ahead.extend_from_slice(buffer.filled());
        Poll::Ready(read.is_ok() && !buffer.filled().is_empty())
    }
}

/// Writes as much as the socket takes at once. A small copy is cheaper than a
/// vectored write.
fn poll_write(
    io: &mut (impl AsyncWrite + Unpin),
    wire: Wire<'_>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let io = Pin::new(io);
    let mut space = [const { MaybeUninit::uninit() }; SMALL];
    let written = if wire.len() <= SMALL {
        let mut copy = ReadBuf::uninit(&mut space);
        wire.slices().into_iter().for_each(|slice| copy.put_slice(slice));
        io.poll_write(cx, copy.filled())
    } else {
        io.poll_write_vectored(cx, &wire.slices().map(IoSlice::new))
    };
    match ready!(written) {
        Ok(0) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        written => Poll::Ready(written),
    }
}

/// Up to how many bytes are written in one piece.
const SMALL: usize = 1024;
