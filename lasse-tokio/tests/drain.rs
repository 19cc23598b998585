//! A server that shuts down, as its clients see it.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use lasse_core::{Body, EndReason, Init, Instant, Next, Source, StreamConfig};
use lasse_tokio::{
    DrainPlan, Endpoint, Gate, GateConfig, Listener, ServeConfig, SessionBody, respond_with, serve,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// A server, and the channel that stops it.
struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    /// A server with silent streams, except for `/hello`.
    async fn start(gate: &Gate, endpoint: Endpoint) -> io::Result<Self> {
        let listener = Listener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            if stopped.await.is_err() {
                pending::<()>().await;
            }
        };
        let server = serve(listener, ServeConfig::new(), move |request| {
            let response = respond(&request, &endpoint);
            async { response }
        });
        let server = server.with_gate(gate).with_graceful_shutdown(stopped);
        Ok(Self { address, stop: Some(stop), task: tokio::spawn(server.into_future()) })
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    async fn stopped(self) -> io::Result<()> {
        Ok(timeout(SOON, self.task).await??)
    }
}

/// A source that sends nothing.
struct Silent;

impl Source for Silent {
    fn poll_next(&mut self, _: Instant, _: &mut Context<'_>) -> Next {
        Next::Wait(None)
    }
}

fn respond(request: &Request<()>, endpoint: &Endpoint) -> Response<SessionBody<Silent>> {
    if request.uri() == "/hello" {
        return Response::new(Body::Full(Bytes::from_static(b"hello")));
    }
    respond_with(request, endpoint, |_| Init::Stream(Silent, vec![]))
}

async fn get(server: SocketAddr, path: &str) -> io::Result<TcpStream> {
    let mut client = TcpStream::connect(server).await?;
    client.write_all(format!("GET {path} HTTP/1.1\r\nhost: me\r\n\r\n").as_bytes()).await?;
    Ok(client)
}

/// Reads until the socket is closed.
async fn read_to_end(mut client: TcpStream) -> io::Result<String> {
    let mut text = String::new();
    timeout(SOON, client.read_to_string(&mut text)).await??;
    Ok(text)
}

async fn read_hello(client: &mut TcpStream) -> io::Result<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"hello") {
        text.push(client.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&text).into())
}

/// Returns when the gate has so many streams.
async fn wait_for_streams(gate: &Gate, streams: usize) {
    while gate.stats().open < streams {
        tokio::task::yield_now().await;
    }
}

/// A plan that takes little time.
fn plan() -> DrainPlan {
    DrainPlan::new().with_notice(Duration::ZERO).with_window(Duration::from_millis(300))
}

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_stream_of_a_tag_ends_at_once_while_the_server_goes_on() -> io::Result<()> {
    let gate = Gate::new(GateConfig::new().with_tags(|request| [request.uri().path().to_owned()]));
    let mut server = Server::start(&gate, Endpoint::default()).await?;
    let (mut ada, bob) = (get(server.address, "/ada").await?, get(server.address, "/bob").await?);
    wait_for_streams(&gate, 2).await;
    assert_eq!(gate.end_where(|stream| stream.has_tag("/ada")), 1);
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n0\r\n\r\n") {
        text.push(timeout(SOON, ada.read_u8()).await??);
    }
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("event: revoked\ndata: {\"reason\":\"revoked\","), "{text:?}");
    // The connection can be used for another request.
    ada.write_all(b"GET /hello HTTP/1.1\r\nhost: me\r\n\r\n").await?;
    read_hello(&mut ada).await?;
    assert_eq!((gate.stats().open, gate.stats().ended(EndReason::Revoked)), (1, 1));
    server.stop();
    gate.drain(&plan());
    assert!(!read_to_end(bob).await?.contains("event: revoked"));
    server.stopped().await
}

#[tokio::test]
async fn every_client_is_sent_retry_and_its_socket_is_closed() -> io::Result<()> {
    let gate = Gate::default();
    let server = Server::start(&gate, Endpoint::default()).await?;
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(get(server.address, "/").await?);
    }
    wait_for_streams(&gate, clients.len()).await;
    gate.drain(&plan());
    for client in clients {
        let text = read_to_end(client).await?;
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(text.contains("retry: "), "{text}");
        assert!(text.ends_with("\r\n0\r\n\r\n"), "{text}");
    }
    let address = server.address;
    server.stopped().await?;
    assert_eq!(gate.stats().open, 0);
    assert!(TcpStream::connect(address).await.is_err(), "the listener is closed");
    Ok(())
}

#[tokio::test]
async fn streams_of_an_endpoints_own_gate_end_with_the_server() -> io::Result<()> {
    let (own, servers) = (Gate::default(), Gate::new(GateConfig::new().with_drain_plan(plan())));
    let mut server = Server::start(&servers, Endpoint::default().with_gate(&own)).await?;
    let client = get(server.address, "/").await?;
    wait_for_streams(&own, 1).await;
    assert_eq!(servers.stats().open, 1);
    server.stop();
    let text = read_to_end(client).await?;
    assert!(text.contains("retry: ") && text.ends_with("\r\n0\r\n\r\n"), "{text}");
    server.stopped().await?;
    assert!(!own.is_draining());
    assert_eq!(own.stats().open, 0);
    Ok(())
}

#[tokio::test]
async fn a_shutdown_that_leaves_no_time_sends_retry_all_the_same() -> io::Result<()> {
    let gate = Gate::default();
    let server = Server::start(&gate, Endpoint::default()).await?;
    let client = get(server.address, "/").await?;
    wait_for_streams(&gate, 1).await;
    gate.drain(&plan().with_window(Duration::ZERO).with_grace(Duration::ZERO));
    let text = read_to_end(client).await?;
    assert!(text.contains("retry: ") && text.ends_with("\r\n0\r\n\r\n"), "{text}");
    server.stopped().await
}

#[tokio::test]
async fn a_server_is_not_ready_during_the_notice_and_still_serves() -> io::Result<()> {
    let gate = Gate::default();
    let server = Server::start(&gate, Endpoint::default()).await?;
    gate.drain(&plan().with_notice(Duration::from_millis(300)));
    assert!(!gate.is_ready());
    let client = get(server.address, "/").await?;
    wait_for_streams(&gate, 1).await;
    assert!(read_to_end(client).await?.ends_with("\r\n0\r\n\r\n"));
    server.stopped().await
}

#[tokio::test]
async fn a_server_without_streams_stops_at_the_signal() -> io::Result<()> {
    let gate = Gate::new(GateConfig::new().with_drain_plan(plan()));
    let mut server = Server::start(&gate, Endpoint::default()).await?;
    let mut idle = get(server.address, "/hello").await?;
    read_hello(&mut idle).await?;
    server.stop();
    server.stopped().await?;
    assert_eq!(read_to_end(idle).await?, "", "an idle connection is closed");
    Ok(())
}

#[tokio::test]
async fn the_plan_of_the_server_counts_before_that_of_its_gate() -> io::Result<()> {
    let hour = DrainPlan::new().with_notice(Duration::from_secs(3600));
    let gate = Gate::new(GateConfig::new().with_drain_plan(hour));
    let listener = Listener::bind("127.0.0.1:0").await?;
    let endpoint = Endpoint::default();
    let server = serve(listener, ServeConfig::new(), move |request| {
        let response = respond(&request, &endpoint);
        async { response }
    });
    let server = server.with_gate(&gate).with_drain_plan(plan()).with_graceful_shutdown(async {});
    timeout(SOON, server.into_future()).await?;
    assert!(gate.is_draining());
    Ok(())
}

#[tokio::test]
async fn a_request_that_was_on_its_way_is_answered_and_its_connection_closed() -> io::Result<()> {
    let gate = Gate::default();
    let server = Server::start(&gate, Endpoint::default()).await?;
    let mut kept = get(server.address, "/hello").await?;
    assert!(!read_hello(&mut kept).await?.contains("connection: close"));
    let mut silent = TcpStream::connect(server.address).await?;
    let mut half = TcpStream::connect(server.address).await?;
    half.write_all(b"GET / HTTP/1.1\r\n").await?;
    sleep(Duration::from_millis(50)).await;

    gate.drain(&plan());
    gate.shut().await;
    sleep(Duration::from_millis(50)).await;
    kept.write_all(b"GET / HTTP/1.1\r\nhost: me\r\n\r\n").await?;
    silent.write_all(b"GET / HTTP/1.1\r\nhost: me\r\n\r\n").await?;
    half.write_all(b"host: me\r\n\r\n").await?;
    for client in [kept, silent, half] {
        let text = read_to_end(client).await?;
        assert!(text.contains("connection: close\r\n"), "{text}");
        assert!(text.contains("retry: "), "{text}");
    }
    server.stopped().await
}

#[tokio::test]
async fn a_response_that_takes_long_can_finish() -> io::Result<()> {
    let gate = Gate::default();
    let listener = Listener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = serve(listener, ServeConfig::new(), |_| async {
        sleep(Duration::from_millis(200)).await;
        Response::new(SessionBody::<Silent>::Full(Bytes::from_static(b"at last")))
    });
    let task = tokio::spawn(server.with_gate(&gate).into_future());
    let client = get(address, "/").await?;
    sleep(Duration::from_millis(50)).await;
    gate.drain(&plan());
    assert!(read_to_end(client).await?.ends_with("at last"));
    timeout(SOON, task).await??;
    Ok(())
}

#[tokio::test]
async fn a_finite_stream_has_the_grace_to_finish() -> io::Result<()> {
    let gate = Gate::default();
    let endpoint = Endpoint::new(StreamConfig::new().with_finite(true));
    let server = Server::start(&gate, endpoint).await?;
    let mut client = get(server.address, "/").await?;
    wait_for_streams(&gate, 1).await;
    gate.drain(&plan().with_window(Duration::ZERO).with_grace(Duration::from_millis(300)));
    let start = tokio::time::Instant::now();
    let error = timeout(SOON, client.read_to_string(&mut String::new())).await?;
    assert_eq!(error.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(start.elapsed() >= Duration::from_millis(300));
    server.stopped().await
}
