//! One connection of the server, from its first request to its end.

use std::future::Future;
use std::time::Duration;

use bytes::BytesMut;
use futures_core::Stream;
use http::{Request, Response};
use lasse_core::http1::{BadRequest, Head, Persistence, Terms};
use lasse_core::{Close, Handler, Reason};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::PeerAddr;
use super::config::ServeConfig;
use super::head::read_head;
use super::outgoing::{Body, Outgoing};
use crate::answer::Answer;
use crate::drive::drive;
use crate::events::Relay;
use crate::mailbox::{Mail, Silence};

/// Serves the requests that come over `io`, one after the other, until the
/// client or the last answer ends the connection. If the result is
/// [`Close::Abort`], reset the connection; else it is shut down already.
pub async fn serve_connection<T, F, A, H, M>(
    io: &mut T,
    peer: PeerAddr,
    config: &ServeConfig,
    factory: &F,
) -> Close
where
    T: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Request<()>) -> A,
    A: Future<Output = Response<Answer<H, M>>>,
    H: Handler,
    M: Stream<Item = Mail<H>> + Unpin,
{
    let factory = |mut request: Request<()>| {
        request.extensions_mut().insert(peer);
        factory(request)
    };
    converse(io, config, None, &factory).await
}

/// The same, until the server is closing, too: then no request follows the one
/// at hand. Who asks is for `factory` to know.
pub(super) fn converse<T, F, A, H, M>(
    io: &mut T,
    config: &ServeConfig,
    mut closing: Option<&mut watch::Receiver<bool>>,
    factory: &F,
) -> impl Future<Output = Close>
where
    T: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Request<()>) -> A,
    A: Future<Output = Response<Answer<H, M>>>,
    H: Handler,
    M: Stream<Item = Mail<H>> + Unpin,
{
    let mut read_ahead = BytesMut::new();
    async move {
        loop {
            // All but the stream is in boxes of its own, which soon go: what a
            // stream needs for as long as it lives is much less.
            let hearing = hear(io, &mut read_ahead, config, closing.as_deref_mut(), factory);
            let Some(mut outgoing) = Box::pin(hearing).await else { return Close::Clean };
            let may_go_on = match &mut outgoing.body {
                Body::Events(session) => {
                    let (session, framer) = (session.as_mut(), &mut outgoing.framer);
                    let limit = config.limits.head_bytes;
                    let ended = drive(session, io, framer, &mut read_ahead, limit).await;
                    match (ended.close, ended.reason) {
                        (Close::Clean, reason) => reason != Reason::Drained,
                        // What was said before it is still to arrive, and chunks
                        // without a last one tell that there should be more.
                        (Close::Abort, Reason::Aborted) if outgoing.terms.has_chunks() => false,
                        (Close::Abort, _) => return Close::Abort,
                    }
                }
                Body::Bytes(_) => Box::pin(outgoing.write(io, config.write_timeout)).await.is_ok(),
            };
            if !may_go_on || outgoing.terms.persistence == Persistence::Close {
                Box::pin(linger(io)).await;
                return Close::Clean;
            }
        }
    }
}

/// Reads a request, and has it answered. `None` if there is none, and will be
/// none; what is no request is refused.
async fn hear<T, F, A, H, M>(
    io: &mut T,
    read_ahead: &mut BytesMut,
    config: &ServeConfig,
    mut closing: Option<&mut watch::Receiver<bool>>,
    factory: &F,
) -> Option<Box<Outgoing<H, M>>>
where
    T: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Request<()>) -> A,
    A: Future<Output = Response<Answer<H, M>>>,
    H: Handler,
{
    let head = tokio::select! {
        biased;
        head = read_head(io, read_ahead, config) => head,
        () = closed(closing.as_deref_mut()) => Ok(None),
    };
    let Head { request, mut terms, .. } = match head {
        Ok(head) => head?,
        Err(error) => {
            refuse(io, error, config).await;
            return None;
        }
    };
    let response = factory(request).await;
    if closing.is_some_and(|closing| *closing.borrow()) {
        terms.persistence = Persistence::Close;
    }
    Some(Box::new(Outgoing::new(terms, response)))
}

/// Returns when the server is closing, and no request can be on its way that was
/// sent before: a client that is cut off instead of told may not come back.
async fn closed(closing: Option<&mut watch::Receiver<bool>>) {
    match closing {
        // Without its sender, there is no server to close.
        Some(closing) => drop(closing.wait_for(|closing| *closing).await),
        None => std::future::pending().await,
    }
    sleep(TIME_TO_ARRIVE).await;
}

/// Answers what is not a request.
async fn refuse<T>(io: &mut T, error: BadRequest, config: &ServeConfig)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let response = error.response().map(Answer::<Relay, Silence<Relay>>::Full);
    let mut refusal = Outgoing::new(Terms::BAD_REQUEST, response);
    let _ = refusal.write(io, config.write_timeout).await;
    linger(io).await;
}

/// Closes our half, and lets the client have what was sent: to close with bytes
/// of its unread would be a reset, which may overtake the answer (RFC 9112 9.6).
async fn linger(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let farewell = async {
        io.shutdown().await?;
        tokio::io::copy(&mut io.take(MOST_IGNORED), &mut tokio::io::sink()).await
    };
    let _ = timeout(TIME_TO_LINGER, farewell).await;
}

/// How much of what the client goes on to say is read and thrown away, and for
/// how long.
const MOST_IGNORED: u64 = 256 * 1024;
const TIME_TO_LINGER: Duration = Duration::from_secs(2);

/// How long a request may be on its way to a server that is closing.
const TIME_TO_ARRIVE: Duration = Duration::from_millis(500);
