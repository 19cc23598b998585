//! A server for HTTP/1.1 and HTTP/2, with the limits and deadlines that hyper
//! leaves to its users.

mod connection;
mod introduce;
mod preface;
mod socket;
mod streams;

use std::fmt;
use std::future::{Future, IntoFuture, Pending, pending};
use std::pin::{Pin, pin};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use lasse_tokio::{PeerAddr, ServeConfig};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use connection::{BoxError, Guest, Opened, Phase};
use preface::detect;

/// Serves `service` to everyone who connects.
pub fn serve<S>(listener: TcpListener, config: ServeConfig, service: S) -> Serve<S> {
    Serve { listener, config, service, signal: pending() }
}

/// A server, to be awaited.
#[must_use = "a server does nothing unless it is awaited"]
pub struct Serve<S, G = Pending<()>> {
    listener: TcpListener,
    config: ServeConfig,
    service: S,
    signal: G,
}

impl<S> Serve<S> {
    /// Shuts down when `signal` is ready
    pub fn with_graceful_shutdown<G: Future<Output = ()>>(self, signal: G) -> Serve<S, G> {
        let Self { listener, config, service, .. } = self;
        Serve { listener, config, service, signal }
    }
}

impl<S, G, B> Serve<S, G>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    G: Future<Output = ()> + Send + 'static,
{
    async fn run(self) {
        let Self { listener, config, service, signal } = self;
        let (phases, phase) = watch::channel(Phase::Serving);
        let mut connections = JoinSet::new();
        let mut signal = pin!(signal);
        loop {
            tokio::select! {
                (io, peer) = accept(&listener) => {
                    let (service, phase) = (service.clone(), phase.clone());
                    let guest = Guest { service, config, peer: PeerAddr(peer), phase };
                    connections.spawn(guest.serve(async move {
                        let mut io = io;
                        let (protocol, read_ahead) = detect(&mut io).await?;
                        Ok(Opened { io, protocol, read_ahead })
                    }));
                }
                Some(_) = connections.join_next() => {}
                () = signal.as_mut() => break,
            }
        }
        drop(listener);
        phases.send_replace(Phase::Closing);
        let _ = timeout(Duration::from_secs(5), async {
            while connections.join_next().await.is_some() {}
        })
        .await;
        phases.send_replace(Phase::Over);
        while connections.join_next().await.is_some() {}
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

async fn accept(listener: &TcpListener) -> (tokio::net::TcpStream, std::net::SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => {
                let _ = socket.set_nodelay(true);
                return (socket, peer);
            }
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}
