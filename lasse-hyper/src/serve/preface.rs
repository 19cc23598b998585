//! The first bytes of a connection, which tell the protocol that it speaks.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Reads as many bytes as it takes to tell the protocol (RFC 9113 3.4).
pub(super) async fn detect<Io>(io: &mut Io) -> io::Result<(Protocol, Bytes)>
where
    Io: AsyncRead + Unpin,
{
    let mut head = BytesMut::with_capacity(PREFACE.len());
    let protocol = loop {
        if !PREFACE.starts_with(&head) {
            break Protocol::Http1;
        }
        if head.len() == PREFACE.len() {
            break Protocol::Http2;
        }
        let room = PREFACE.len() - head.len();
        if (&mut *io).take(room as u64).read_buf(&mut head).await? == 0 {
            break Protocol::Http1;
        }
    };
    Ok((protocol, head.freeze()))
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_preface_tells_http2_however_it_is_cut() {
        for at in 0..PREFACE.len() {
            let (first, second) = PREFACE.split_at(at);
            let mut io = tokio_test_io(first, second);
            let (protocol, head) = detect(&mut io).await.unwrap();
            assert_eq!((protocol, &*head), (Protocol::Http2, PREFACE));
        }
    }

    #[tokio::test]
    async fn anything_else_is_http1_as_soon_as_it_differs() {
        for input in ["GET / HTTP/1.1", "P", "PRI * HTTP/1.1", ""] {
            let (protocol, head) = detect(&mut input.as_bytes()).await.unwrap();
            assert_eq!(protocol, Protocol::Http1);
            assert!(input.as_bytes().starts_with(&head));
        }
    }

    fn tokio_test_io<'a>(first: &'a [u8], second: &'a [u8]) -> impl AsyncRead + Unpin + use<'a> {
        first.chain(second)
    }
}
