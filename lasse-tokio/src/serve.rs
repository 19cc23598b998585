//! A raw HTTP/1.1 server, for those who want streams and nothing more.

mod config;
mod connection;
mod date;
mod exchange;
mod head;
mod outgoing;

use std::fmt;
use std::future::{Future, IntoFuture, Pending, pending};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;

use http::{Request, Response};
use lasse_core::Source;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::answer::SessionBody;
use crate::gate::Gate;
use crate::sockets::{Listener, reset_on_drop};

pub use config::{InvalidServeConfig, ServeConfig};
use connection::converse;
pub use connection::serve_connection;
use exchange::Host;

/// Serves HTTP/1.1 (and 1.0) to everyone who connects to `listener`. `factory`
/// answers each request, by a stream ([`respond`](crate::respond),
/// [`subscribe`](crate::subscribe)) or a response of its own.
///
/// In the extensions of each request are the client's address, as [`PeerAddr`],
/// and the server's [`Gate`], which [`Endpoint`](crate::Endpoint)s without a gate of their
/// own go by.
///
/// # Examples
///
/// ```no_run
/// use lasse_tokio::lasse_core::Channel;
/// use lasse_tokio::{Listener, Endpoint, ServeConfig, serve, subscribe};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # async fn told_to_stop() {}
/// # let news = Channel::new(&Default::default());
/// let listener = Listener::bind("127.0.0.1:4000").await?;
/// let endpoint = Endpoint::default();
/// serve(listener, ServeConfig::new(), move |request| {
///     let response = subscribe(&request, &endpoint, &news);
///     async { response }
/// })
/// .with_graceful_shutdown(told_to_stop())
/// .await;
/// # Ok(())
/// # }
/// ```
pub fn serve<F, A>(listener: impl Into<Listener>, config: ServeConfig, factory: F) -> Serve<F>
where
    F: Fn(Request<()>) -> A,
{
    let (listener, gate) = (listener.into(), Gate::default());
    Serve { listener, config, factory, gate, signal: pending() }
}

/// The address of the client, in the extensions of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddr(pub SocketAddr);

/// A server, to be awaited. It is ready when it has shut down; to drop it before
/// is to accept no more, while connections go on.
#[must_use = "a server does nothing unless it is awaited"]
pub struct Serve<F, G = Pending<()>> {
    listener: Listener,
    config: ServeConfig,
    factory: F,
    gate: Gate,
    signal: G,
}

impl<F, G> Serve<F, G> {
    /// Counts streams at this gate, and shuts down with it: when it drains, for
    /// whatever reason, so does the server.
    pub fn with_gate(self, gate: &Gate) -> Self {
        Self { gate: gate.clone(), ..self }
    }

    /// Shuts down when `signal` is ready: drains the gate, by the
    /// [default plan](crate::DrainPlan) unless it is draining already. Each stream tells its
    /// client when to come back and ends cleanly, at a random time within the
    /// plan's window, and its connection closes. Other requests may finish.
    pub fn with_graceful_shutdown<S: Future<Output = ()>>(self, signal: S) -> Serve<F, S> {
        let Self { listener, config, factory, gate, .. } = self;
        Serve { listener, config, factory, gate, signal }
    }
}

impl<F, G, A, S> Serve<F, G>
where
    F: Fn(Request<()>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<SessionBody<S>>> + Send + 'static,
    S: Source + Send + 'static,
    G: Future<Output = ()>,
{
    async fn run(self) {
        let Self { mut listener, config, factory, gate, signal } = self;
        let (closing, is_closing) = watch::channel(false);
        let admitting = gate.clone();
        let answer = move |mut request: Request<()>, socket: &TcpStream| {
            let extensions = request.extensions_mut();
            extensions.insert(admitting.clone());
            // A client that is gone has none, and is not there to be answered.
            if let Ok(peer) = socket.peer_addr() {
                extensions.insert(PeerAddr(peer));
            }
            factory(request)
        };
        let host = Host { config, closing: Some(is_closing), answer, abort: reset_on_drop };
        let host = Arc::new(host);
        let mut shut = pin!(gate.shut_on(signal));
        loop {
            tokio::select! {
                (socket, _) = listener.accept() => {
                    // Streams and answers have write timeouts of their own.
                    drop(tokio::spawn(converse(socket.into_inner(), host.clone())));
                }
                () = shut.as_mut() => break,
            }
        }
        drop((listener, host));
        closing.send_replace(true);
        tokio::select! {
            () = closing.closed() => {}
            () = gate.over() => {}
        }
    }
}

impl<F, G, A, S> IntoFuture for Serve<F, G>
where
    F: Fn(Request<()>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<SessionBody<S>>> + Send + 'static,
    S: Source + Send + 'static,
    G: Future<Output = ()> + Send + 'static,
{
    type Output = ();
    type IntoFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<F, G> fmt::Debug for Serve<F, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").field("listener", &self.listener).finish_non_exhaustive()
    }
}
