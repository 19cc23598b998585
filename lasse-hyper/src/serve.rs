//! A server for HTTP/1.1 and HTTP/2, with the deadlines and the shutdown that hyper
//! does not have.

mod acceptor;
mod body;
mod connection_server;
mod connection_task;
mod context;
mod event_stream;
mod exchange;
mod http1;
mod http2;
mod linger;
mod protocol;
mod request_end;
mod service;
mod socket;
mod stream_executor;
mod transport;
mod upgrade;

use std::fmt;
use std::future::{Future, IntoFuture, Pending, pending};
use std::pin::{Pin, pin};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use lasse_tokio::server::ConnectionTracker;
use lasse_tokio::{DrainPlan, Gate, Listener, PeerAddr, ServeConfig};

pub use connection_server::ConnectionServer;
#[cfg(feature = "axum")]
pub(crate) use request_end::RequestEnd;
pub use transport::Transport;

use connection_server::HTTP2_IDLE_TIMEOUT;
use service::BoxError;

/// Serves a hyper service over HTTP/1.1 and HTTP/2.
///
/// It adds to hyper what streams that last for hours need:
///
/// - An event stream over HTTP/1.1 takes about a tenth of the memory that it takes in
///   hyper: hyper writes its head, and the server the rest.
/// - One deadline for the TLS handshake, the first bytes and the head of the first
///   request; limits for heads; a `Host` that is valid; HTTP/2 pings, and a timeout for
///   HTTP/2 connections without streams.
/// - The response timeout of `config`, after which the future of the service is dropped.
///   It is also dropped if the client leaves.
/// - The write timeout of `config`, for sockets, and for each stream of an HTTP/2
///   connection, whose socket can be writable although the stream is blocked. The
///   handler gets [`EndReason::Stalled`](lasse_tokio::lasse_core::EndReason::Stalled).
/// - A [graceful shutdown](Serve::with_graceful_shutdown) that does not wait for streams
///   that never end.
///
/// The extensions of each request contain the address of the client, as [`PeerAddr`],
/// and the [`Gate`] of the server, which is used by each
/// [`Endpoint`](lasse_tokio::Endpoint) that has no gate of its own.
///
/// Upgrades work, so a server can have WebSocket routes and event streams. An upgraded connection
/// can use the [`Gate`] to close in time at a shutdown. It is closed when the drain plan is over.
///
/// # Examples
///
/// ```no_run
/// # use std::convert::Infallible;
/// # use http::Response;
/// use hyper::service::service_fn;
/// use lasse_hyper::{Listener, ServeConfig};
///
/// # async fn hello() -> Result<Response<String>, Infallible> { Ok(Response::default()) }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let listener = Listener::bind("127.0.0.1:4000").await?;
/// lasse_hyper::serve(listener, ServeConfig::new(), service_fn(|_request| hello()))
///     .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
///     .await;
/// # Ok(())
/// # }
/// ```
pub fn serve<S>(listener: impl Into<Listener>, config: ServeConfig, service: S) -> Serve<S> {
    let listener = listener.into().with_write_timeout(Some(config.write_timeout()));
    Serve {
        listener,
        config,
        service,
        #[cfg(feature = "tls")]
        tls: None,
        gate: Gate::default(),
        plan: None,
        http2_idle_timeout: HTTP2_IDLE_TIMEOUT,
        signal: pending(),
    }
}

/// A server, to be awaited. It is ready when it has shut down.
///
/// If it is dropped before, it stops at once: it accepts no more connections, and drops
/// the open ones. Their streams end with
/// [`EndReason::Dropped`](lasse_tokio::lasse_core::EndReason::Dropped). No client can take
/// a response that is cut off for a complete one.
#[must_use = "a server does nothing unless it is awaited"]
pub struct Serve<S, G = Pending<()>> {
    listener: Listener,
    config: ServeConfig,
    service: S,
    #[cfg(feature = "tls")]
    tls: Option<tokio_rustls::TlsAcceptor>,
    gate: Gate,
    plan: Option<DrainPlan>,
    http2_idle_timeout: Duration,
    signal: G,
}

impl<S, G> Serve<S, G> {
    /// Counts streams at this gate. When it drains, for any reason, the server shuts
    /// down.
    pub fn with_gate(self, gate: &Gate) -> Self {
        Self { gate: gate.clone(), ..self }
    }

    /// Sets the plan of the drain that [a graceful shutdown](Self::with_graceful_shutdown) starts.
    /// The default is the plan of the gate.
    pub fn with_drain_plan(self, plan: DrainPlan) -> Self {
        Self { plan: Some(plan), ..self }
    }

    /// Closes an HTTP/2 connection that has had no stream for `timeout`: 2 minutes,
    /// unless you set it. An HTTP/1.1 connection without a request is closed after the
    /// head timeout.
    #[doc(alias = "keepalive")]
    pub fn with_http2_idle_timeout(self, timeout: Duration) -> Self {
        Self { http2_idle_timeout: timeout, ..self }
    }

    /// Serves over TLS, with HTTP/2 for clients that offer it. If `config` names no
    /// protocols, they are HTTP/2 and HTTP/1.1.
    #[cfg(feature = "tls")]
    pub fn with_tls(self, config: tokio_rustls::rustls::ServerConfig) -> Self {
        Self { tls: Some(acceptor::tls_acceptor(config)), ..self }
    }

    /// Shuts down when `signal` is ready: drains the gate by the
    /// [default plan](lasse_tokio::DrainPlan), unless it is draining already. Each stream
    /// sends its client a time to reconnect and ends cleanly, at a random time within the
    /// window of the plan, and its connection closes. Other requests can complete.
    #[doc(alias = "SIGTERM")]
    pub fn with_graceful_shutdown<F: Future<Output = ()>>(self, signal: F) -> Serve<S, F> {
        Serve {
            listener: self.listener,
            config: self.config,
            service: self.service,
            #[cfg(feature = "tls")]
            tls: self.tls,
            gate: self.gate,
            plan: self.plan,
            http2_idle_timeout: self.http2_idle_timeout,
            signal,
        }
    }
}

impl<S, G, B> Serve<S, G>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    G: Future<Output = ()>,
{
    async fn run(self) {
        let server = ConnectionServer::new(&self.config, &self.gate, self.service)
            .with_http2_idle_timeout(self.http2_idle_timeout);
        let (gate, tracker) = (&self.gate, ConnectionTracker::new());
        let mut listener = self.listener.with_gate(gate);
        let signal = async {
            self.signal.await;
            self.plan.iter().filter(|_| gate.is_ready()).for_each(|plan| gate.drain(plan));
        };
        let mut shut = pin!(gate.shut_on(signal));
        loop {
            tokio::select! {
                (io, peer) = listener.accept() => {
                    let (peer, tracked) = (PeerAddr(peer), tracker.track());
                    #[cfg(feature = "tls")]
                    if let Some(tls) = &self.tls {
                        let accepting = acceptor::accept_tls(tls.clone(), io);
                        tokio::spawn(server.serve_accepting(accepting, peer, tracked));
                        continue;
                    }
                    tokio::spawn(server.serve_connection(io, peer, tracked));
                }
                () = shut.as_mut() => break,
            }
        }
        drop(listener);
        tracker.shut_down(&self.gate).await;
    }
}

impl<S, G, B> IntoFuture for Serve<S, G>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    G: Future<Output = ()> + Send + 'static,
{
    type Output = ();
    type IntoFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<S, G> fmt::Debug for Serve<S, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").field("listener", &self.listener).finish_non_exhaustive()
    }
}
