//! Responses to HTTP/1.0, where the end of the connection is the end of the body.

mod support;

use std::convert::Infallible;
use std::future::ready;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse_hyper::lasse_core::{Channel, ChannelConfig, EndReason, Event, StartAt};
use lasse_hyper::{Endpoint, ServeConfig, serve, subscribe};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

/// The size of a response that does not fit any buffer on its way.
const LARGE: usize = 300_000;

/// Starts a server whose responses have the bodies that `body` returns.
async fn start<B>(
    body: impl Fn(&Request<Incoming>) -> Response<B> + Clone + Send + 'static,
) -> Server
where
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + 'static,
{
    Server::start_with(Endpoint::default(), |listener, gate, _| async move {
        let answer = move |request: Request<Incoming>| ready(Ok::<_, Infallible>(body(&request)));
        serve(listener, ServeConfig::new(), service_fn(answer)).with_gate(&gate).await;
    })
    .await
}

/// Sends a request over a socket that holds 4 KiB, and reads the response later.
async fn read_late(server: &Server, request: &str) -> io::Result<String> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    let mut socket = socket.connect(server.addr).await?;
    socket.write_all(request.as_bytes()).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut text = String::new();
    timeout(TIME_LIMIT, socket.read_to_string(&mut text))
        .await
        .expect("the connection is still open")?;
    Ok(text)
}

#[tokio::test]
async fn a_stream_ends_with_the_connection() {
    let server = Server::start(ServeConfig::new()).await;
    let mut socket = send(&server, "GET / HTTP/1.0\r\n\r\n").await;
    let text = read_until(&mut socket, "data: hello\n\n").await;
    assert!(!text.contains("transfer-encoding"), "{text}");
    server.newest().inform("stop").unwrap();
    assert_eq!(read_to_end(&mut socket).await, "");
}

#[tokio::test]
async fn a_large_body_arrives_whole_at_a_slow_reader() {
    let server = start(|_| Response::new("x".repeat(LARGE))).await;
    let text = read_late(&server, "GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.len(), LARGE);
}

#[tokio::test]
async fn a_finished_channel_arrives_whole_at_a_slow_reader() {
    let channel = Channel::new(&ChannelConfig::new().with_start(StartAt::Oldest));
    for _ in 0..LARGE / 1000 {
        channel.publish(Event::new("x".repeat(1000))).unwrap();
    }
    channel.publisher().finish();
    let server = start(move |request| subscribe(request, &Endpoint::default(), &channel)).await;
    let text = read_late(&server, "GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.matches(&"x".repeat(1000)).count(), LARGE / 1000);
}

#[tokio::test]
async fn a_body_on_a_kept_connection_arrives_whole_before_an_idle_timeout() {
    let config = ServeConfig::new().with_head_timeout(Duration::from_millis(100)).unwrap();
    let server = Server::start_with(Endpoint::default(), |listener, _, _| async move {
        let body = || ready(Ok::<_, Infallible>(Response::new("x".repeat(LARGE))));
        serve(listener, config, service_fn(move |_| body())).await;
    })
    .await;
    let request = "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n";
    let text = read_late(&server, request).await.unwrap();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.len(), LARGE);
}

#[tokio::test]
async fn an_abort_is_a_reset() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut socket = send(&server, "GET / HTTP/1.0\r\n\r\n").await;
    read_until(&mut socket, "data: hello\n\n").await;
    server.newest().inform("abort").unwrap();
    expect_reset(&mut socket).await;
    assert_eq!(server.end().await, EndReason::Aborted);
}

#[tokio::test]
async fn a_panic_of_a_handler_is_a_reset() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut socket = send(&server, "GET / HTTP/1.0\r\n\r\n").await;
    read_until(&mut socket, "data: hello\n\n").await;
    server.newest().inform("a panic, as ordered").unwrap();
    expect_reset(&mut socket).await;
    assert_eq!(server.end().await, EndReason::Panicked);
}

#[tokio::test]
async fn a_panic_of_another_body_is_a_reset() {
    let server = start(|_| Response::new(Panicking { polls: 0 })).await;
    let mut socket = send(&server, "GET / HTTP/1.0\r\n\r\n").await;
    read_until(&mut socket, "start").await;
    expect_reset(&mut socket).await;
}

#[tokio::test]
async fn a_server_that_is_dropped_resets_a_stream() {
    let mut server = Server::start(ServeConfig::new()).await;
    let mut socket = send(&server, "GET / HTTP/1.0\r\n\r\n").await;
    read_until(&mut socket, "data: hello\n\n").await;
    server.task.abort();
    expect_reset(&mut socket).await;
    assert_eq!(server.end().await, EndReason::Dropped);
}

#[tokio::test]
async fn a_runtime_that_is_dropped_resets_a_stream() {
    let (sender, addr) = mpsc::channel();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.unwrap();
    runtime.spawn(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        sender.send(listener.local_addr().unwrap()).unwrap();
        let channel = Channel::new(&ChannelConfig::new());
        let answer = move |request: Request<Incoming>| {
            ready(Ok::<_, Infallible>(subscribe(&request, &Endpoint::default(), &channel)))
        };
        serve(listener, ServeConfig::new(), service_fn(answer)).await;
    });
    let mut socket = TcpStream::connect(addr.recv().unwrap()).await.unwrap();
    socket.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    read_until(&mut socket, "\n\n").await;
    runtime.shutdown_background();
    expect_reset(&mut socket).await;
}

async fn expect_reset(socket: &mut TcpStream) {
    let end =
        timeout(TIME_LIMIT, socket.read(&mut [0; 1])).await.expect("the connection is still open");
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

/// A body that panics after its first frame is flushed.
struct Panicking {
    polls: u32,
}

impl Body for Panicking {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.polls += 1;
        cx.waker().wake_by_ref();
        match self.polls {
            1 => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"start"))))),
            2 => Poll::Pending,
            // Unlike `panic!`, this prints no report.
            _ => std::panic::resume_unwind(Box::new("as ordered")),
        }
    }
}
