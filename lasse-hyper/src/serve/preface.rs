//! The first bytes of a connection, which tell the protocol that it speaks.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Reads until the protocol can be told (RFC 9113 3.4), and what was read.
pub(super) async fn detect<Io>(io: &mut Io) -> io::Result<(Protocol, Bytes)>
where
    Io: AsyncRead + Unpin,
{
    let mut head = BytesMut::new();
    let protocol = loop {
        if head.starts_with(PREFACE) {
            break Protocol::Http2;
        }
        if !PREFACE.starts_with(&head) {
            break Protocol::Http1;
        }
        if poll_fn(|cx| poll_read(io, &mut head, cx)).await? == 0 {
            break Protocol::Http1;
        }
    };
    Ok((protocol, head.freeze()))
}

/// Reads what has come, mostly the whole head: hyper makes room for twice as much
/// when it is given a head in pieces, and keeps that.
fn poll_read(
    io: &mut (impl AsyncRead + Unpin),
    head: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut space = [0; 4096];
    let mut buffer = ReadBuf::new(&mut space);
    ready!(Pin::new(io).poll_read(cx, &mut buffer))?;
    head.extend_from_slice(buffer.filled());
    Poll::Ready(Ok(buffer.filled().len()))
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn the_preface_tells_http2_however_it_is_cut() {
        for at in 0..PREFACE.len() {
            let (first, second) = PREFACE.split_at(at);
            let mut io = first.chain(second);
            let (protocol, head) = detect(&mut io).await.unwrap();
            assert_eq!((protocol, &*head), (Protocol::Http2, PREFACE));
        }
    }

    #[tokio::test]
    async fn anything_else_is_http1_as_soon_as_it_differs() {
        for input in ["GET / HTTP/1.1", "P", "PRI * HTTP/1.1", ""] {
            let (protocol, head) = detect(&mut input.as_bytes()).await.unwrap();
            assert_eq!((protocol, &*head), (Protocol::Http1, input.as_bytes()));
        }
    }
}
