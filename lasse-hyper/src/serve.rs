//! A server for HTTP/1.1 and HTTP/2, with the deadlines and the shutdown that
//! hyper leaves to its users.

mod connection;
mod course;
mod house;
mod introduce;
mod open;
mod preface;
mod socket;
mod streams;

use std::fmt;
use std::future::{Future, IntoFuture, Pending, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use lasse_tokio::lasse_core::EndReason;
use lasse_tokio::{Gate, Listener, PeerAddr, ServeConfig};
use tokio::time::sleep;

use connection::{BoxError, Guest, Manners};
use house::{House, Phase};
use open::Door;

/// Serves `service` over HTTP/1.1 and HTTP/2 to everyone who connects to
/// `listener`.
///
/// To hyper this adds what streams that last for hours need:
///
/// - One deadline over the TLS handshake, the bytes that tell the protocol, and
///   the head of the first request; limits of heads; HTTP/2 pings.
/// - The write timeout of `config`, on sockets, and on each stream of an HTTP/2
///   connection, whose socket may be well. Handlers hear
///   [`EndReason::Stalled`](lasse_tokio::lasse_core::EndReason::Stalled).
/// - A [graceful shutdown](Serve::with_graceful_shutdown) that does not wait for
///   streams that never end.
///
/// In the extensions of each request are the client's address, as [`PeerAddr`],
/// and the server's [`Gate`], which [`Endpoint`](lasse_tokio::Endpoint)s without a gate of
/// their own go by.
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
    let (door, gate) = (Door::default(), Gate::default());
    Serve { listener, config, service, door, gate, signal: pending() }
}

/// A server, to be awaited. It is ready when it has shut down; to drop it before
/// is to drop its connections.
#[must_use = "a server does nothing unless it is awaited"]
pub struct Serve<S, G = Pending<()>> {
    listener: Listener,
    config: ServeConfig,
    service: S,
    door: Door,
    gate: Gate,
    signal: G,
}

impl<S, G> Serve<S, G> {
    /// Counts streams at this gate, and shuts down with it: when it drains, for
    /// whatever reason, so does the server.
    pub fn with_gate(self, gate: &Gate) -> Self {
        Self { gate: gate.clone(), ..self }
    }

    /// Speaks TLS, and HTTP/2 with those who ask for it. If `config` names no
    /// protocols, it is given these two.
    #[cfg(feature = "tls")]
    pub fn with_tls(self, config: tokio_rustls::rustls::ServerConfig) -> Self {
        Self { door: Door::tls(config), ..self }
    }

    /// Shuts down when `signal` is ready: drains the gate, by the
    /// [default plan](lasse_tokio::DrainPlan) unless it is draining already. Each stream tells its
    /// client when to come back and ends cleanly, at a random time within the
    /// plan's window, and its connection closes. Other requests may finish.
    pub fn with_graceful_shutdown<F: Future<Output = ()>>(self, signal: F) -> Serve<S, F> {
        let Self { listener, config, service, door, gate, .. } = self;
        Serve { listener, config, service, door, gate, signal }
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
        let Self { mut listener, config, service, door, gate, signal } = self;
        let (house, manners) = (House::new(), Arc::new(Manners::new(config)));
        let mut shut = pin!(gate.shut_on(signal));
        loop {
            tokio::select! {
                (io, peer) = listener.accept() => {
                    let (service, manners, gate) = (service.clone(), manners.clone(), gate.clone());
                    let (peer, stay) = (PeerAddr(peer), house.enter());
                    door.let_in(io, Guest { service, manners, peer, gate, stay });
                }
                () = shut.as_mut() => break,
            }
        }
        drop(listener);
        tokio::select! {
            () = close(&house) => return,
            () = gate.over() => {}
        }
        house.announce(Phase::Over(EndReason::Shutdown));
        house.deserted().await;
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

/// Returns when all connections have ended by themselves.
async fn close(house: &House) {
    house.announce(Phase::Closing);
    tokio::select! {
        () = house.deserted() => return,
        () = sleep(TIME_TO_ARRIVE) => {}
    }
    house.announce(Phase::Closed);
    house.deserted().await;
}

/// How long a request may be on its way to a server that is closing.
const TIME_TO_ARRIVE: Duration = Duration::from_millis(500);
