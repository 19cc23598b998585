//! An axum router with layers, whose event streams leave hyper after their heads.

mod support;

use std::convert::Infallible;
use std::future::{Future, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::map_response;
use axum::response::Response;
use axum::response::sse::{Event as AxumEvent, Sse};
use axum::routing::{any, get as on_get};
use bytes::Bytes;
use http_body_util::BodyExt;
use lasse_hyper::lasse_core::{EndReason, Frame, StreamConfig};
use lasse_hyper::{Endpoint, ServeConfig, collect_body, serve_router};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::DefaultPredicate;
use tower_http::metrics::InFlightRequestsLayer;
use tower_http::metrics::in_flight_requests::InFlightRequestsCounter;
use tower_http::timeout::{ResponseBodyTimeoutLayer, TimeoutLayer};
use tower_http::trace::TraceLayer;

/// Starts a server for a router with a stream at `/`, to which `layer` adds.
async fn start(layer: impl FnOnce(Router) -> Router + Send + 'static) -> Server {
    let endpoint = Endpoint::new(StreamConfig::new().with_post(true));
    Server::start_with(endpoint, |listener, gate, service| async move {
        let other = service.clone();
        let router = Router::new()
            .route("/", any(move |request: Request| ready(service.answer(&request))))
            .route("/none", on_get(move |request: Request| ready(other.answer(&request))));
        serve_router(listener, ServeConfig::new(), layer(router)).with_gate(&gate).await;
    })
    .await
}

/// Has the newest stream send an event and stop. Reads it, and then the response to
/// another request on the same connection.
async fn expect_persistence(server: &Server, socket: &mut TcpStream) {
    read_until(socket, "data: hello\n\n\r\n").await;
    server.newest().notify(event(1)).unwrap();
    assert_eq!(read_until(socket, "x\n\n\r\n").await, "9\r\ndata: x\n\n\r\n");
    server.newest().inform("stop").unwrap();
    assert_eq!(read_until(socket, "0\r\n\r\n").await, "0\r\n\r\n");
    socket.write_all(request("GET", "/none").as_bytes()).await.unwrap();
    assert!(read_until(socket, "\r\n\r\n").await.starts_with("HTTP/1.1 204 "));
}

#[tokio::test]
async fn a_stream_ends_and_the_next_request_follows() {
    let server = start(|router| router).await;
    let mut socket = get(&server, "/").await;
    for _ in 0..3 {
        expect_persistence(&server, &mut socket).await;
        socket.write_all(request("GET", "/").as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn requests_that_are_sent_ahead_are_answered_in_turn() {
    let mut server = start(|router| router).await;
    let requests = [request("GET", "/none"), request("GET", "/"), request("GET", "/none")];
    let mut socket = send(&server, &requests.concat()).await;
    let text = read_until(&mut socket, "data: hello\n\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 204 "), "{text}");
    let next = request("GET", "/");
    let (start, rest) = next.split_at(10);
    socket.write_all(start.as_bytes()).await.unwrap();
    server.newest().inform("stop").unwrap();
    let text = read_until(&mut socket, "\r\n\r\n").await;
    assert!(text.starts_with("0\r\n\r\nHTTP/1.1 204 ") || text == "0\r\n\r\n", "{text}");
    socket.write_all(rest.as_bytes()).await.unwrap();
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    assert_eq!(server.end().await, EndReason::Stopped);
}

#[tokio::test]
async fn a_client_that_asks_to_close_is_not_kept() {
    let server = start(|router| router).await;
    let request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut socket = send(&server, request).await;
    let text = read_until(&mut socket, "data: hello\n\n\r\n").await;
    assert!(text.contains("\r\nconnection: close\r\n"), "{text}");
    server.newest().inform("stop").unwrap();
    assert_eq!(read_to_end(&mut socket).await, "0\r\n\r\n");
}

#[tokio::test]
async fn the_first_event_is_written_with_the_head() {
    let server = start(|router| router).await;
    let mut socket = get(&server, "/").await;
    socket.readable().await.unwrap();
    let mut space = [0; 4096];
    let n = socket.read(&mut space).await.unwrap();
    let text = String::from_utf8_lossy(&space[..n]);
    assert!(text.ends_with("\r\n\r\nf\r\n:\ndata: hello\n\n\r\n"), "{text}");
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_though_it_sent_requests_ahead() {
    let mut server = start(|router| router).await;
    let mut socket = send(&server, &request("GET", "/").repeat(3)).await;
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    drop(socket);
    assert_eq!(server.end().await, EndReason::PeerClosed);
}

#[tokio::test]
async fn a_post_whose_body_was_read_is_a_stream_like_another() {
    let mut server = start(|router| {
        router.layer(axum::middleware::from_fn(
            async |request: Request, next: axum::middleware::Next| {
                let (head, body) = request.into_parts();
                let body = collect_body(body, 100, TIME_LIMIT).await.unwrap();
                next.run(Request::from_parts(head, Body::from(body))).await
            },
        ))
    })
    .await;
    let lengths = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\ntea";
    let chunks = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n\
        2\r\nte\r\n1\r\na\r\n0\r\n\r\n";
    for post in [lengths, chunks] {
        let mut socket = send(&server, post).await;
        expect_persistence(&server, &mut socket).await;
        assert_eq!(server.end().await, EndReason::Stopped);
        // Hyper would not notice this one.
        socket.write_all([post, &request("GET", "/none")].concat().as_bytes()).await.unwrap();
        read_until(&mut socket, "data: hello\n\n\r\n").await;
        drop(socket);
        assert_eq!(server.end().await, EndReason::PeerClosed);
    }
}

#[tokio::test]
async fn a_body_that_was_not_read_is_not_a_request() {
    let server = start(|router| router).await;
    let inner = request("GET", "/none");
    let post = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", inner.len());
    let mut socket = send(&server, &post).await;
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    socket.write_all(inner.as_bytes()).await.unwrap();
    server.newest().inform("stop").unwrap();
    let rest = read_to_end(&mut socket).await;
    assert_eq!(rest, "0\r\n\r\n");
}

#[tokio::test]
async fn bytes_by_one_become_a_body() {
    let collected = Arc::new(AtomicUsize::new(0));
    let counted = collected.clone();
    let server = start(move |router| {
        router.route(
            "/post",
            any(async move |body: Bytes| counted.store(body.len(), Ordering::Relaxed)),
        )
    })
    .await;
    let mut socket =
        send(&server, "POST /post HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n").await;
    for _ in 0..9 {
        socket.write_all(b"x").await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(read_until(&mut socket, "\r\n\r\n").await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(collected.load(Ordering::Relaxed), 9);
}

#[tokio::test]
async fn a_trace_layer_sees_each_chunk_and_the_end() {
    let (chunks, ends) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count_chunk, count_end) = (chunks.clone(), ends.clone());
    let server = start(move |router| {
        let trace = TraceLayer::new_for_http()
            .on_body_chunk(move |chunk: &Bytes, _: Duration, _: &tracing::Span| {
                count_chunk.fetch_add(chunk.len(), Ordering::Relaxed);
            })
            .on_eos(move |_: Option<&http::HeaderMap>, _: Duration, _: &tracing::Span| {
                count_end.fetch_add(1, Ordering::Relaxed);
            });
        router.layer(trace)
    })
    .await;
    let mut socket = get(&server, "/").await;
    expect_persistence(&server, &mut socket).await;
    assert_eq!(chunks.load(Ordering::Relaxed), ":\ndata: hello\n\ndata: x\n\n".len());
    assert_eq!(ends.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_compression_layer_compresses_a_stream_if_it_must() {
    let server = start(|router| router.layer(CompressionLayer::new())).await;
    let asks_for_gzip = "GET / HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\r\n";
    let mut socket = send(&server, asks_for_gzip).await;
    expect_persistence(&server, &mut socket).await;

    let always = |_, _, _: &_, _: &_| true;
    let server = start(move |router| {
        router.layer(CompressionLayer::<DefaultPredicate>::new().compress_when(always))
    })
    .await;
    let mut socket = send(&server, asks_for_gzip).await;
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        socket.read_buf(&mut bytes).await.unwrap();
    }
    assert!(String::from_utf8_lossy(&bytes).contains("\r\ncontent-encoding: gzip\r\n"));
    server.newest().inform("stop").unwrap();
    while !bytes.ends_with(b"\r\n0\r\n\r\n") {
        timeout(TIME_LIMIT, socket.read_buf(&mut bytes)).await.expect("no end").unwrap();
    }
    assert_eq!(gunzip(&bytes), b":\ndata: hello\n\n");
}

/// The body of a response in chunks that are compressed.
fn gunzip(response: &[u8]) -> Vec<u8> {
    let at = response.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let (mut rest, mut compressed) = (&response[at..], Vec::new());
    loop {
        let end = rest.iter().position(|byte| *byte == b'\r').unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            break;
        }
        let (chunk, after) = rest[end + 2..].split_at(size);
        compressed.extend_from_slice(chunk);
        rest = &after[2..];
    }
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*compressed), &mut text).unwrap();
    text
}

#[tokio::test]
async fn a_timeout_layer_ends_a_silent_stream_and_no_other() {
    let server = start(|router| {
        let requests = TimeoutLayer::with_status_code(
            http::StatusCode::REQUEST_TIMEOUT,
            Duration::from_millis(100),
        );
        router.layer(ResponseBodyTimeoutLayer::new(Duration::from_millis(300))).layer(requests)
    })
    .await;
    let mut socket = get(&server, "/").await;
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        server.newest().notify(event(1)).unwrap();
        read_until(&mut socket, "x\n\n\r\n").await;
    }
    let mut rest = String::new();
    let _ = timeout(TIME_LIMIT, socket.read_to_string(&mut rest))
        .await
        .expect("the connection is still open");
    assert_eq!(rest, "", "a stream that is cut off has no last chunk");
}

#[tokio::test]
async fn a_layer_rewrites_the_frames_with_data_and_no_others() {
    let server = start(|router| {
        router.layer(map_response(async |response: Response| {
            response.map(|body| {
                Body::new(body.map_frame(|frame| {
                    frame.map_data(|data| {
                        let text = String::from_utf8_lossy(&data);
                        if text.contains("data:") { text.replace('x', "#").into() } else { data }
                    })
                }))
            })
        }))
    })
    .await;
    let mut socket = get(&server, "/").await;
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    server.newest().notify(event(3)).unwrap();
    assert_eq!(read_until(&mut socket, "\n\n\r\n").await, "b\r\ndata: ###\n\n\r\n");
    let comment = Frame::comment("x");
    server.newest().notify(comment).unwrap();
    assert!(read_until(&mut socket, "x\n\r\n").await.ends_with(": x\n\r\n"));
}

#[tokio::test]
async fn requests_in_flight_are_counted_until_their_streams_end() {
    let counter = InFlightRequestsCounter::new();
    let layer = InFlightRequestsLayer::new(counter.clone());
    let mut server = start(move |router| router.layer(layer)).await;
    let mut socket = get(&server, "/").await;
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    assert_eq!(counter.get(), 1);
    expect_in_flight(&counter, 0, async {
        server.newest().inform("stop").unwrap();
        assert_eq!(server.end().await, EndReason::Stopped);
    })
    .await;
    let mut socket = get(&server, "/").await;
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    expect_in_flight(&counter, 0, async {
        drop(socket);
        assert_eq!(server.end().await, EndReason::PeerClosed);
    })
    .await;
}

async fn expect_in_flight(
    counter: &InFlightRequestsCounter,
    expected: usize,
    action: impl Future<Output = ()>,
) {
    action.await;
    let counted = async {
        while counter.get() != expected {
            tokio::task::yield_now().await;
        }
    };
    timeout(TIME_LIMIT, counted).await.expect("the count is another");
}

#[tokio::test]
async fn an_event_stream_of_axums_own_is_written_in_the_same_way() {
    let server = start(|router| {
        router.route(
            "/axum",
            on_get(async || {
                let events = [AxumEvent::default().data("one"), AxumEvent::default().data("two")];
                Sse::new(tokio_stream::iter(events.map(Ok::<_, Infallible>)))
            }),
        )
    })
    .await;
    let mut socket = get(&server, "/axum").await;
    let text = read_until(&mut socket, "0\r\n\r\n").await;
    let body = "b\r\ndata: one\n\n\r\nb\r\ndata: two\n\n\r\n0\r\n\r\n";
    assert!(text.ends_with(&format!("\r\n\r\n{body}")), "{text}");
    socket.write_all(request("GET", "/none").as_bytes()).await.unwrap();
    assert!(read_until(&mut socket, "\r\n\r\n").await.starts_with("HTTP/1.1 204 "));
}

#[tokio::test]
async fn a_body_that_panics_cuts_its_own_stream_off() {
    let server = start(|router| {
        router.layer(map_response(async |response: Response| {
            response.map(|body| {
                Body::new(body.map_frame(|frame| {
                    let data = frame.data_ref().unwrap();
                    if data.starts_with(b"data: x") {
                        std::panic::resume_unwind(Box::new("as ordered"));
                    }
                    frame
                }))
            })
        }))
    })
    .await;
    let mut socket = get(&server, "/").await;
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    server.newest().notify(event(1)).unwrap();
    let mut rest = String::new();
    let _ = timeout(TIME_LIMIT, socket.read_to_string(&mut rest))
        .await
        .expect("the connection is still open");
    assert_eq!(rest, "");
    let mut other = get(&server, "/").await;
    read_until(&mut other, "data: hello\n\n\r\n").await;
}
