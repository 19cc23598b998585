//! The server over real sockets: how its connections end.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::time::Duration;

use http::{Request, Response};
use lasse_core::{
    Accept, EndReason, Event, Frame, Handler, Init, Next, RequestHead, SendError, StreamConfig,
};
use lasse_tokio::{
    Body, Endpoint, Gate, HandlerSource, Listener, ServeConfig, SessionBody, respond, serve,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};

/// A handler whose behaviour depends on the path of its request.
struct Actor {
    path: String,
    ends: mpsc::Sender<EndReason>,
}

impl Accept for Actor {
    type Args = mpsc::Sender<EndReason>;
    fn init(ends: Self::Args, request: &RequestHead<'_>) -> Init<Self> {
        Init::Stream(
            Self { path: request.uri().path().into(), ends },
            vec![Event::new("hello").encode()],
        )
    }
}

impl Handler for Actor {
    type Notify = ();
    type Info = ();
    fn handle_tick(&mut self, _: lasse_core::Instant) -> Next {
        match self.path.as_str() {
            "/panic" => resume_unwind(Box::new("as requested")),
            "/flood" => Next::send(Event::new("x".repeat(64 * 1024))),
            _ => Next::Wait(None),
        }
    }
    fn handle_error(&mut self, _: &[Frame], _: &SendError) {}
    fn terminate(&mut self, reason: EndReason) {
        let _ = self.ends.send(reason);
    }
}

/// A server, not yet awaited.
struct Server<F> {
    address: SocketAddr,
    serving: F,
    ends: mpsc::Receiver<EndReason>,
}

async fn server(
    config: ServeConfig,
    streams: StreamConfig,
    gate: &Gate,
) -> io::Result<Server<impl Future<Output = ()> + Send + 'static>> {
    let listener = Listener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (end, ends) = mpsc::channel();
    let endpoint = Endpoint::new(streams).with_gate(gate);
    let factory = move |request: Request<()>| {
        let response = responder(&request, &endpoint, &end);
        async move { response }
    };
    let serving = serve(listener, config, factory).with_gate(gate).into_future();
    Ok(Server { address, serving, ends })
}

fn responder(
    request: &Request<()>,
    endpoint: &Endpoint,
    end: &mpsc::Sender<EndReason>,
) -> Response<SessionBody<HandlerSource<Actor>>> {
    match request.uri().path() {
        "/whole" => Response::new(Body::from("whole")),
        "/factory-panics" => resume_unwind(Box::new("as requested")),
        _ => respond::<Actor>(request, endpoint, |_| end.clone()),
    }
}

/// Sends a request by HTTP/1.0, and receives the start of the response.
async fn get_1_0(server: SocketAddr, path: &str) -> io::Result<TcpStream> {
    let mut client = TcpStream::connect(server).await?;
    client.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    read_until(&mut client, "data: hello\n\n").await?;
    Ok(client)
}

async fn read_until(client: &mut TcpStream, end: &str) -> io::Result<()> {
    let mut received = Vec::new();
    while !received.ends_with(end.as_bytes()) {
        received.push(timeout(SOON, client.read_u8()).await??);
    }
    Ok(())
}

/// How the connection ends, for a client that reads on.
async fn end(client: &mut TcpStream) -> Result<(), ErrorKind> {
    let read = timeout(SOON, client.read_to_end(&mut Vec::new())).await.unwrap();
    read.map(drop).map_err(|error| error.kind())
}

const SOON: Duration = Duration::from_secs(5);
const RESET: Result<(), ErrorKind> = Err(ErrorKind::ConnectionReset);

#[tokio::test]
async fn a_panic_resets_the_connection() -> io::Result<()> {
    let gate = Gate::default();
    let server = server(ServeConfig::new(), StreamConfig::new(), &gate).await?;
    tokio::spawn(server.serving);
    let mut client = get_1_0(server.address, "/panic").await?;
    assert_eq!(end(&mut client).await, RESET);
    assert_eq!(server.ends.recv_timeout(SOON), Ok(EndReason::Panicked));
    while gate.stats().open > 0 {
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(gate.stats().ended(EndReason::Panicked), 1);

    let mut client = TcpStream::connect(server.address).await?;
    client.write_all(b"GET /factory-panics HTTP/1.0\r\n\r\n").await?;
    assert_eq!(end(&mut client).await, RESET);
    Ok(())
}

#[tokio::test]
async fn a_dropped_runtime_resets_its_connections() -> io::Result<()> {
    let runtime = Runtime::new()?;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    runtime.spawn(async move {
        let gate = Gate::default();
        let server = server(ServeConfig::new(), StreamConfig::new(), &gate).await?;
        let _ = sender.send((server.address, server.ends));
        server.serving.await;
        io::Result::Ok(())
    });
    let (address, ends) = receiver.await.unwrap();
    let mut client = get_1_0(address, "/quiet").await?;
    runtime.shutdown_background();
    assert_eq!(end(&mut client).await, RESET);
    assert_eq!(ends.recv_timeout(SOON), Ok(EndReason::Dropped));
    Ok(())
}

#[tokio::test]
async fn a_dropped_server_resets_all_its_connections_at_once() -> io::Result<()> {
    let gate = Gate::default();
    let server = server(ServeConfig::new(), StreamConfig::new(), &gate).await?;
    let serving = tokio::spawn(server.serving);
    let mut idle = TcpStream::connect(server.address).await?;
    idle.write_all(b"GET /whole HTTP/1.1\r\nhost: a\r\n\r\n").await?;
    read_until(&mut idle, "whole").await?;
    let mut streams = [get_1_0(server.address, "/a").await?, get_1_0(server.address, "/b").await?];
    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
    for client in streams.iter_mut().chain([&mut idle]) {
        assert_eq!(end(client).await, RESET);
    }
    assert_eq!([(); 2].map(|()| server.ends.recv_timeout(SOON)), [Ok(EndReason::Dropped); 2]);
    assert!(TcpStream::connect(server.address).await.is_err(), "the listener is closed");
    assert_eq!(gate.stats().ended(EndReason::Dropped), 2);
    Ok(())
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_reset() -> io::Result<()> {
    let config = ServeConfig::new().with_head_timeout(Duration::from_millis(100)).unwrap();
    let server = server(config, StreamConfig::new(), &Gate::default()).await?;
    tokio::spawn(server.serving);
    let mut client = TcpStream::connect(server.address).await?;
    assert_eq!(end(&mut client).await, Ok(()));
    Ok(())
}

/// The write timeout of the server is shorter than the kernel's patience with a client
/// that does not read, and must not apply to its streams.
#[tokio::test]
async fn a_stream_has_a_write_timeout_of_its_own() -> io::Result<()> {
    let short = Duration::from_millis(300);
    let config = ServeConfig::new().with_write_timeout(short).unwrap();
    let long = StreamConfig::new().with_write_timeout(Duration::from_secs(300));
    let none = StreamConfig::new().with_write_timeout(None);
    let same = StreamConfig::new().with_write_timeout(short);
    let mut running = Vec::new();
    for streams in [long, none, same] {
        let gate = Gate::default();
        let server = server(config, streams, &gate).await?;
        tokio::spawn(server.serving);
        running.push((get_1_0(server.address, "/flood").await?, server.ends, gate));
    }
    // The kernel gives up between one and two of its probes after the timeout.
    sleep(Duration::from_secs(3)).await;
    let ends: Vec<_> = running.iter().map(|(_, ends, _)| ends.try_recv().ok()).collect();
    assert_eq!(ends, [None, None, Some(EndReason::Stalled)]);
    Ok(())
}
