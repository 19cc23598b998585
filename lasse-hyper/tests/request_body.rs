//! Request bodies that are large, slow or broken.

mod support;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse_hyper::{BodyError, Endpoint, ServeConfig, collect_body, serve};
use support::*;
use tokio::io::AsyncWriteExt;

const SECOND: Duration = Duration::from_secs(1);

/// A body of some frames, which then waits for ever or ends.
#[derive(Default)]
struct Frames {
    frames: VecDeque<Bytes>,
    is_endless: bool,
    announced: u64,
}

impl Frames {
    fn of(frames: &[&'static str]) -> Self {
        let frames = frames.iter().map(|frame| Bytes::from_static(frame.as_bytes())).collect();
        Self { frames, ..Self::default() }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(Frame::data(frame)))),
            None if self.is_endless => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}

/// The memory of a frame, which counts how many frames there are.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn frame(live: &Arc<AtomicUsize>) -> Bytes {
        live.fetch_add(1, Ordering::Relaxed);
        Bytes::from_owner(Self(live.clone()))
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        b"x"
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn frames_become_one_buffer() {
    let body = Frames::of(&["one ", "", "two"]);
    assert_eq!(collect_body(body, 7, SECOND).await.unwrap(), "one two");
    assert_eq!(collect_body(Frames::of(&[]), 0, SECOND).await.unwrap(), "");
}

#[tokio::test]
async fn no_frame_is_kept_in_memory() {
    let live = Arc::new(AtomicUsize::new(0));
    let frames = (0..1000).map(|_| Counted::frame(&live)).collect();
    let body = Frames { frames, ..Frames::default() };
    let collected = collect_body(body, 1000, SECOND).await.unwrap();
    assert_eq!((collected.len(), live.load(Ordering::Relaxed)), (1000, 0));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    for (limit, frames) in [(0, &["x"] as &[_]), (1, &["x", "x"]), (6, &["one ", "two"])] {
        let error = collect_body(Frames::of(frames), limit, SECOND).await.unwrap_err();
        assert!(matches!(error, BodyError::TooLarge(n) if n == limit), "{error}");
        assert_eq!(error.status(), 413);
    }
    let body = Frames::of(&["one ", "two"]);
    assert_eq!(collect_body(body, usize::MAX, Duration::MAX).await.unwrap(), "one two");
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_before_it_is_read() {
    let body = Frames { announced: 400_000_000, is_endless: true, ..Frames::default() };
    let error = collect_body(body, 65_536, SECOND).await.unwrap_err();
    assert_eq!(error.to_string(), "the request body has more than 65536 bytes, which is the limit");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_takes_too_long_is_refused() {
    for deadline in [Duration::ZERO, Duration::from_nanos(1), 10 * SECOND] {
        let body = Frames { is_endless: true, ..Frames::of(&["one"]) };
        let error = collect_body(body, 100, deadline).await.unwrap_err();
        assert!(matches!(error, BodyError::TimedOut(_)), "{error}");
        assert_eq!(error.status(), 408);
    }
    assert_eq!(collect_body(Frames::of(&["one"]), 3, Duration::ZERO).await.unwrap(), "one");
}

/// Starts a server that reads bodies of up to 1,000 bytes within half a second.
async fn start() -> Server {
    Server::start_with(Endpoint::default(), |listener, _, _| async move {
        serve(listener, ServeConfig::new(), service_fn(post)).await;
    })
    .await
}

async fn post(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let body = collect_body(request.into_body(), 1000, SECOND / 2).await;
    Ok(match body {
        Ok(bytes) => Response::new(bytes.len().to_string()),
        Err(error) => Response::builder().status(error.status()).body(error.to_string()).unwrap(),
    })
}

#[tokio::test]
async fn a_slow_body_is_answered_by_a_408() {
    let server = start().await;
    let head = "POST / HTTP/1.1\r\nhost: lasse.example\r\ncontent-length: 3\r\n\r\nx";
    let answer = read_to_end(&mut send(&server, head).await).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_malformed_chunk_is_answered_by_a_400() {
    let server = start().await;
    let head =
        "POST / HTTP/1.1\r\nhost: lasse.example\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n";
    let answer = read_to_end(&mut send(&server, head).await).await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
}

#[tokio::test]
async fn a_413_arrives_at_a_client_that_goes_on_sending() {
    let server = start().await;
    let head = "POST / HTTP/1.1\r\nhost: lasse.example\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut socket = send(&server, head).await;
    for _ in 0..20 {
        let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
        socket.write_all(chunk.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let answer = read_until(&mut socket, "the limit").await;
    assert!(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{answer}");
}
