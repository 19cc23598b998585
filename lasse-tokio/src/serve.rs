//! A raw HTTP/1.1 server, for those who want streams and nothing more.

mod config;
mod connection;
mod date;
mod head;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use http::{Request, Response};
use lasse_core::{Close, Handler};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::answer::Answer;
use crate::mailbox::Mail;

pub use config::{InvalidServeConfig, ServeConfig};
pub use connection::serve_connection;

/// Serves HTTP/1.1 (and 1.0) to everyone who connects to `listener`. `factory`
/// answers each request, by a stream ([`respond`](crate::respond)) or a response
/// of its own. The client's address is in the request's extensions, as
/// [`PeerAddr`].
///
/// Accepting goes on for ever; drop the future to stop it. Streams that are open
/// then go on.
pub async fn serve<F, A, H, M>(listener: TcpListener, config: ServeConfig, factory: F)
where
    F: Fn(Request<()>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Answer<H, M>>> + Send,
    H: Handler + Send + 'static,
    M: Stream<Item = Mail<H>> + Send + Unpin + 'static,
{
    let factory = Arc::new(factory);
    loop {
        let (mut socket, peer) = accept(&listener).await;
        let factory = factory.clone();
        tokio::spawn(async move {
            let close = serve_connection(&mut socket, PeerAddr(peer), &config, &*factory).await;
            if close == Close::Abort {
                let _ = socket.set_zero_linger();
            }
        });
    }
}

/// The address of the client, in the extensions of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddr(pub SocketAddr);

/// Accepts the next client. What goes wrong is either that client's affair, or
/// a want of resources that passes.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => {
                let _ = socket.set_nodelay(true);
                return (socket, peer);
            }
            Err(error) if is_of_one_client(&error) => {}
            Err(_) => sleep(PAUSE).await,
        }
    }
}

fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// How long to wait when there are no more files to open.
const PAUSE: Duration = Duration::from_millis(100);
