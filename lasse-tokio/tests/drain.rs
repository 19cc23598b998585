//! A server that shuts down, as its clients see it.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use lasse_core::{Body, Init, Instant, Next, Source};
use lasse_tokio::{
    DrainPlan, Endpoint, Gate, Listener, ServeConfig, SessionBody, respond_with, serve,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// A server that streams silence, but for `/hello`, and how to stop it.
async fn start(gate: &Gate) -> io::Result<(SocketAddr, oneshot::Sender<()>, JoinHandle<()>)> {
    let listener = Listener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel();
    let stopped = async {
        if stopped.await.is_err() {
            pending::<()>().await;
        }
    };
    let serving = serve(listener, ServeConfig::new(), |request| {
        let answer = answer(&request);
        async { answer }
    });
    let serving = serving.with_gate(gate).with_graceful_shutdown(stopped);
    Ok((address, stop, tokio::spawn(serving.into_future())))
}

/// A source that sends nothing.
struct Silent;

impl Source for Silent {
    fn poll_next(&mut self, _: Instant, _: &mut Context<'_>) -> Next {
        Next::Wait(None)
    }
}

fn answer(request: &Request<()>) -> Response<SessionBody<Silent>> {
    if request.uri() == "/hello" {
        return Response::new(Body::Full(Bytes::from_static(b"hello")));
    }
    let endpoint = Endpoint::default();
    respond_with(request, &endpoint, |_| Init::Stream(Silent, vec![]))
}

async fn ask(server: SocketAddr, path: &str) -> io::Result<TcpStream> {
    let mut client = TcpStream::connect(server).await?;
    client.write_all(format!("GET {path} HTTP/1.1\r\nhost: me\r\n\r\n").as_bytes()).await?;
    Ok(client)
}

/// All that a client is sent, until its socket is closed.
async fn hear_out(mut client: TcpStream) -> io::Result<String> {
    let mut said = String::new();
    timeout(SOON, client.read_to_string(&mut said)).await??;
    Ok(said)
}

async fn hear_hello(client: &mut TcpStream) -> io::Result<String> {
    let mut said = Vec::new();
    while !said.ends_with(b"hello") {
        said.push(client.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&said).into())
}

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn every_client_is_told_to_come_back_and_its_socket_is_closed() -> io::Result<()> {
    let gate = Gate::default();
    let (server, _stop, serving) = start(&gate).await?;
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(ask(server, "/").await?);
    }
    while gate.stats().open < clients.len() {
        tokio::task::yield_now().await;
    }

    gate.drain(&DrainPlan::new().with_window(Duration::from_millis(300)));
    for client in clients {
        let said = hear_out(client).await?;
        assert!(said.starts_with("HTTP/1.1 200 OK\r\n"), "{said}");
        assert!(said.contains("retry: "), "{said}");
        assert!(said.ends_with("\r\n0\r\n\r\n"), "{said}");
    }
    timeout(SOON, serving).await??;
    assert_eq!(gate.stats().open, 0);
    assert!(TcpStream::connect(server).await.is_err(), "no one listens any more");
    Ok(())
}

#[tokio::test]
async fn a_server_without_streams_stops_when_it_is_told_to() -> io::Result<()> {
    let (server, stop, serving) = start(&Gate::default()).await?;
    let mut idle = ask(server, "/hello").await?;
    hear_hello(&mut idle).await?;
    stop.send(()).unwrap();
    timeout(SOON, serving).await??;
    assert_eq!(hear_out(idle).await?, "", "a connection that waits is closed");
    Ok(())
}

#[tokio::test]
async fn a_request_that_was_on_its_way_is_answered_and_the_connection_closed() -> io::Result<()> {
    let gate = Gate::default();
    let (server, _stop, serving) = start(&gate).await?;
    let mut kept = ask(server, "/hello").await?;
    assert!(!hear_hello(&mut kept).await?.contains("connection: close"));
    let mut silent = TcpStream::connect(server).await?;
    let mut half = TcpStream::connect(server).await?;
    half.write_all(b"GET / HTTP/1.1\r\n").await?;
    sleep(Duration::from_millis(50)).await;

    gate.drain(&DrainPlan::new());
    gate.shut().await;
    sleep(Duration::from_millis(50)).await;
    kept.write_all(b"GET / HTTP/1.1\r\nhost: me\r\n\r\n").await?;
    silent.write_all(b"GET / HTTP/1.1\r\nhost: me\r\n\r\n").await?;
    half.write_all(b"host: me\r\n\r\n").await?;
    for client in [kept, silent, half] {
        let said = hear_out(client).await?;
        assert!(said.contains("connection: close\r\n"), "{said}");
        assert!(said.contains("retry: "), "{said}");
    }
    timeout(SOON, serving).await??;
    Ok(())
}

#[tokio::test]
async fn a_request_that_takes_long_may_finish() -> io::Result<()> {
    let gate = Gate::default();
    let listener = Listener::bind("127.0.0.1:0").await?;
    let server = listener.local_addr()?;
    let serving = serve(listener, ServeConfig::new(), |_| async {
        sleep(Duration::from_millis(200)).await;
        Response::new(SessionBody::<Silent>::Full(Bytes::from_static(b"at last")))
    });
    let serving = tokio::spawn(serving.with_gate(&gate).into_future());
    let client = ask(server, "/").await?;
    sleep(Duration::from_millis(50)).await;
    gate.drain(&DrainPlan::new());
    assert!(hear_out(client).await?.ends_with("at last"));
    timeout(SOON, serving).await??;
    Ok(())
}
