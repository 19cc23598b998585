//! Streams over HTTP/1.1, byte for byte.

mod support;

use std::time::Duration;

use lasse_hyper::ServeConfig;
use lasse_hyper::lasse_core::Reason;
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

async fn send(server: &Server, request: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.addr).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

async fn get(server: &Server, method: &str, path: &str) -> TcpStream {
    send(server, &format!("{method} {path} HTTP/1.1\r\nhost: lasse.example\r\n\r\n")).await
}

async fn read_until(socket: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut space = [0; 4096];
        let n = timeout(PATIENCE, socket.read(&mut space)).await;
        let n = n.unwrap_or_else(|_| panic!("nothing comes after {text:?}")).unwrap();
        assert_ne!(n, 0, "the end, after {text:?}");
        text.push_str(std::str::from_utf8(&space[..n]).unwrap());
    }
    text
}

/// What comes until the connection closes.
async fn read_to_end(socket: &mut TcpStream) -> String {
    let mut text = String::new();
    timeout(PATIENCE, socket.read_to_string(&mut text)).await.expect("it stays open").unwrap();
    text
}

#[tokio::test]
async fn a_stream_is_chunked_and_flushed() {
    let server = Server::start(ServeConfig::new()).await;
    let mut socket = get(&server, "GET", "/").await;
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
    let mut socket = get(&server, "GET", "/none").await;
    let text = read_until(&mut socket, "\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 204 "), "{text}");
    assert!(!text.contains("content-length") && !text.contains("transfer-encoding"), "{text}");
}

#[tokio::test]
async fn a_response_of_the_applications_own_is_framed_by_the_server() {
    let server = Server::start(ServeConfig::new()).await;
    let mut socket = get(&server, "GET", "/wrong").await;
    let text = read_until(&mut socket, "not here").await;
    assert!(text.contains("\r\ncontent-length: 8\r\n"), "{text}");
    assert!(!text.contains("transfer-encoding") && !text.contains("upgrade"), "{text}");
    socket.write_all(b"HEAD /wrong HTTP/1.1\r\nhost: lasse.example\r\n\r\n").await.unwrap();
    let text = read_until(&mut socket, "\r\n\r\n").await;
    assert!(text.contains("\r\ncontent-length: 8\r\n"), "{text}");
    socket.write_all(b"GET /none HTTP/1.1\r\nhost: lasse.example\r\n\r\n").await.unwrap();
    assert!(read_until(&mut socket, "\r\n\r\n").await.starts_with("HTTP/1.1 204 "));
}

#[tokio::test]
async fn a_head_is_answered_at_once_and_without_a_body() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut socket = get(&server, "HEAD", "/").await;
    let text = read_until(&mut socket, "\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(!text.contains("content-length"), "{text}");
    assert_eq!(server.end().await, Reason::HeadOnly);
    socket.write_all(b"GET / HTTP/1.1\r\nhost: lasse.example\r\n\r\n").await.unwrap();
    read_until(&mut socket, "data: hello\n\n\r\n").await;
}

#[tokio::test]
async fn a_stop_ends_the_body_and_keeps_the_connection() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut socket = get(&server, "GET", "/").await;
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    server.newest().inform("stop").unwrap();
    assert_eq!(read_until(&mut socket, "\r\n\r\n").await, "0\r\n\r\n");
    assert_eq!(server.end().await, Reason::Stopped);
    socket.write_all(b"GET /none HTTP/1.1\r\nhost: lasse.example\r\n\r\n").await.unwrap();
    assert!(read_until(&mut socket, "\r\n\r\n").await.starts_with("HTTP/1.1 204 "));
}

#[tokio::test]
async fn an_abort_leaves_the_body_without_an_end() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut socket = get(&server, "GET", "/").await;
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    server.newest().inform("abort").unwrap();
    let mut rest = String::new();
    let _ = timeout(PATIENCE, socket.read_to_string(&mut rest)).await.expect("it stays open");
    assert_eq!(rest, "");
    assert_eq!(server.end().await, Reason::Aborted);
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_at_once() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut socket = get(&server, "GET", "/").await;
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    drop(socket);
    assert_eq!(server.end().await, Reason::PeerClosed);
}

#[tokio::test]
async fn a_stalled_reader_is_dropped_within_the_write_timeout() {
    let mut server = Server::start(impatient()).await;
    let mut socket = get(&server, "GET", "/").await;
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    let start = Instant::now();
    server.newest().notify(event(20_000_000)).unwrap();
    assert_eq!(server.end().await, Reason::Stalled);
    assert!(start.elapsed() >= WRITE_TIMEOUT);
}

#[tokio::test]
async fn a_panic_costs_its_own_connection_alone() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut kept = get(&server, "GET", "/").await;
    read_until(&mut kept, "data: hello\n\n\r\n").await;
    let to_kept = server.newest();
    let mut broken = get(&server, "GET", "/").await;
    read_until(&mut broken, "data: hello\n\n\r\n").await;
    server.newest().inform("a panic, as ordered").unwrap();
    assert_eq!(server.end().await, Reason::Panicked);
    assert!(matches!(broken.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    to_kept.notify(event(1)).unwrap();
    read_until(&mut kept, "data: x\n\n\r\n").await;
}

#[tokio::test]
async fn a_slow_head_is_not_waited_for() {
    let config = ServeConfig::new().with_head_timeout(Duration::from_millis(200)).unwrap();
    let server = Server::start(config).await;
    for head in ["", "G", "GET / HTTP/1.1\r\nhost: lasse"] {
        let mut socket = send(&server, head).await;
        let start = Instant::now();
        read_to_end(&mut socket).await;
        assert!(start.elapsed() >= Duration::from_millis(200), "{head:?}");
    }
}

#[tokio::test]
async fn a_stream_to_http10_ends_with_the_connection() {
    let server = Server::start(ServeConfig::new()).await;
    let mut socket = send(&server, "GET / HTTP/1.0\r\n\r\n").await;
    let text = read_until(&mut socket, "data: hello\n\n").await;
    assert!(!text.contains("transfer-encoding"), "{text}");
    server.newest().inform("stop").unwrap();
    assert_eq!(read_to_end(&mut socket).await, "");
}
