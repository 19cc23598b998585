//! A server of single connections, for accept loops of any kind.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use lasse_tokio::server::TrackedConnection;
use lasse_tokio::{Gate, PeerAddr, ServeConfig};

use super::acceptor::{Accepted, accept};
use super::connection_task::ConnectionTask;
use super::context::{ConnectionContext, Settings};
use super::http1;
use super::service::BoxError;
use super::transport::Transport;

/// Serves connections that another part of the program has accepted, over any
/// [`Transport`], as [`serve`](crate::serve()) does with those of its listener.
///
/// A graceful shutdown is that of a
/// [`ConnectionTracker`](lasse_tokio::server::ConnectionTracker), which tracks each
/// connection.
///
/// # Examples
///
/// ```no_run
/// use std::pin::pin;
///
/// use lasse_hyper::server::{ConnectionServer, ConnectionTracker};
/// use lasse_hyper::{Gate, Listener, PeerAddr, ServeConfig};
/// # use std::convert::Infallible;
/// # use http::Response;
/// # async fn hello() -> Result<Response<String>, Infallible> { Ok(Response::default()) }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let signal = async { drop(tokio::signal::ctrl_c().await) };
/// let service = hyper::service::service_fn(|_request| hello());
/// let (gate, tracker) = (Gate::default(), ConnectionTracker::new());
/// let server = ConnectionServer::new(&ServeConfig::new(), &gate, service);
/// let mut listener = Listener::bind("127.0.0.1:4000").await?.with_gate(&gate);
/// let mut shut = pin!(gate.shut_on(signal));
/// loop {
///     tokio::select! {
///         (socket, peer) = listener.accept() => {
///             tokio::spawn(server.serve_connection(socket, PeerAddr(peer), tracker.track()));
///         }
///         () = shut.as_mut() => break,
///     }
/// }
/// drop(listener);
/// tracker.shut_down(&gate).await;
/// # Ok(())
/// # }
/// ```
pub struct ConnectionServer<S> {
    settings: Arc<Settings>,
    service: S,
}

impl<S> ConnectionServer<S> {
    /// Serves `service`. The extensions of each request contain `gate`, which is used by each
    /// [`Endpoint`](lasse_tokio::Endpoint) that has no gate of its own.
    pub fn new(config: &ServeConfig, gate: &Gate, service: S) -> Self {
        let settings = Settings {
            config: *config,
            gate: gate.clone(),
            http1: http1::builder(config),
            http2_idle_timeout: HTTP2_IDLE_TIMEOUT,
        };
        Self { settings: Arc::new(settings), service }
    }

    /// Closes an HTTP/2 connection that has had no stream for `timeout`: 2 minutes,
    /// unless you set it. An HTTP/1.1 connection without a request is closed after the
    /// head timeout.
    #[must_use]
    pub fn with_http2_idle_timeout(mut self, timeout: Duration) -> Self {
        let settings = Settings { http2_idle_timeout: timeout, ..(*self.settings).clone() };
        self.settings = Arc::new(settings);
        self
    }
}

impl<S, B> ConnectionServer<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    /// Serves the requests that arrive on `io` over HTTP/1.1 or HTTP/2, until the client
    /// leaves or the last response ends the connection. Ready when the connection has
    /// ended.
    ///
    /// # Panics
    ///
    /// If it is not polled in a tokio runtime with timers.
    pub fn serve_connection<Io: Transport>(
        &self,
        io: Io,
        peer: PeerAddr,
        tracked: TrackedConnection,
    ) -> impl Future<Output = ()> + Send + use<Io, S, B> {
        self.serve_accepting(accept(io), peer, tracked)
    }

    /// Serves a connection whose protocol is not known before `accepting` is ready.
    pub(super) fn serve_accepting<Io: Transport>(
        &self,
        accepting: impl Future<Output = io::Result<Accepted<Io>>> + Send + 'static,
        peer: PeerAddr,
        tracked: TrackedConnection,
    ) -> ConnectionTask<Io, S> {
        let context = ConnectionContext::new(self.settings.clone(), peer);
        ConnectionTask::new(context, tracked, self.service.clone(), accepting)
    }
}

impl<S> fmt::Debug for ConnectionServer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionServer").field("settings", &self.settings).finish_non_exhaustive()
    }
}

pub(super) const HTTP2_IDLE_TIMEOUT: Duration = Duration::from_secs(120);
