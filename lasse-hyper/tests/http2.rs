//! Streams over HTTP/2, frame by frame.

mod support;

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason as ResetReason;
use h2::client::SendRequest;
use http::{Method, Response};
use hyper::service::service_fn;
use lasse_hyper::lasse_core::{EndReason, Event};
use lasse_hyper::{Endpoint, ServeConfig, serve};
use support::h2_client::{ask, connect, data, read_until};
use support::*;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

#[tokio::test]
async fn a_stream_has_no_connection_headers() {
    let server = Server::start(ServeConfig::new()).await;
    let mut client = connect(&server, 65_535).await;
    let mut response = ask(&mut client, Method::GET, "/").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    for name in ["connection", "keep-alive", "transfer-encoding", "content-length"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    assert_eq!(read_until(response.body_mut(), "\n\n").await, ":\ndata: hello\n\n");
}

#[tokio::test]
async fn a_head_has_a_response_at_once_and_without_data() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut client = connect(&server, 65_535).await;
    for (path, length) in [("/", None), ("/wrong", Some("8")), ("/none", None)] {
        let response = ask(&mut client, Method::HEAD, path).await;
        assert!(response.body().is_end_stream(), "{path}: the head should end the stream");
        let sent = response.headers().get("content-length").map(|value| value.to_str().unwrap());
        assert_eq!(sent, length, "{path}");
    }
    assert_eq!(server.end().await, EndReason::HeadOnly);
}

#[tokio::test]
async fn a_head_of_another_service_has_a_response_without_data() {
    let server = Server::start_with(Endpoint::default(), |listener, _, _| async move {
        let page = || ready(Ok::<_, Infallible>(Response::new(String::from("a page"))));
        serve(listener, ServeConfig::new(), service_fn(move |_| page())).await;
    })
    .await;
    let mut client = connect(&server, 65_535).await;
    let response = ask(&mut client, Method::HEAD, "/").await;
    assert!(response.body().is_end_stream());
    assert_eq!(response.headers()["content-length"], "6");
}

#[tokio::test]
async fn a_response_that_is_not_a_stream_ends_with_its_bytes() {
    let server = Server::start(ServeConfig::new()).await;
    let mut client = connect(&server, 65_535).await;
    let response = ask(&mut client, Method::GET, "/none").await;
    assert_eq!(response.status(), 204);
    assert!(response.body().is_end_stream());
    assert!(!response.headers().contains_key("content-length"));
    let mut response = ask(&mut client, Method::GET, "/wrong").await;
    assert_eq!(response.status(), 404);
    assert_eq!(response.headers()["content-length"], "8");
    assert_eq!(data(response.body_mut()).await.unwrap().unwrap(), "not here");
    let response = ask(&mut client, Method::DELETE, "/").await;
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()["allow"], "GET, HEAD");
}

#[tokio::test]
async fn hundreds_of_streams_share_a_connection() {
    let server = Server::start(ServeConfig::new()).await;
    let mut client = connect(&server, 65_535).await;
    let mut responses = Vec::new();
    for _ in 0..500 {
        responses.push(ask(&mut client, Method::GET, "/").await);
    }
    for (n, notifier) in server.streams.lock().unwrap().iter().enumerate() {
        notifier.notify(Event::new(n.to_string()).encode()).unwrap();
    }
    for (n, response) in responses.iter_mut().enumerate() {
        let end = format!("data: {n}\n\n");
        let text = read_until(response.body_mut(), &end).await;
        assert_eq!(text, format!(":\ndata: hello\n\n{end}"));
    }
}

#[tokio::test]
async fn a_stalled_stream_is_dropped_while_others_continue() {
    let mut server = Server::start(impatient()).await;
    let mut client = connect(&server, 20_000).await;
    let mut stalled = ask(&mut client, Method::GET, "/").await;
    let to_stalled = server.newest();
    let mut other = ask(&mut client, Method::GET, "/").await;
    let to_other = server.newest();

    let start = Instant::now();
    to_stalled.notify(event(100_000)).unwrap();
    while !to_stalled.is_closed() {
        assert!(start.elapsed() < TIME_LIMIT);
        to_other.notify(event(10_000)).unwrap();
        read_until(other.body_mut(), "x\n\n").await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(start.elapsed() >= WRITE_TIMEOUT);
    assert_eq!(server.end().await, EndReason::Stalled);
    let error = loop {
        match data(stalled.body_mut()).await.expect("a reset, not a clean end") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(error.is_reset(), "{error}");
    to_other.inform("stop").unwrap();
    assert!(data(other.body_mut()).await.is_none());
    assert_eq!(server.end().await, EndReason::Stopped);
}

#[tokio::test]
async fn a_slow_reader_that_continues_is_not_dropped() {
    let server = Server::start(impatient()).await;
    let mut client = connect(&server, 20_000).await;
    let mut response = ask(&mut client, Method::GET, "/").await;
    server.newest().notify(event(200_000)).unwrap();
    let (mut read, start) = (0, Instant::now());
    while read < 200_000 {
        tokio::time::sleep(WRITE_TIMEOUT / 50).await;
        read += data(response.body_mut()).await.expect("the stream goes on").unwrap().len();
    }
    assert!(start.elapsed() > WRITE_TIMEOUT, "the test was too fast");
}

#[tokio::test]
async fn a_window_of_zero_stalls_after_the_head() {
    let mut server = Server::start(impatient()).await;
    let mut client = connect(&server, 0).await;
    let response = ask(&mut client, Method::GET, "/").await;
    assert_eq!(response.status(), 200);
    assert_eq!(server.end().await, EndReason::Stalled);
}

#[tokio::test]
async fn a_stream_that_the_client_resets_ends() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut client = connect(&server, 65_535).await;
    let mut kept = ask(&mut client, Method::GET, "/").await;
    let to_kept = server.newest();
    let response = ask(&mut client, Method::GET, "/").await;
    drop(response);
    assert_eq!(server.end().await, EndReason::PeerClosed);
    to_kept.notify(event(1)).unwrap();
    read_until(kept.body_mut(), "data: x\n\n").await;
}

#[tokio::test]
async fn all_streams_of_a_client_that_leaves_end() {
    let mut server = Server::start(ServeConfig::new()).await;
    let socket = TcpStream::connect(server.addr).await.unwrap();
    let (client, connection) = h2::client::handshake(socket).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut client: SendRequest<Bytes> = client;
    let _first = ask(&mut client, Method::GET, "/").await;
    let _second = ask(&mut client, Method::GET, "/").await;
    connection.abort();
    assert_eq!(server.end().await, EndReason::PeerClosed);
    assert_eq!(server.end().await, EndReason::PeerClosed);
}

#[tokio::test]
async fn a_panic_ends_its_own_stream_only() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut client = connect(&server, 65_535).await;
    let mut kept = ask(&mut client, Method::GET, "/").await;
    let to_kept = server.newest();
    let mut broken = ask(&mut client, Method::GET, "/").await;
    server.newest().inform("a panic, as ordered").unwrap();
    read_until(broken.body_mut(), "hello\n\n").await;
    assert!(data(broken.body_mut()).await.expect("a reset, not a clean end").is_err());
    assert_eq!(server.end().await, EndReason::Panicked);
    to_kept.notify(event(1)).unwrap();
    read_until(kept.body_mut(), "data: x\n\n").await;
    ask(&mut client, Method::GET, "/").await;
}

#[tokio::test]
async fn an_abort_is_a_reset() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut client = connect(&server, 65_535).await;
    let mut response = ask(&mut client, Method::GET, "/").await;
    server.newest().inform("abort").unwrap();
    read_until(response.body_mut(), "hello\n\n").await;
    let error = data(response.body_mut()).await.expect("not a clean end").unwrap_err();
    assert_eq!(error.reason(), Some(ResetReason::INTERNAL_ERROR));
    assert_eq!(server.end().await, EndReason::Aborted);
}

#[tokio::test]
async fn a_client_with_an_incomplete_preface_is_dropped() {
    let config = ServeConfig::new().with_head_timeout(Duration::from_millis(200)).unwrap();
    let server = Server::start(config).await;
    for preface in ["PRI * HTTP/2.0\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut socket = TcpStream::connect(server.addr).await.unwrap();
        let start = Instant::now();
        tokio::io::AsyncWriteExt::write_all(&mut socket, preface.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let _ = timeout(TIME_LIMIT, socket.read_to_end(&mut rest))
            .await
            .expect("the connection is still open");
        assert!(start.elapsed() >= Duration::from_millis(200), "{preface}");
    }
}
