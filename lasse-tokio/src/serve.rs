//! A raw HTTP/1.1 server, for those who want streams and nothing more.

mod config;
mod connection;
mod date;
mod head;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_core::Stream;
use http::{Request, Response};
use lasse_core::{Close, Handler};

use crate::answer::Answer;
use crate::mailbox::Mail;
use crate::sockets::Listener;

pub use config::{InvalidServeConfig, ServeConfig};
pub use connection::serve_connection;

/// Serves HTTP/1.1 (and 1.0) to everyone who connects to `listener`. `factory`
/// answers each request, by a stream ([`respond`](crate::respond)) or a response
/// of its own. The client's address is in the request's extensions, as
/// [`PeerAddr`].
///
/// Accepting goes on for ever; drop the future to stop it. Streams that are open
/// then go on.
pub async fn serve<F, A, H, M>(listener: impl Into<Listener>, config: ServeConfig, factory: F)
where
    F: Fn(Request<()>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Answer<H, M>>> + Send,
    H: Handler + Send + 'static,
    M: Stream<Item = Mail<H>> + Send + Unpin + 'static,
{
    let factory = Arc::new(factory);
    let mut listener = listener.into();
    loop {
        let (mut socket, peer) = listener.accept().await;
        let factory = factory.clone();
        tokio::spawn(async move {
            let close = serve_connection(&mut socket, PeerAddr(peer), &config, &*factory).await;
            if close == Close::Abort {
                socket.reset();
            }
        });
    }
}

/// The address of the client, in the extensions of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddr(pub SocketAddr);
