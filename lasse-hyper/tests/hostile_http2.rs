//! Clients of HTTP/2 that attack the server, frame by frame (RFC 9113 10.5).

mod support;

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse_hyper::{Endpoint, ServeConfig, serve};
use support::h2_client::{ask, connect, data};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `GET http://lasse.example/`, encoded by HPACK (RFC 7541).
const GET: &[u8] = b"\x82\x86\x84\x41\x0dlasse.example";
/// The same with POST.
const POST: &[u8] = b"\x83\x86\x84\x41\x0dlasse.example";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A connection after the preface and the settings of the client.
async fn dial(server: &Server) -> TcpStream {
    let mut socket = TcpStream::connect(server.addr).await.unwrap();
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    socket.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    socket
}

/// Sends frames until the server closes the connection. Returns the error code of its
/// GOAWAY, if it sent one.
async fn flood(mut socket: TcpStream, frames: &[u8]) -> Option<u32> {
    let (mut reader, mut writer) = socket.split();
    let mut answer = Vec::new();
    let write = async {
        while writer.write_all(frames).await.is_ok() {
            tokio::task::yield_now().await;
        }
        pending::<()>().await;
    };
    let read = async { while reader.read_buf(&mut answer).await.is_ok_and(|n| n > 0) {} };
    let both = async {
        tokio::select! { () = write => {}, () = read => {} }
    };
    timeout(TIME_LIMIT, both).await.expect("the connection is still open");
    error_code(&answer)
}

/// The error code of the last `GOAWAY` or `RST_STREAM` in some frames.
fn error_code(mut frames: &[u8]) -> Option<u32> {
    let mut code = None;
    while let Some((header, rest)) = frames.split_at_checked(9) {
        let len =
            usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
        let Some((payload, rest)) = rest.split_at_checked(len) else { break };
        let at = match header[3] {
            GOAWAY => Some(4),
            RST_STREAM => Some(0),
            _ => None,
        };
        code = at.map(|at| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap())).or(code);
        frames = rest;
    }
    code
}

/// That the server serves others as before.
async fn expect_service(server: &Server) {
    let mut client = connect(server, 65_535).await;
    assert_eq!(ask(&mut client, Method::GET, "/none").await.status(), 204);
}

#[tokio::test]
async fn endless_continuation_frames_end_the_connection() {
    let server = Server::start(ServeConfig::new()).await;
    let mut socket = dial(&server).await;
    socket.write_all(&frame(HEADERS, END_STREAM, 1, GET)).await.unwrap();
    // A field `x: xxx..`, which is not indexed.
    let field = [b"\x00\x01x\x7f\x81\x07".as_slice(), &[b'x'; 1024]].concat();
    flood(socket, &frame(CONTINUATION, 0, 1, &field)).await;
    let mut socket = dial(&server).await;
    socket.write_all(&frame(HEADERS, END_STREAM, 1, GET)).await.unwrap();
    flood(socket, &frame(CONTINUATION, 0, 1, &[])).await;
    expect_service(&server).await;
}

#[tokio::test]
async fn streams_that_are_reset_at_once_end_the_connection() {
    let server = Server::start(ServeConfig::new()).await;
    let mut socket = dial(&server).await;
    let mut frames = Vec::new();
    for nth in 0..2000 {
        let stream = 2 * nth + 1;
        frames.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, GET));
        frames.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    let _ = socket.write_all(&frames).await;
    let mut answer = Vec::new();
    let _ = timeout(TIME_LIMIT, socket.read_to_end(&mut answer))
        .await
        .expect("the connection is still open");
    assert_eq!(error_code(&answer), Some(11), "ENHANCE_YOUR_CALM");
    assert!(server.streams.lock().unwrap().len() < 500);
    expect_service(&server).await;
}

#[tokio::test]
async fn windows_that_overflow_end_the_connection() {
    let server = Server::start(ServeConfig::new()).await;
    let window = frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes());
    assert_eq!(flood(dial(&server).await, &window).await, Some(3), "FLOW_CONTROL_ERROR");
    expect_service(&server).await;
}

#[tokio::test]
async fn pings_and_settings_do_not_keep_a_connection_without_streams() {
    let server = start_with_idle_timeout(Duration::from_millis(300)).await;
    for flood_of in [frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, 0, 0, &[])] {
        let mut socket = dial(&server).await;
        let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, GET);
        socket.write_all(&request).await.unwrap();
        socket.write_all(&frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes())).await.unwrap();
        assert!(flood_until_goaway(socket, &flood_of).await, "{flood_of:?}");
    }
}

/// Sends frames, some in a millisecond, until the server sends GOAWAY.
async fn flood_until_goaway(mut socket: TcpStream, frames: &[u8]) -> bool {
    let (start, mut answer) = (Instant::now(), Vec::new());
    while start.elapsed() < TIME_LIMIT {
        if error_code(&answer).is_some() || socket.write_all(frames).await.is_err() {
            return true;
        }
        let _ = timeout(Duration::from_millis(1), socket.read_buf(&mut answer)).await;
    }
    false
}

/// Starts a server that closes idle connections, with a stream at each path.
async fn start_with_idle_timeout(idle: Duration) -> Server {
    Server::start_with(Endpoint::default(), move |listener, gate, service| async move {
        let answer = move |request: Request<Incoming>| std::future::ready(service.answer(&request));
        serve(listener, ServeConfig::new(), service_fn(answer))
            .with_gate(&gate)
            .with_http2_idle_timeout(idle)
            .await;
    })
    .await
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_one_with_a_stream_is_not() {
    for idle in [Duration::ZERO, Duration::from_millis(200)] {
        let server = start_with_idle_timeout(idle).await;
        let start = Instant::now();
        let socket = TcpStream::connect(server.addr).await.unwrap();
        let (mut client, connection) = h2::client::handshake(socket).await.unwrap();
        let mut connection = tokio::spawn(connection);
        let mut stream = ask(&mut client, Method::GET, "/").await.into_body();
        data(&mut stream).await.unwrap().unwrap();
        let open = timeout(2 * idle + Duration::from_millis(100), &mut connection).await;
        assert!(open.is_err(), "{idle:?}");
        server.newest().inform("stop").unwrap();
        while data(&mut stream).await.is_some() {}
        timeout(TIME_LIMIT, connection)
            .await
            .expect("the connection is still open")
            .unwrap()
            .unwrap();
        assert!(start.elapsed() >= 3 * idle, "{idle:?}");
    }
}

#[tokio::test]
async fn an_idle_timeout_can_be_as_long_as_one_likes() {
    let server = start_with_idle_timeout(Duration::MAX).await;
    expect_service(&server).await;
}

#[tokio::test]
async fn a_body_that_is_not_read_fills_its_window_and_no_more() {
    let server = Server::start_with(Endpoint::default(), |listener, _, _| async move {
        let hang = |request: Request<Incoming>| async move {
            let _request = request;
            pending::<Result<Response<String>, Infallible>>().await
        };
        serve(listener, ServeConfig::new(), service_fn(hang)).await;
    })
    .await;
    // Frames of one byte, each of which takes more memory than its byte, are not allowed
    // to fill the window.
    let mut socket = dial(&server).await;
    socket.write_all(&frame(HEADERS, END_HEADERS, 1, POST)).await.unwrap();
    let code = flood(socket, &frame(DATA, 0, 1, b"x").repeat(1000)).await;
    assert_eq!(code, Some(11), "ENHANCE_YOUR_CALM");

    let mut socket = dial(&server).await;
    socket.write_all(&frame(HEADERS, END_HEADERS, 1, POST)).await.unwrap();
    socket.write_all(&frame(DATA, 0, 1, &[b'x'; 16 * 1024]).repeat(20)).await.unwrap();
    let mut answer = Vec::new();
    while error_code(&answer).is_none() {
        timeout(TIME_LIMIT, socket.read_buf(&mut answer)).await.expect("no error").unwrap();
    }
    assert_eq!(error_code(&answer), Some(3), "FLOW_CONTROL_ERROR");
}
