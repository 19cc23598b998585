//! Upgraded connections: WebSocket and event streams on one server.

mod support;

use std::future::{pending, ready};
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::{any, get as on_get};
use futures_util::{SinkExt, StreamExt};
use lasse_hyper::{DrainPlan, Endpoint, ServeConfig, serve_router};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message as ClientMessage;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Starts a server with event streams at `/`, and WebSocket routes: `/echo` returns each
/// message, and `/hang` reads nothing.
async fn start() -> Server {
    Server::start_with(Endpoint::default(), |listener, gate, service| async move {
        let stream = move |request: axum::extract::Request| ready(service.answer(&request));
        let router = Router::new()
            .route("/", on_get(stream))
            .route("/echo", any(echo))
            .route("/hang", any(hang))
            .route("/peer", on_get(peer));
        serve_router(listener, ServeConfig::new(), router)
            .with_gate(&gate)
            .with_http2_idle_timeout(Duration::from_millis(100))
            .await;
    })
    .await
}

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket: WebSocket| {
        while let Some(Ok(message)) = socket.recv().await {
            if matches!(message, Message::Text(_)) && socket.send(message).await.is_err() {
                return;
            }
        }
    })
}

async fn hang(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |_socket| pending().await)
}

async fn peer(ConnectInfo(peer): ConnectInfo<SocketAddr>) -> String {
    peer.to_string()
}

async fn connect(server: &Server, path: &str) -> WebSocketStream<TcpStream> {
    let socket = TcpStream::connect(server.addr).await.unwrap();
    let url = format!("ws://lasse.example{path}");
    let (client, response) = client_async(url, socket).await.unwrap();
    assert_eq!(response.status(), 101);
    client
}

async fn expect_echo(client: &mut WebSocketStream<TcpStream>, text: &str) {
    client.send(ClientMessage::text(text)).await.unwrap();
    let message = timeout(TIME_LIMIT, client.next()).await.expect("no echo").unwrap().unwrap();
    assert_eq!(message, ClientMessage::text(text));
}

#[tokio::test]
async fn a_websocket_and_an_event_stream_share_a_server() {
    let server = start().await;
    let mut stream = get(&server, "/").await;
    read_until(&mut stream, "data: hello\n\n\r\n").await;
    let mut client = connect(&server, "/echo").await;
    expect_echo(&mut client, "hello").await;
    expect_echo(&mut client, &"x".repeat(100_000)).await;
    server.newest().notify(event(1)).unwrap();
    read_until(&mut stream, "data: x\n\n\r\n").await;
    client.close(None).await.unwrap();
    let end = timeout(TIME_LIMIT, client.next()).await.expect("the connection is still open");
    assert!(matches!(end, None | Some(Ok(ClientMessage::Close(_)))), "{end:?}");
}

#[tokio::test]
async fn bytes_that_follow_the_request_at_once_reach_the_new_protocol() {
    let server = start().await;
    let request = "GET /echo HTTP/1.1\r\nhost: lasse.example\r\nconnection: upgrade\r\n\
        upgrade: websocket\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut bytes = request.as_bytes().to_vec();
    // A text frame, masked with zeros.
    bytes.extend_from_slice(b"\x81\x82\0\0\0\0hi");
    let mut socket = TcpStream::connect(server.addr).await.unwrap();
    socket.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\x81\x02hi") {
        let mut space = [0; 1024];
        let n = timeout(TIME_LIMIT, socket.read(&mut space)).await.expect("no echo").unwrap();
        assert_ne!(n, 0, "the end, after {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&space[..n]);
    }
    let head = String::from_utf8_lossy(&answer);
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    assert!(head.contains("\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
}

#[tokio::test]
async fn a_connection_that_declines_an_upgrade_serves_the_next_request() {
    let server = start().await;
    let request = "GET / HTTP/1.1\r\nhost: lasse.example\r\nconnection: upgrade\r\n\
        upgrade: h2c\r\n\r\n";
    let mut socket = send(&server, request).await;
    read_until(&mut socket, "data: hello\n\n\r\n").await;
    server.newest().inform("stop").unwrap();
    read_until(&mut socket, "0\r\n\r\n").await;
    socket.write_all(support::request("GET", "/peer").as_bytes()).await.unwrap();
    let peer = socket.local_addr().unwrap().to_string();
    assert!(read_until(&mut socket, &peer).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn a_shutdown_leaves_websockets_until_it_is_over_and_then_closes_them() {
    let mut server = start().await;
    let mut echo = connect(&server, "/echo").await;
    let mut hang = connect(&server, "/hang").await;
    let start = Instant::now();
    let (none, some) = (Duration::ZERO, Duration::from_millis(300));
    server.gate.drain(&DrainPlan::new().with_notice(none).with_window(none).with_grace(some));
    tokio::time::sleep(Duration::from_millis(700)).await;
    expect_echo(&mut echo, "still here").await;
    for client in [&mut echo, &mut hang] {
        let end = timeout(TIME_LIMIT, client.next()).await.expect("the connection is still open");
        assert!(matches!(end, None | Some(Err(_))), "{end:?}");
    }
    server.stopped().await;
    assert!((Duration::from_millis(1300)..TIME_LIMIT).contains(&start.elapsed()));
}

#[tokio::test]
async fn a_shutdown_waits_for_no_websocket_that_has_ended() {
    let mut server = start().await;
    let mut client = connect(&server, "/echo").await;
    expect_echo(&mut client, "hello").await;
    drop(client);
    server.gate.drain(&DrainPlan::new().with_notice(Duration::ZERO));
    server.stopped().await;
}

#[tokio::test]
async fn a_websocket_over_http2_keeps_its_connection_open() {
    let server = start().await;
    let mut client = h2_client::connect(&server, 65_535).await;
    // The settings of the server have arrived with the first response.
    drop(h2_client::ask(&mut client, http::Method::GET, "/peer").await);
    assert!(client.is_extended_connect_protocol_enabled());
    let mut request = http::Request::connect("http://lasse.example/echo")
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap();
    request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    let (response, mut sender) = client.send_request(request, false).unwrap();
    let response = timeout(TIME_LIMIT, response).await.expect("no answer").unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    for _ in 0..2 {
        // Longer than the idle timeout.
        tokio::time::sleep(Duration::from_millis(300)).await;
        sender.send_data(b"\x81\x82\0\0\0\0hi".as_slice().into(), false).unwrap();
        assert_eq!(h2_client::data(&mut body).await.unwrap().unwrap(), b"\x81\x02hi".as_slice());
    }
}
