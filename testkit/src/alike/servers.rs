//! The servers of `lasse-tokio` and `lasse-hyper`, on connections in memory.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse_core::http1::ServeConfig;
use lasse_core::{Event, Init, Instant, Next, RequestHead, Source};
use lasse_hyper::server::{ConnectionServer, ConnectionTracker, Transport};
use lasse_tokio::{Endpoint, Gate, PeerAddr, serve_connection};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio::runtime::Builder;

/// A stream of one event.
pub(super) struct OneEvent;

impl Source for OneEvent {
    fn poll_next(&mut self, _: Instant, _: &mut Context<'_>) -> Next {
        Next::last(Event::new("the only one"))
    }
}

/// The answer to a request.
pub(super) fn init(request: &RequestHead<'_>) -> Init<OneEvent> {
    match request.uri().path().len() % 2 {
        0 => Init::Respond(Response::new("whole".into())),
        _ => Init::Stream(OneEvent, Vec::new()),
    }
}

pub(super) fn config() -> ServeConfig {
    let config = ServeConfig::new().with_head_limits(4096, 50);
    config.and_then(|config| config.with_head_timeout(Duration::from_secs(1))).expect("it is valid")
}

/// Returns what `lasse_tokio::serve_connection` writes.
pub(super) fn run_tokio(input: &[u8]) -> Vec<u8> {
    run(input, |mut io| async move {
        let endpoint = Endpoint::default();
        let factory =
            |request: Request<()>| ready(lasse_tokio::respond_with(&request, &endpoint, init));
        serve_connection(&mut io, PEER, &config(), &factory).await;
    })
}

/// Returns what the server of `lasse-hyper` writes.
pub(super) fn run_hyper(input: &[u8]) -> Vec<u8> {
    run(input, |io| async move {
        let endpoint = Endpoint::default();
        let service = service_fn(move |request: Request<Incoming>| {
            ready(Ok::<_, Infallible>(lasse_hyper::respond_with(&request, &endpoint, init)))
        });
        let server = ConnectionServer::new(&config(), &Gate::default(), service);
        let tracker = ConnectionTracker::new();
        server.serve_connection(Memory(io), PEER, tracker.track()).await;
    })
}

/// Sends `input` to a server, and returns what it writes until it closes the connection. Time passes
/// only when both wait.
fn run<F>(input: &[u8], serve: impl FnOnce(DuplexStream) -> F) -> Vec<u8>
where
    F: Future<Output = ()>,
{
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O needs nothing that could lack");
    runtime.block_on(async {
        let (mut client, server) = duplex(1 << 20);
        let mut written = Vec::new();
        let read = async {
            // If the server has closed, it needs no more input.
            let _ = client.write_all(input).await;
            client.read_to_end(&mut written).await
        };
        let (_, read) = tokio::join!(serve(server), read);
        read.expect("a connection in memory does not fail");
        written
    })
}

/// A connection in memory.
#[derive(Debug)]
struct Memory(DuplexStream);

impl Transport for Memory {
    fn set_reset_on_drop(&self, _: bool) {}

    fn shut_down(&self) {}
}

impl AsyncRead for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, out)
    }
}

impl AsyncWrite for Memory {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

const PEER: PeerAddr = PeerAddr(SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1));
