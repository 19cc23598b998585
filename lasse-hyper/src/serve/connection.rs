//! One connection, and what it speaks.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use lasse_tokio::{Gate, PeerAddr, ServeConfig};
use pin_project_lite::pin_project;
use tokio::time::sleep;

use super::course::Course;
use super::house::Stay;
use super::introduce::{Caller, Introduce};
use super::open::Opened;
use super::preface::Protocol;
use super::socket::{Socket, Transport};
use super::streams::Streams;

/// What hyper takes for an error.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How the server speaks with everyone.
#[derive(Debug)]
pub(super) struct Manners {
    config: ServeConfig,
    http1: http1::Builder,
}

impl Manners {
    pub(super) fn new(config: ServeConfig) -> Self {
        Self { config, http1: http1(&config) }
    }
}

/// Who has connected, and what for.
#[derive(Debug)]
pub(super) struct Guest<S> {
    pub(super) service: S,
    pub(super) manners: Arc<Manners>,
    pub(super) peer: PeerAddr,
    pub(super) gate: Gate,
    pub(super) stay: Stay,
}

impl<S, B> Guest<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    /// Serves the connection that `open` brings about, until the client, the
    /// server or time ends it.
    pub(super) fn serve<Io: Transport>(
        self,
        open: impl Future<Output = io::Result<Opened<Io>>> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let Self { service, manners, peer, gate, stay } = self;
        let caller = Arc::new(Caller::new(peer, gate));
        let late = sleep(manners.config.head_timeout());
        let known = caller.clone();
        let opening = async move { Ok(speak(open.await?, service, &manners, known)) };
        Course::new(caller, stay, late, opening)
    }
}

/// Speaks what the client speaks.
fn speak<Io, S, B>(
    opened: Opened<Io>,
    service: S,
    manners: &Manners,
    caller: Arc<Caller>,
) -> Spoken<impl GracefulConnection + use<Io, S, B>, impl GracefulConnection + use<Io, S, B>>
where
    Io: Transport,
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let Opened { io, protocol, read_ahead } = opened;
    let socket = TokioIo::new(Socket { io, read_ahead, caller: caller.clone() });
    match protocol {
        Protocol::Http1 => {
            let service = Introduce { service, caller, streams: None };
            Spoken::Http1 { connection: manners.http1.serve_connection(socket, service) }
        }
        Protocol::Http2 => {
            let streams = Streams::new(manners.config.write_timeout());
            let service = Introduce { service, caller, streams: Some(streams.clone()) };
            let connection = http2(&manners.config, streams).serve_connection(socket, service);
            Spoken::Http2 { connection: Box::pin(connection) }
        }
    }
}

pin_project! {
    /// A connection whose protocol is known.
    #[project = SpokenMut]
    pub(super) enum Spoken<A, B> {
        Http1 {
            #[pin]
            connection: A,
        },
        // The larger of the two, and shared by many streams.
        Http2 {
            connection: Pin<Box<B>>,
        },
    }
}

impl<A: GracefulConnection, B: GracefulConnection> Spoken<A, B> {
    /// Ready at its end: whether all responses are written and flushed.
    pub(super) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        match self.project() {
            SpokenMut::Http1 { connection } => connection.poll(cx).map(|ended| ended.is_ok()),
            SpokenMut::Http2 { connection } => {
                connection.as_mut().poll(cx).map(|ended| ended.is_ok())
            }
        }
    }

    /// Ends it when all requests are answered that are here.
    pub(super) fn close(self: Pin<&mut Self>) {
        match self.project() {
            SpokenMut::Http1 { connection } => connection.graceful_shutdown(),
            SpokenMut::Http2 { connection } => connection.as_mut().graceful_shutdown(),
        }
    }

    /// Whether a request that comes too late is refused, not lost.
    pub(super) fn refuses(&self) -> bool {
        matches!(self, Self::Http2 { .. })
    }
}

fn http1(config: &ServeConfig) -> http1::Builder {
    let mut builder = http1::Builder::new();
    let limits = config.head_limits();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(config.head_timeout())
        .max_headers(limits.headers)
        .max_buf_size(limits.head_bytes.max(LEAST_HEAD));
    builder
}

fn http2(config: &ServeConfig, streams: Streams) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(streams);
    let head_bytes = config.head_limits().head_bytes;
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
        .max_send_buf_size(MOST_BUFFERED);
    builder
}

/// The least that hyper takes for the limit of a head, in bytes.
const LEAST_HEAD: usize = 8192;

/// How many streams a connection may have at a time.
const MOST_STREAMS: u32 = 1000;

/// How much is kept for a stream beyond what its client has room for, in bytes.
const MOST_BUFFERED: usize = 16 * 1024;

/// After how much silence an HTTP/2 client is asked whether it is there, and how
/// long it may take to answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
