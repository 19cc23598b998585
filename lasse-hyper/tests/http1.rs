//! Streams over HTTP/1.1, byte for byte.

mod support;

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse_hyper::lasse_core::EndReason;
use lasse_hyper::{Endpoint, ServeConfig, serve};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

#[tokio::test]
async fn a_stream_is_chunked_and_flushed() {
    let server = Server::start(ServeConfig::new()).await;
    let mut socket = get(&server, "/").await;
    let text = read_until(&mut socket, "data: hello\n\n\r\n").await;
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("\r\ntransfer-encoding: chunked"), "{head}");
    assert!(!head.contains("content-length"), "{head}");
    server.newest().notify(event(1)).unwrap();
    assert_eq!(read_until(&mut socket, "\n\n\r\n").await, "9\r\ndata: x\n\n\r\n");
}

#[tokio::test]
async fn a_204_has_no_framing_headers() {
    let server = Server::start(ServeConfig::new()).await;
    let mut socket = get(&server, "/none").await;
    let text = read_until(&mut socket, "\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 204 "), "{text}");
    assert!(!text.contains("content-length") && !text.contains("transfer-encoding"), "{text}");
}

#[tokio::test]
async fn a_response_of_the_application_is_framed_by_the_server() {
    let server = Server::start(ServeConfig::new()).await;
    let mut socket = get(&server, "/wrong").await;
    let text = read_until(&mut socket, "not here").await;
    assert!(text.contains("\r\ncontent-length: 8\r\n"), "{text}");
    assert!(!text.contains("transfer-encoding") && !text.contains("upgrade"), "{text}");
    socket.write_all(request("HEAD", "/wrong").as_bytes()).await.unwrap();
    let text = read_until(&mut socket, "\r\n\r\n").await;
    assert!(text.contains("\r\ncontent-length: 8\r\n"), "{text}");
    socket.write_all(request("GET", "/none").as_bytes()).await.unwrap();
    assert!(read_until(&mut socket, "\r\n\r\n").await.starts_with("HTTP/1.1 204 "));
}

#[tokio::test]
async fn a_head_has_a_response_at_once_and_without_a_body() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut socket = send(&server, &request("HEAD", "/")).await;
    let text = read_until(&mut socket, "\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(!text.contains("content-length"), "{text}");
    assert_eq!(server.end().await, EndReason::HeadOnly);
    socket.write_all(request("GET", "/").as_bytes()).await.unwrap();
    read_until(&mut socket, "data: hello\n\n\r\n").await;
}

#[tokio::test]
async fn a_stop_ends_the_body_and_keeps_the_connection() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut socket = get(&server, "/").await;
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    server.newest().inform("stop").unwrap();
    assert_eq!(read_until(&mut socket, "\r\n\r\n").await, "0\r\n\r\n");
    assert_eq!(server.end().await, EndReason::Stopped);
    socket.write_all(request("GET", "/none").as_bytes()).await.unwrap();
    assert!(read_until(&mut socket, "\r\n\r\n").await.starts_with("HTTP/1.1 204 "));
}

#[tokio::test]
async fn an_abort_leaves_the_body_without_an_end() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut socket = get(&server, "/").await;
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    server.newest().inform("abort").unwrap();
    let mut rest = String::new();
    let _ = timeout(TIME_LIMIT, socket.read_to_string(&mut rest))
        .await
        .expect("the connection is still open");
    assert_eq!(rest, "");
    assert_eq!(server.end().await, EndReason::Aborted);
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_at_once() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut socket = get(&server, "/").await;
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    drop(socket);
    assert_eq!(server.end().await, EndReason::PeerClosed);
}

#[tokio::test]
async fn a_stalled_reader_is_dropped_within_the_write_timeout() {
    let mut server = Server::start(impatient()).await;
    let mut socket = get(&server, "/").await;
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    let start = Instant::now();
    server.newest().notify(event(20_000_000)).unwrap();
    assert_eq!(server.end().await, EndReason::Stalled);
    assert!(start.elapsed() >= WRITE_TIMEOUT);
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_only() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut kept = get(&server, "/").await;
    read_until(&mut kept, "data: hello\n\n\r\n").await;
    let to_kept = server.newest();
    let mut broken = get(&server, "/").await;
    read_until(&mut broken, "data: hello\n\n\r\n").await;
    server.newest().inform("a panic, as ordered").unwrap();
    assert_eq!(server.end().await, EndReason::Panicked);
    assert!(matches!(broken.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    to_kept.notify(event(1)).unwrap();
    read_until(&mut kept, "data: x\n\n\r\n").await;
}

#[tokio::test]
async fn a_client_that_leaves_while_the_service_hangs_is_noticed() {
    let (sender, mut dropped) = mpsc::unbounded_channel();
    let server = Server::start_with(Endpoint::default(), |listener, _, _| async move {
        let hang = move |_: Request<Incoming>| {
            let guard = SendOnDrop(sender.clone());
            async move {
                let _guard = guard;
                pending::<Result<Response<String>, Infallible>>().await
            }
        };
        serve(listener, ServeConfig::new(), service_fn(hang)).await;
    })
    .await;
    let socket = get(&server, "/").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(socket);
    timeout(TIME_LIMIT, dropped.recv()).await.expect("the service still hangs");

    let mut client = h2_client::connect(&server, 65_535).await;
    let request = Request::get("http://lasse.example/").body(()).unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(response);
    timeout(TIME_LIMIT, dropped.recv()).await.expect("the service still hangs");
}

#[tokio::test]
async fn a_service_that_takes_too_long_is_dropped_and_its_client_gets_a_503() {
    for (response_timeout, status) in [
        (Duration::from_nanos(1), 503),
        (Duration::from_millis(20), 503),
        (Duration::from_secs(60), 200),
        (Duration::MAX, 200),
    ] {
        let config = ServeConfig::new().with_response_timeout(response_timeout).unwrap();
        let server = Server::start_with(Endpoint::default(), move |listener, _, _| async move {
            let slow = |_: Request<Incoming>| async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                Ok::<_, Infallible>(Response::new(String::from("done")))
            };
            serve(listener, config, service_fn(slow)).await;
        })
        .await;
        let mut socket = get(&server, "/").await;
        let end = if status == 200 { "done" } else { "\r\n\r\n" };
        let text = read_until(&mut socket, end).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{response_timeout:?}: {text}");
        let mut client = h2_client::connect(&server, 65_535).await;
        let response = h2_client::ask(&mut client, http::Method::GET, "/").await;
        assert_eq!(response.status(), status, "{response_timeout:?}");
    }
}

/// Sends a message when it is dropped.
struct SendOnDrop(mpsc::UnboundedSender<()>);

impl Drop for SendOnDrop {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}
