//! HTTP/2: a connection that hyper serves, within limits.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use lasse_tokio::{ServeConfig, now};
use tokio::time::{Sleep, sleep};

use super::context::ConnectionContext;
use super::exchange::Exchange;
use super::service::{ConnectionService, HttpVersion, UserService};
use super::socket::Socket;
use super::stream_executor::StreamExecutor;
use super::transport::Transport;

type Link<Io, S> = TokioIo<Socket<Io, <S as UserService>::ResponseBody>>;
type Service<S> = ConnectionService<S, <S as UserService>::ResponseBody>;

/// A connection that hyper serves, until it has had no stream for the idle timeout.
pub(super) struct Http2Connection<Io: Transport, S: UserService> {
    hyper: http2::Connection<Link<Io, S>, Service<S>, StreamExecutor>,
    streams: StreamExecutor,
    context: Arc<ConnectionContext>,
    /// Runs until the connection can have been idle for the timeout, or until a
    /// connection that was idle must have ended.
    timer: Pin<Box<Sleep>>,
    is_closing: bool,
}

impl<Io: Transport, S: UserService> Http2Connection<Io, S> {
    pub(super) fn new(
        io: Io,
        read_ahead: Bytes,
        service: S,
        context: &Arc<ConnectionContext>,
    ) -> Self {
        let settings = &context.settings;
        let streams = StreamExecutor::new(settings.config.write_timeout());
        // Responses over HTTP/2 do not use it.
        let exchange = Arc::new(Exchange::new());
        let socket = Socket::new(io, read_ahead, context.clone(), exchange);
        let version = HttpVersion::Http2(streams.clone());
        let service = ConnectionService { service, context: context.clone(), version };
        let builder = builder(&settings.config, streams.clone());
        Self {
            hyper: builder.serve_connection(TokioIo::new(socket), service),
            streams,
            context: context.clone(),
            timer: Box::pin(sleep(settings.http2_idle_timeout)),
            is_closing: false,
        }
    }

    /// Refuses new streams, and closes the connection after the last that is open.
    pub(super) fn graceful_shutdown(&mut self) {
        Pin::new(&mut self.hyper).graceful_shutdown();
    }

    /// Ready when the connection has ended.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if Pin::new(&mut self.hyper).poll(cx).is_ready() {
                return Poll::Ready(());
            }
            ready!(self.timer.as_mut().poll(cx));
            let idle_timeout = self.context.settings.http2_idle_timeout;
            let rest = match self.idle_for() {
                Some(idle_for) if idle_for >= idle_timeout => {
                    if self.is_closing {
                        return Poll::Ready(());
                    }
                    self.is_closing = true;
                    self.graceful_shutdown();
                    CLOSE_TIME
                }
                Some(idle_for) => idle_timeout - idle_for,
                None => idle_timeout.max(LEAST_WAIT),
            };
            self.timer = Box::pin(sleep(rest));
        }
    }

    /// How long there has been no stream. `None` if there is one, or if the first request
    /// has not arrived, for which there is another deadline.
    fn idle_for(&self) -> Option<Duration> {
        let since = self.streams.idle_since().filter(|_| self.context.has_request())?;
        Some(now().saturating_duration_since(since))
    }
}

/// Sets the limits of hyper and h2.
fn builder(config: &ServeConfig, streams: StreamExecutor) -> http2::Builder<StreamExecutor> {
    let mut builder = http2::Builder::new(streams);
    let head_bytes = config.head_limits().head_bytes;
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .enable_connect_protocol()
        .initial_connection_window_size(WINDOW)
        .initial_stream_window_size(WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
        .max_send_buf_size(MAX_SEND_BUFFER);
    builder
}

/// How many streams a connection can have at a time.
const MAX_STREAMS: u32 = 1000;

/// How many bytes are buffered for a stream whose window is full.
const MAX_SEND_BUFFER: usize = 16 * 1024;

/// How many bytes of request bodies a client can send before they are read, on all streams of a
/// connection. A connection can take this much memory for them.
const WINDOW: u32 = 256 * 1024;

/// After how much silence a client is sent a PING, and how long it can take to answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a client can take to answer the end of an idle connection.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// How often it is checked at the most whether there are still streams.
const LEAST_WAIT: Duration = Duration::from_secs(1);
