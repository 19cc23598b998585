//! An HTTP/1.1 server without other dependencies, for services that only stream.

mod connection;
mod date;
mod transport;
mod with_slot;

use std::fmt;
use std::future::{Future, IntoFuture, Pending, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;

use http::{Request, Response};
use lasse_core::Source;
use lasse_core::http1::ServeConfig;

use crate::answer::SessionBody;
use crate::gate::{DrainPlan, Gate};
use crate::peer_addr::PeerAddr;
use crate::sockets::Listener;
use crate::tracker::ConnectionTracker;

pub use connection::serve_connection;
use connection::{ConnectionTask, Service};
use transport::Socket;

/// Serves HTTP/1.1 (and 1.0) to every client that connects to `listener`. `factory`
/// responds to each request with a stream ([`respond`](crate::respond),
/// [`subscribe`](crate::subscribe)) or with a response of its own.
///
/// The extensions of each request contain the address of the client, as [`PeerAddr`],
/// and the server's [`Gate`], which an [`Endpoint`](crate::Endpoint) without a gate of its own
/// uses. The body of a request is not read.
///
/// If the client leaves before the response, or the
/// [response timeout](ServeConfig::with_response_timeout) passes, the future of `factory` is dropped. A
/// client that closes its half of the connection counts as gone.
///
/// # Examples
///
/// ```no_run
/// use lasse_tokio::lasse_core::Channel;
/// use lasse_tokio::{Endpoint, Listener, ServeConfig, serve, subscribe};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # async fn shutdown_signal() {}
/// # let news = Channel::new(&Default::default());
/// let listener = Listener::bind("127.0.0.1:4000").await?;
/// let endpoint = Endpoint::default();
/// serve(listener, ServeConfig::new(), move |request| {
///     let response = subscribe(&request, &endpoint, &news);
///     async { response }
/// })
/// .with_graceful_shutdown(shutdown_signal())
/// .await;
/// # Ok(())
/// # }
/// ```
pub fn serve<F, A>(listener: impl Into<Listener>, config: ServeConfig, factory: F) -> Serve<F>
where
    F: Fn(Request<()>) -> A,
{
    let listener = listener.into().with_write_timeout(Some(config.write_timeout()));
    Serve { listener, config, factory, gate: Gate::default(), plan: None, signal: pending() }
}

/// A server, to be awaited. It is ready when it has shut down.
///
/// If it is dropped before, it stops at once: it accepts no more connections, and resets
/// the open ones. Their streams end with
/// [`EndReason::Dropped`](lasse_core::EndReason::Dropped).
#[must_use = "a server does nothing unless it is awaited"]
pub struct Serve<F, G = Pending<()>> {
    listener: Listener,
    config: ServeConfig,
    factory: F,
    gate: Gate,
    plan: Option<DrainPlan>,
    signal: G,
}

impl<F, G> Serve<F, G> {
    /// Counts streams at this gate, and shuts down with it: when the gate drains, for
    /// whatever reason, the server shuts down.
    pub fn with_gate(self, gate: &Gate) -> Self {
        Self { gate: gate.clone(), ..self }
    }

    /// Sets the plan of the drain that [a graceful shutdown](Self::with_graceful_shutdown) starts.
    /// The default is the plan of the gate.
    pub fn with_drain_plan(self, plan: DrainPlan) -> Self {
        Self { plan: Some(plan), ..self }
    }

    /// Shuts down when `signal` is ready: drains the gate, by the
    /// [default plan](crate::DrainPlan) unless it is draining already. Each stream sends its
    /// client the time to reconnect and ends cleanly, at a random time within the
    /// plan's window, and its connection closes. Other requests can finish. When the
    /// time of the plan is over, the connections that are left are reset.
    #[doc(alias = "shutdown")]
    pub fn with_graceful_shutdown<S: Future<Output = ()>>(self, signal: S) -> Serve<F, S> {
        let Self { listener, config, factory, gate, plan, .. } = self;
        Serve { listener, config, factory, gate, plan, signal }
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
        let Self { mut listener, config, factory, gate, plan, signal } = self;
        let server_gate = gate.clone();
        let respond = move |mut request: Request<()>, socket: &Socket| {
            let extensions = request.extensions_mut();
            extensions.insert(server_gate.clone());
            // A client that has left has no address, and needs no response.
            if let Ok(peer) = socket.peer_addr() {
                extensions.insert(PeerAddr(peer));
            }
            factory(request)
        };
        let service = Arc::new(Service::new(config, respond));
        let tracker = ConnectionTracker::new();
        let signal = async {
            signal.await;
            plan.iter().filter(|_| gate.is_ready()).for_each(|plan| gate.drain(plan));
        };
        let mut shut = pin!(gate.shut_on(signal));
        loop {
            tokio::select! {
                (socket, _) = listener.accept() => {
                    // The connection has write timeouts of its own.
                    let (socket, slot) = socket.into_parts();
                    let (socket, tracked) = (Socket::new(socket), tracker.track());
                    let (tracked, slot) = (Some(tracked), Some(slot));
                    tokio::spawn(ConnectionTask::new(socket, service.clone(), tracked, slot));
                }
                () = shut.as_mut() => break,
            }
        }
        drop((listener, service));
        tracker.shut_down(&gate).await;
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
