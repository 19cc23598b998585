//! HTTP/1: a connection that hyper serves, until something else takes its place.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use lasse_tokio::ServeConfig;

use super::context::ConnectionContext;
use super::event_stream::EventStream;
use super::exchange::{Exchange, WriteMode};
use super::protocol::PREFACE;
use super::service::{ConnectionService, HttpVersion, UserService};
use super::socket::{Socket, SocketParts};
use super::transport::Transport;
use super::upgrade::UpgradedConnection;

/// Sets the limits of hyper.
pub(super) fn builder(config: &ServeConfig) -> http1::Builder {
    let mut builder = http1::Builder::new();
    let limits = config.head_limits();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(config.head_timeout().min(LONGEST))
        .max_header_size(limits.head_bytes)
        .max_buf_size(limits.head_bytes.clamp(LEAST_BUFFER, MAX_BUFFER));
    // Hyper's own limit costs no allocation.
    if limits.headers != HYPERS_FIELDS {
        builder.max_headers(limits.headers.min(MAX_FIELDS));
    }
    builder
}

type Link<Io, S> = TokioIo<Socket<Io, <S as UserService>::ResponseBody>>;
type Service<S> = ConnectionService<S, <S as UserService>::ResponseBody>;

/// A connection that hyper serves.
pub(super) struct Http1Connection<Io: Transport, S: UserService> {
    hyper: Hyper<Io, S>,
    exchange: Arc<Exchange<S::ResponseBody>>,
}

enum Hyper<Io: Transport, S: UserService> {
    Plain(http1::Connection<Link<Io, S>, Service<S>>),
    /// A response upgrades the connection.
    Upgradeable(http1::UpgradeableConnection<Link<Io, S>, Service<S>>),
    /// It was taken apart.
    Gone,
}

/// What follows on a connection that hyper has served.
pub(super) enum Next<Io, S: UserService> {
    /// A response that the task writes itself. The next request needs the service.
    Stream { stream: EventStream<Io>, body: S::ResponseBody, service: S },
    /// A request that a new connection of hyper's must refuse.
    Refusal { io: Io, request: Bytes, service: S },
    /// Another protocol, which the user's task speaks.
    Upgraded(UpgradedConnection),
    /// The end. The client can still read, if there is a transport.
    End(Option<Io>),
}

impl<Io: Transport, S: UserService> Http1Connection<Io, S> {
    pub(super) fn new(
        io: Io,
        read_ahead: Bytes,
        service: S,
        context: &Arc<ConnectionContext>,
    ) -> Self {
        let exchange = Arc::new(Exchange::new());
        let socket = Socket::new(io, read_ahead, context.clone(), exchange.clone());
        let version = HttpVersion::Http1(exchange.clone());
        let service = ConnectionService { service, context: context.clone(), version };
        let builder = &context.settings.http1;
        let hyper = Hyper::Plain(builder.serve_connection(TokioIo::new(socket), service));
        Self { hyper, exchange }
    }

    /// Whether there is a request whose response is not complete.
    pub(super) fn is_busy(&self) -> bool {
        self.exchange.is_busy()
    }

    /// Closes the connection after the response, or now if there is no request.
    pub(super) fn graceful_shutdown(&mut self) {
        match &mut self.hyper {
            Hyper::Plain(connection) => Pin::new(connection).graceful_shutdown(),
            Hyper::Upgradeable(connection) => Pin::new(connection).graceful_shutdown(),
            Hyper::Gone => {}
        }
    }

    /// Ready when hyper no longer serves the connection.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Next<Io, S>> {
        loop {
            let ended = match &mut self.hyper {
                Hyper::Plain(connection) => Pin::new(connection).poll(cx),
                Hyper::Upgradeable(connection) => Pin::new(connection).poll(cx),
                Hyper::Gone => return Poll::Pending,
            };
            if let Poll::Ready(ended) = ended {
                return Poll::Ready(self.end(ended));
            }
            if let Some(body) = self.exchange.take_body() {
                return Poll::Ready(self.hand_over(body));
            }
            if !self.exchange.wants_upgrade() {
                return Poll::Pending;
            }
            self.prepare_upgrade();
        }
    }

    fn prepare_upgrade(&mut self) {
        self.exchange.set_wants_upgrade(false);
        self.exchange.set_mode(WriteMode::Upgrade);
        self.hyper = match mem::replace(&mut self.hyper, Hyper::Gone) {
            Hyper::Plain(connection) => Hyper::Upgradeable(connection.with_upgrades()),
            other => other,
        };
    }

    fn hand_over(&mut self, body: S::ResponseBody) -> Next<Io, S> {
        let Some((parts, read_buf, service)) = self.take_apart() else { return Next::End(None) };
        let Some(io) = parts.io else { return Next::End(None) };
        let read_ahead = [read_buf, parts.read_ahead].concat();
        let stream = EventStream::new(io, parts.captured, read_ahead);
        Next::Stream { stream, body, service }
    }

    /// If `ended` is `Ok`, all responses are written and flushed.
    fn end(&mut self, ended: hyper::Result<()>) -> Next<Io, S> {
        if let Some(connection) = self.exchange.take_upgraded() {
            return Next::Upgraded(connection);
        }
        let Some((parts, read_buf, service)) = self.take_apart() else { return Next::End(None) };
        let Some(io) = parts.io else { return Next::End(None) };
        match ended {
            Ok(()) => io.set_reset_on_drop(false),
            // Hyper answers other versions, but not the preface of HTTP/2, which is too late here.
            Err(error) if error.is_parse() && read_buf.starts_with(PREFACE) => {
                let request = Bytes::from_static(REQUEST_OF_PREFACE);
                return Next::Refusal { io, request, service };
            }
            Err(_) => {}
        }
        Next::End(Some(io).filter(|_| parts.is_shut_down && !parts.has_read_end))
    }

    /// The socket, what hyper has read ahead, and the service.
    fn take_apart(&mut self) -> Option<(SocketParts<Io>, Bytes, S)> {
        let parts = match mem::replace(&mut self.hyper, Hyper::Gone) {
            Hyper::Plain(connection) => connection.into_parts(),
            Hyper::Upgradeable(connection) => connection.into_parts()?,
            Hyper::Gone => return None,
        };
        Some((parts.io.into_inner().into_parts(), parts.read_buf, parts.service.service))
    }
}

/// The preface of HTTP/2 without its end, so that it is a request of an unknown version.
const REQUEST_OF_PREFACE: &[u8] = PREFACE.split_at(18).0;

/// The least and the largest buffer of hyper, in bytes.
const LEAST_BUFFER: usize = 8192;
const MAX_BUFFER: usize = 1 << 30;

/// How many header fields hyper accepts by default.
const HYPERS_FIELDS: usize = 100;

/// How many header fields a `HeaderMap` can hold.
const MAX_FIELDS: usize = 24_576;

/// As long as any timeout: thirty years, which an `Instant` can represent.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
