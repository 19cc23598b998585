//! The head of a request, only as large and as slow as the limits say.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use lasse_core::http1::{BadRequest, Head, Limits, parse_request};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::timeout;

use super::config::ServeConfig;

/// Reads the next head; `None` if the client leaves, or says nothing in time.
/// What comes after it stays in `read_ahead`.
pub(super) async fn read_head(
    io: &mut (impl AsyncRead + Unpin),
    read_ahead: &mut BytesMut,
    config: &ServeConfig,
) -> Result<Option<Head>, BadRequest> {
    let limits = &config.limits;
    let reading = poll_fn(|cx| poll_head(io, read_ahead, limits, cx));
    match timeout(config.head_timeout, reading).await {
        Ok(head) => head,
        Err(_) if read_ahead.is_empty() => Ok(None),
        Err(_) => Err(BadRequest::Timeout),
    }
}

fn poll_head(
    io: &mut (impl AsyncRead + Unpin),
    read_ahead: &mut BytesMut,
    limits: &Limits,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Head>, BadRequest>> {
    loop {
        if let Some(head) = take_head(read_ahead, limits)? {
            return Poll::Ready(Ok(Some(head)));
        }
        if !matches!(ready!(poll_read(io, read_ahead, cx)), Ok(1..)) {
            return Poll::Ready(Ok(None));
        }
    }
}

fn take_head(read_ahead: &mut BytesMut, limits: &Limits) -> Result<Option<Head>, BadRequest> {
    let head = parse_request(read_ahead, limits)?;
    if let Some(head) = &head {
        read_ahead.advance(head.len);
    }
    if read_ahead.is_empty() {
        *read_ahead = BytesMut::new();
    }
    Ok(head)
}

/// Reads what has come, through space on the stack: a connection that waits
/// keeps no buffer.
fn poll_read(
    io: &mut (impl AsyncRead + Unpin),
    read_ahead: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut space = [0; 4096];
    let mut buffer = ReadBuf::new(&mut space);
    ready!(Pin::new(io).poll_read(cx, &mut buffer))?;
    read_ahead.extend_from_slice(buffer.filled());
    Poll::Ready(Ok(buffer.filled().len()))
}
