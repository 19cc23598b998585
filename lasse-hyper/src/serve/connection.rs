//! One connection, from its first byte to its end.

use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use lasse_tokio::lasse_core::Reason;
use lasse_tokio::{Gate, PeerAddr, ServeConfig};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};

use super::introduce::{Caller, Introduce};
use super::open::Opened;
use super::preface::Protocol;
use super::socket::{Socket, Transport};
use super::streams::Streams;
use crate::fate::Fate;

/// What hyper takes for an error.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How far the server is with shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is not.
    Serving,
    /// Connections end when their requests are answered.
    Closing,
    /// All is over.
    Over,
}

/// Who has connected, and what for.
#[derive(Debug)]
pub(super) struct Guest<S> {
    pub(super) service: S,
    pub(super) config: ServeConfig,
    pub(super) peer: PeerAddr,
    pub(super) gate: Gate,
    pub(super) phase: watch::Receiver<Phase>,
}

impl<S, B> Guest<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    /// Serves the connection that `open` brings about, until the client, the
    /// server or time ends it. What leads up to it is in a box of its own, which
    /// then goes: a stream may last for hours.
    pub(super) fn serve<Io: Transport>(
        self,
        open: impl Future<Output = io::Result<Opened<Io>>> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let receiving = Box::pin(self.receive(open));
        async move {
            if let Some(course) = receiving.await {
                course.await;
            }
        }
    }

    async fn receive<Io: Transport>(
        mut self,
        open: impl Future<Output = io::Result<Opened<Io>>>,
    ) -> Option<BoxFuture> {
        let mut late = Some(Box::pin(sleep_until(Instant::now() + self.config.head_timeout())));
        let opened = tokio::select! {
            opened = open => opened.ok()?,
            () = elapsed(&mut late) => return None,
            _ = self.phase.changed() => return None,
        };
        Some(self.speak(opened, late))
    }

    fn speak<Io: Transport>(self, opened: Opened<Io>, late: Option<Pin<Box<Sleep>>>) -> BoxFuture {
        let Self { service, config, peer, gate, phase } = self;
        let Opened { io, protocol, read_ahead } = opened;
        let (has_spoken, ends_bodies_by_closing) = (false.into(), false.into());
        let fate = Fate::new();
        let caller = Arc::new(Caller { peer, gate, fate, has_spoken, ends_bodies_by_closing });
        let socket = TokioIo::new(Socket { io, read_ahead, caller: caller.clone() });
        let streams = Streams::new(config.write_timeout());
        let course = Course { caller: caller.clone(), phase, late };
        match protocol {
            Protocol::Http1 => {
                let service = Introduce { service, caller, streams: None };
                let connection = http1(&config).serve_connection(socket, service);
                Box::pin(course.run(Box::pin(connection)))
            }
            Protocol::Http2 => {
                let service = Introduce { service, caller, streams: Some(streams.clone()) };
                let connection = http2(&config, streams).serve_connection(socket, service);
                Box::pin(course.run(Box::pin(connection)))
            }
        }
    }
}

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What may end a connection, but its client.
struct Course {
    caller: Arc<Caller>,
    phase: watch::Receiver<Phase>,
    /// Until the first request is here, if that takes too long.
    late: Option<Pin<Box<Sleep>>>,
}

impl Course {
    /// Not an async function: that would keep what it is given twice.
    fn run(self, mut connection: Pin<Box<impl GracefulConnection>>) -> impl Future<Output = ()> {
        let Self { caller, mut phase, mut late } = self;
        async move {
            // Dropped before the connection, and so decides first.
            let _unless_decided = DecideOnDrop(&caller.fate);
            loop {
                tokio::select! {
                    biased;
                    _ = connection.as_mut() => {
                        caller.fate.decide(Reason::PeerClosed);
                        return;
                    }
                    () = elapsed(&mut late) => {
                        if !caller.has_spoken.load(Ordering::Relaxed) {
                            return;
                        }
                    }
                    phase = next(&mut phase) => match phase {
                        Phase::Serving => {}
                        Phase::Closing => connection.as_mut().graceful_shutdown(),
                        Phase::Over => {
                            caller.fate.decide(Reason::Drained);
                            return;
                        }
                    },
                }
            }
        }
    }
}

/// A server that is dropped with its connections cannot say so otherwise.
struct DecideOnDrop<'a>(&'a Fate);

impl Drop for DecideOnDrop<'_> {
    fn drop(&mut self) {
        self.0.decide(Reason::Dropped);
    }
}

/// Returns once, when the timer fires.
async fn elapsed(timer: &mut Option<Pin<Box<Sleep>>>) {
    match timer {
        Some(sleep) => {
            sleep.await;
            *timer = None;
        }
        None => pending().await,
    }
}

/// The next phase. A server that was dropped is over.
async fn next(phase: &mut watch::Receiver<Phase>) -> Phase {
    match phase.changed().await {
        Ok(()) => *phase.borrow_and_update(),
        Err(_) => Phase::Over,
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
