//! One connection of the server, from its first request to its end.

use std::future::Future;
use std::sync::Arc;

use http::{Request, Response};
use lasse_core::http1::Framer;
use lasse_core::{Close, Source};
use tokio::io::{AsyncRead, AsyncWrite};

use super::PeerAddr;
use super::config::ServeConfig;
use super::exchange::{Exchange, Host};
use crate::answer::SessionBody;
use crate::drive::drive;
use crate::transport::Transport;

/// Serves the requests that come over `io`, one after the other, until the
/// client or the last answer ends the connection. If the result is
/// [`Close::Abort`], reset the connection; else it is shut down already.
pub async fn serve_connection<T, F, A, S>(
    io: &mut T,
    peer: PeerAddr,
    config: &ServeConfig,
    factory: &F,
) -> Close
where
    T: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Request<()>) -> A,
    A: Future<Output = Response<SessionBody<S>>>,
    S: Source,
{
    let answer = |mut request: Request<()>, _: &&mut T| {
        request.extensions_mut().insert(peer);
        factory(request)
    };
    converse(io, Arc::new(Host { config: *config, closing: None, answer, abort: |_| () })).await
}

/// The same, for a host.
///
/// Of the time that a connection takes, nearly all is a stream's. Whatever comes
/// before, between and after streams is in a box of its own, so that a task has
/// room for a stream and for nothing else.
pub(super) fn converse<T, F, A, S>(io: T, host: Arc<Host<T, F>>) -> impl Future<Output = Close>
where
    T: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Request<()>, &T) -> A,
    A: Future<Output = Response<SessionBody<S>>>,
    S: Source,
{
    let limit = host.config.limits.head_bytes;
    let transport = Transport::new(io, Framer::default()).with_read_ahead(limit);
    let opening = Box::pin(Exchange::open(transport, host));
    async move {
        let mut exchange = match opening.await {
            Ok(exchange) => exchange,
            Err(close) => return close,
        };
        loop {
            let ended = drive(&mut exchange.session, &mut exchange.transport).await;
            exchange = match Box::pin(exchange.go_on(ended)).await {
                Ok(exchange) => exchange,
                Err(close) => return close,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::mem::size_of;

    use lasse_core::Subscriber;
    use tokio::net::TcpStream;

    use super::*;

    fn size_of_future<F>(_: impl FnOnce(TcpStream) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_task_has_room_for_a_stream_and_for_nothing_else() {
        let answer = |_: Request<()>, _: &TcpStream| {
            ready(Response::new(SessionBody::<Subscriber>::HeadOnly))
        };
        let config = ServeConfig::new();
        let host = Arc::new(Host { config, closing: None, answer, abort: |_| () });
        // With what tokio adds, 256 bytes; the next size is 384.
        assert!(size_of_future(|socket| converse(socket, host)) <= 160);
    }
}
