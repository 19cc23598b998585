//! The protocol of a connection, detected by its first bytes.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Reads until the protocol is known (RFC 9113 3.4). Returns it, and the bytes read.
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

/// Reads the bytes that have arrived, which mostly are a whole head. If hyper gets a head in
/// pieces, it doubles its buffer, and keeps it.
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

/// The first bytes of a client with HTTP/2 (RFC 9113 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn the_preface_of_http2_is_detected_in_two_pieces() {
        for at in 0..PREFACE.len() {
            let (first, second) = PREFACE.split_at(at);
            let mut io = first.chain(second);
            let (protocol, head) = detect(&mut io).await.unwrap();
            assert_eq!((protocol, &*head), (Protocol::Http2, PREFACE));
        }
    }

    #[tokio::test]
    async fn other_bytes_are_http1_at_the_first_difference() {
        for input in ["GET / HTTP/1.1", "P", "PRI * HTTP/1.1", ""] {
            let (protocol, head) = detect(&mut input.as_bytes()).await.unwrap();
            assert_eq!((protocol, &*head), (Protocol::Http1, input.as_bytes()));
        }
    }
}
