//! An event stream over HTTP/1.1 that the task of its connection writes itself.
//!
//! Hyper encodes the head, and is then taken apart: its buffers are useless to a
//! stream that lasts for hours, and are several times as large as the rest. The body is
//! the user's, with all middleware around it. Only the layers below it are different.

use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::Body;
use lasse_tokio::lasse_core::EndReason;
use lasse_tokio::lasse_core::http1::{Framer, Wire};
use lasse_tokio::server::poll_write_slices;
use tokio::io::ReadBuf;

use super::context::ConnectionContext;
use super::transport::{Transport, end_reason};

/// Writes the body of a response onto its connection, and notices when the client
/// leaves. An idle stream has no buffer.
#[derive(Debug)]
pub(super) struct EventStream<Io> {
    io: Io,
    unsent: Option<Box<Unsent>>,
    /// Requests that the client sent ahead.
    read_ahead: Box<[u8]>,
    is_persistent: bool,
    is_flushed: bool,
}

/// The unwritten output: the head, a chunk, or the end.
#[derive(Debug)]
struct Unsent {
    framer: Framer,
    payload: Bytes,
    is_last: bool,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamEnd {
    /// Its last chunk is written.
    Complete,
    /// The client must not take it for complete.
    Aborted,
}

impl<Io: Transport> EventStream<Io> {
    /// A stream that begins with the head, as hyper has encoded it.
    pub(super) fn new(io: Io, head: Bytes, read_ahead: Vec<u8>) -> Self {
        let is_persistent = !has_close(&head);
        let framer = Framer::of_encoded_head(head);
        let unsent = Unsent { framer, payload: Bytes::new(), is_last: false };
        let unsent = Some(Box::new(unsent));
        let read_ahead = read_ahead.into();
        Self { io, unsent, read_ahead, is_persistent, is_flushed: true }
    }

    /// Whether another request can follow after the stream.
    pub(super) fn is_persistent(&self) -> bool {
        self.is_persistent
    }

    /// The transport, and what the client sent ahead.
    pub(super) fn into_parts(self) -> (Io, Bytes) {
        (self.io, self.read_ahead.into())
    }

    /// Ready when the stream has ended.
    pub(super) fn poll<B: Body>(
        &mut self,
        mut body: Pin<&mut B>,
        context: &ConnectionContext,
        cx: &mut Context<'_>,
    ) -> Poll<StreamEnd> {
        match self.poll_write(body.as_mut(), cx) {
            Poll::Ready(Ok(end)) => return Poll::Ready(end),
            Poll::Ready(Err(error)) => {
                context.end_reason.decide(end_reason(&error));
                return Poll::Ready(StreamEnd::Aborted);
            }
            Poll::Pending => {}
        }
        ready!(self.poll_left(cx));
        context.end_reason.decide(EndReason::PeerClosed);
        Poll::Ready(StreamEnd::Aborted)
    }

    /// Writes until the body or the transport is pending, or the stream has ended.
    fn poll_write<B: Body>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<StreamEnd>> {
        loop {
            let mut unsent = self.unsent.take().map_or_else(Unsent::chunk, |unsent| *unsent);
            if unsent.payload.is_empty() && !unsent.is_last {
                match body.as_mut().poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        let Ok(mut data) = frame.into_data() else { continue };
                        unsent.payload = data.copy_to_bytes(data.remaining());
                        unsent.is_last = body.is_end_stream();
                    }
                    Poll::Ready(Some(Err(_))) => return Poll::Ready(Ok(StreamEnd::Aborted)),
                    Poll::Ready(None) => unsent.is_last = true,
                    Poll::Pending if unsent.framer.has_rest() => {}
                    Poll::Pending => {
                        ready!(self.poll_flush(cx))?;
                        return Poll::Pending;
                    }
                }
            }
            let is_last = unsent.is_last;
            ready!(self.poll_unsent(unsent, cx))?;
            if is_last {
                return self.poll_flush(cx).map_ok(|()| StreamEnd::Complete);
            }
        }
    }

    /// Writes the unsent output, or keeps it if the transport is pending.
    fn poll_unsent(&mut self, mut unsent: Unsent, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(wire) = unsent.wire() {
            let slices = wire.slices().map(IoSlice::new);
            match poll_write_slices(Pin::new(&mut self.io), &slices, cx)? {
                Poll::Ready(0) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                Poll::Ready(written) => {
                    unsent.handle_written(written);
                    self.is_flushed = false;
                }
                Poll::Pending => {
                    self.unsent = Some(Box::new(unsent));
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_flushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when the client has left: has closed its half, or lost the connection.
    /// Requests that it sends ahead are kept, up to a limit.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.read_ahead.len() < MAX_READ_AHEAD {
            let mut space = [MaybeUninit::uninit(); 1024];
            let mut buffer = ReadBuf::uninit(&mut space);
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
            self.read_ahead = [&*self.read_ahead, buffer.filled()].concat().into();
        }
        Poll::Pending
    }
}

impl Unsent {
    /// A chunk, without a payload yet.
    fn chunk() -> Self {
        let framer = Framer::of_encoded_head(Bytes::new());
        Self { framer, payload: Bytes::new(), is_last: false }
    }

    /// What to write next, if anything is left.
    fn wire(&mut self) -> Option<Wire> {
        let wire = if !self.payload.is_empty() {
            self.framer.wire(self.payload.clone())
        } else if self.is_last {
            self.framer.end()
        } else if self.framer.has_rest() {
            self.framer.wire(Bytes::new())
        } else {
            return None;
        };
        (!wire.is_empty()).then_some(wire)
    }

    fn handle_written(&mut self, n: usize) {
        let payload = self.framer.handle_written(n);
        self.payload.advance(payload);
    }
}

/// Whether a head closes the connection after the response.
fn has_close(head: &[u8]) -> bool {
    head.split(|byte| *byte == b'\n').any(|line| {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let is_connection =
            parts.next().is_some_and(|name| name.eq_ignore_ascii_case(b"connection"));
        let mut options = parts.next().unwrap_or_default().split(|byte| *byte == b',');
        is_connection && options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
    })
}

/// How many bytes of requests are read ahead. If a client has sent more, its leaving is
/// noticed by the next write.
const MAX_READ_AHEAD: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_closes_the_connection_if_an_option_requires_it() {
        for (head, closes) in [
            ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nConnection: keep-alive, Close\r\ndate: x\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nconnection: keep-alive\r\nx-connection: close\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\n\r\n", false),
        ] {
            assert_eq!(has_close(head.as_bytes()), closes, "{head}");
        }
    }
}
