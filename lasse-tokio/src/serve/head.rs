//! The head of a request, only as large and as slow as the limits say.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use lasse_core::http1::{BadRequest, Head, Limits, parse_request};
use tokio::io::AsyncRead;
use tokio::time::timeout;

use super::config::ServeConfig;
use crate::transport::Transport;

/// Reads the next head; `None` if the client leaves, or says nothing in time.
/// What comes after it is kept.
pub(super) async fn read_head(
    transport: &mut Transport<impl AsyncRead + Unpin>,
    config: &ServeConfig,
) -> Result<Option<Head>, BadRequest> {
    let reading = poll_fn(|cx| poll_head(transport, &config.limits, cx));
    match timeout(config.head_timeout, reading).await {
        Ok(head) => head,
        Err(_) if transport.read_ahead().is_empty() => Ok(None),
        Err(_) => Err(BadRequest::Timeout),
    }
}

fn poll_head(
    transport: &mut Transport<impl AsyncRead + Unpin>,
    limits: &Limits,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Head>, BadRequest>> {
    loop {
        if let Some(head) = take_head(transport.read_ahead(), limits)? {
            return Poll::Ready(Ok(Some(head)));
        }
        if !ready!(transport.poll_fill::<HEAD>(usize::MAX, cx)) {
            return Poll::Ready(Ok(None));
        }
    }
}

fn take_head(read_ahead: &mut Vec<u8>, limits: &Limits) -> Result<Option<Head>, BadRequest> {
    let head = parse_request(read_ahead, limits)?;
    if let Some(head) = &head {
        read_ahead.drain(..head.len);
    }
    if read_ahead.is_empty() {
        *read_ahead = Vec::new();
    }
    Ok(head)
}

/// How much is read at a time. Most heads are smaller.
const HEAD: usize = 4096;
