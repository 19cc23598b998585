//! Shutdown with open streams that never end by themselves.

mod support;

use std::future::ready;
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use http::{Method, Request};
use lasse_hyper::lasse_core::{EndReason, StreamConfig};
use lasse_hyper::{Dialect, DrainPlan, Endpoint, Gate, ServeConfig};
use support::h2_client::{ask, connect, data};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

/// A plan that is over soon.
fn plan() -> DrainPlan {
    let half = Duration::from_millis(500);
    DrainPlan::new().with_notice(Duration::ZERO).with_window(half).with_grace(half)
}

/// Opens a hundred streams, drains the gate, and reads the streams to their ends.
async fn drain_a_hundred(server: &mut Server, gate: &Gate) {
    let mut sockets = Vec::new();
    for _ in 0..100 {
        let mut socket = get(server, "/").await;
        read_until(&mut socket, "data: hello\n\n\r\n").await;
        sockets.push(socket);
    }
    let start = Instant::now();
    gate.drain(&plan());
    for socket in &mut sockets {
        let rest = read_to_end(socket).await;
        let (size, last) = rest.split_once("\r\n").unwrap();
        let (retry, end) = last.split_once("\n").unwrap();
        assert!(retry.starts_with("retry: "), "{rest:?}");
        assert_eq!(usize::from_str_radix(size, 16), Ok(retry.len() + 1));
        assert_eq!(end, "\r\n0\r\n\r\n");
    }
    server.stopped().await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    for _ in 0..100 {
        assert_eq!(server.end().await, EndReason::Shutdown);
    }
}

#[tokio::test]
async fn a_hundred_streams_end_cleanly_and_then_the_server() {
    let mut server = Server::start(ServeConfig::new()).await;
    let gate = server.gate.clone();
    drain_a_hundred(&mut server, &gate).await;
    assert_eq!(gate.stats().ended(EndReason::Shutdown), 100);
}

#[tokio::test]
async fn a_hundred_streams_end_cleanly_under_the_server_of_axum() {
    let gate = Gate::default();
    let endpoint = Endpoint::default().with_gate(&gate);
    let signal = gate.clone();
    let mut server = Server::start_with(endpoint, |listener, _, service| async move {
        let answer = move |request: Request<axum::body::Body>| ready(service.answer(&request));
        let router = Router::new().route("/", on_get(answer));
        let serve = axum::serve(listener, router);
        serve.with_graceful_shutdown(async move { signal.shut().await }).await.unwrap();
    })
    .await;
    drain_a_hundred(&mut server, &gate).await;
}

#[tokio::test]
async fn a_hundred_http2_streams_end_cleanly_and_then_their_connection() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut client = connect(&server, 65_535).await;
    let mut streams = Vec::new();
    for _ in 0..100 {
        streams.push(ask(&mut client, Method::GET, "/").await.into_body());
    }
    server.gate.drain(&plan());
    for stream in &mut streams {
        let mut text = Vec::new();
        while let Some(bytes) = data(stream).await {
            text.extend_from_slice(&bytes.expect("a clean end"));
        }
        let text = String::from_utf8(text).unwrap();
        let (hello, retry) = text.split_at(":\ndata: hello\n\n".len());
        assert_eq!(hello, ":\ndata: hello\n\n");
        assert!(retry.starts_with("retry: ") && retry.ends_with('\n'), "{text:?}");
    }
    server.stopped().await;
    assert_eq!(server.end().await, EndReason::Shutdown);
}

/// The endpoint of clients that must not take the end of a shutdown for the end of the stream.
fn fetch() -> Endpoint {
    Endpoint::default().with_dialect(Dialect::Fetch)
}

#[tokio::test]
async fn a_fetch_stream_is_sent_an_event_and_ends_without_its_last_chunk() {
    let mut server = Server::start_route(ServeConfig::new(), fetch()).await;
    let mut client = get(&server, "/").await;
    read_until(&mut client, "hello\n\n\r\n").await;
    server.gate.drain(&plan());
    let text = read_to_end(&mut client).await;
    assert!(
        text.contains("event: shutdown\ndata: {\"reason\":\"shutdown\",\"retry\":"),
        "{text:?}"
    );
    assert!(text.ends_with("\n\n\r\n"), "no last chunk: {text:?}");
    drop(client);
    server.stopped().await;
    assert_eq!(server.end().await, EndReason::Shutdown);
}

#[tokio::test]
async fn a_fetch_stream_over_http2_is_sent_an_event_and_is_reset() {
    let mut server = Server::start_route(ServeConfig::new(), fetch()).await;
    let mut client = connect(&server, 65_535).await;
    let mut stream = ask(&mut client, Method::GET, "/").await.into_body();
    assert_eq!(data(&mut stream).await.unwrap().unwrap(), ":\ndata: hello\n\n");
    server.gate.drain(&plan());
    let event = data(&mut stream).await.unwrap().unwrap();
    assert!(event.starts_with(b"event: shutdown\n"), "{event:?}");
    assert!(data(&mut stream).await.unwrap().is_err());
    server.stopped().await;
}

#[tokio::test]
async fn connections_without_a_stream_do_not_delay_the_shutdown() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut silent = send(&server, "").await;
    let mut slow = send(&server, "PRI * HT").await;
    let mut idle = get(&server, "/none").await;
    read_until(&mut idle, "\r\n\r\n").await;
    let _idle_too = connect(&server, 65_535).await;
    server.gate.drain(&plan().with_grace(Duration::from_secs(60)));
    server.stopped().await;
    for socket in [&mut silent, &mut slow, &mut idle] {
        assert!(matches!(socket.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    }
}

#[tokio::test]
async fn a_request_that_is_on_its_way_when_the_gate_shuts_gets_a_response() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut silent = send(&server, "").await;
    let mut idle = get(&server, "/none").await;
    read_until(&mut idle, "\r\n\r\n").await;
    server.gate.drain(&plan());
    tokio::time::sleep(Duration::from_millis(100)).await;
    for socket in [&mut silent, &mut idle] {
        socket.write_all(request("GET", "/").as_bytes()).await.unwrap();
        let answer = read_to_end(socket).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}");
        assert!(answer.contains("\nretry: "), "{answer:?}");
    }
    server.stopped().await;
}

#[tokio::test]
async fn a_response_during_the_notice_is_the_last_of_its_connection() {
    let server = Server::start(ServeConfig::new()).await;
    server.gate.drain(&plan().with_notice(Duration::from_secs(60)));
    let answer = read_to_end(&mut get(&server, "/wrong").await).await;
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer:?}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer:?}");
}

#[tokio::test]
async fn finite_streams_can_complete_during_the_grace_and_are_then_aborted() {
    let endpoint = Endpoint::new(StreamConfig::new().with_finite(true));
    let mut server = Server::start_route(ServeConfig::new(), endpoint).await;
    let mut finishing = get(&server, "/").await;
    read_until(&mut finishing, "data: hello\n\n\r\n").await;
    let to_finishing = server.newest();
    let mut slow = get(&server, "/").await;
    read_until(&mut slow, "data: hello\n\n\r\n").await;

    server.gate.drain(&plan());
    tokio::time::sleep(Duration::from_millis(700)).await;
    to_finishing.notify(event(1)).unwrap();
    to_finishing.inform("stop").unwrap();
    assert_eq!(read_to_end(&mut finishing).await, "9\r\ndata: x\n\n\r\n0\r\n\r\n");
    assert_eq!(server.end().await, EndReason::Stopped);

    let mut rest = String::new();
    let _ = timeout(TIME_LIMIT, slow.read_to_string(&mut rest))
        .await
        .expect("the connection is still open");
    assert_eq!(rest, "", "an abort has no last chunk");
    assert_eq!(server.end().await, EndReason::Shutdown);
    server.stopped().await;
}

#[tokio::test]
async fn a_stalled_reader_does_not_delay_the_shutdown() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut socket = get(&server, "/").await;
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    server.newest().notify(event(20_000_000)).unwrap();
    server.gate.drain(&plan());
    assert_eq!(server.end().await, EndReason::Shutdown);
    server.stopped().await;
}

#[tokio::test]
async fn new_streams_are_accepted_during_the_notice() {
    let mut server = Server::start(ServeConfig::new()).await;
    server.gate.drain(&plan().with_notice(Duration::from_millis(200)));
    let mut socket = get(&server, "/").await;
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    assert!(read_to_end(&mut socket).await.ends_with("\r\n0\r\n\r\n"));
    server.stopped().await;
}

#[tokio::test]
async fn a_dropped_server_drops_its_streams() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut socket = get(&server, "/").await;
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    let mut client = connect(&server, 65_535).await;
    let _response = ask(&mut client, Method::GET, "/").await;
    server.task.abort();
    assert_eq!(server.end().await, EndReason::Dropped);
    assert_eq!(server.end().await, EndReason::Dropped);
}
