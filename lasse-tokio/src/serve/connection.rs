//! One connection of the server, from its first request to its end.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use http::{Request, Response};
use lasse_core::http1::{BadRequest, Framer, Head, Persistence, Terms};
use lasse_core::{Close, Handler, Reason};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::PeerAddr;
use super::config::ServeConfig;
use super::date::set_date;
use super::head::read_head;
use crate::answer::Answer;
use crate::drive::{drive, poll_write};
use crate::mailbox::Mail;
use crate::session::Session;

/// Serves the requests that come over `io`, one after the other, until the
/// client or the last answer ends the connection. If the result is
/// [`Close::Abort`], reset the connection; else it is shut down already.
pub fn serve_connection<T, F, A, H, M>(
    io: &mut T,
    peer: PeerAddr,
    config: &ServeConfig,
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
            let answering = Box::pin(answer(io, &mut read_ahead, peer, config, factory));
            let mut outgoing = match answering.await {
                Ok(Some(outgoing)) => outgoing,
                Ok(None) => return Close::Clean,
                Err(error) => return Box::pin(refuse(io, error, config)).await,
            };
            let (terms, framer) = (outgoing.terms, &mut outgoing.framer);
            let may_go_on = match &mut outgoing.body {
                Body::Events(session) => {
                    let (session, limit) = (session.as_mut(), config.limits.head_bytes);
                    let ended = drive(session, io, framer, &mut read_ahead, limit).await;
                    match (ended.close, ended.reason) {
                        (Close::Clean, reason) => reason != Reason::Drained,
                        // What was said before it is still to arrive, and chunks
                        // without a last one tell that there should be more.
                        (Close::Abort, Reason::Aborted) if terms.has_chunks() => false,
                        (Close::Abort, _) => return Close::Abort,
                    }
                }
                Body::Bytes(bytes) => {
                    let writing = write_body(io, framer, bytes, config.write_timeout);
                    Box::pin(writing).await.is_ok()
                }
            };
            if !may_go_on || terms.persistence == Persistence::Close {
                return Box::pin(linger(io)).await;
            }
        }
    }
}

/// An answer on its way.
struct Outgoing<H: Handler, M> {
    terms: Terms,
    framer: Framer,
    body: Body<H, M>,
}

/// What follows the head of an answer.
enum Body<H: Handler, M> {
    Events(Pin<Box<Session<H, M>>>),
    Bytes(Bytes),
}

/// Reads a request, and has it answered.
async fn answer<T, F, A, H, M>(
    io: &mut T,
    read_ahead: &mut BytesMut,
    peer: PeerAddr,
    config: &ServeConfig,
    factory: &F,
) -> Result<Option<Box<Outgoing<H, M>>>, BadRequest>
where
    T: AsyncRead + Unpin,
    F: Fn(Request<()>) -> A,
    A: Future<Output = Response<Answer<H, M>>>,
    H: Handler,
{
    let Some(Head { mut request, terms, .. }) = read_head(io, read_ahead, config).await? else {
        return Ok(None);
    };
    request.extensions_mut().insert(peer);
    let (head, answer) = factory(request).await.into_parts();
    let mut head = Response::from_parts(head, ());
    set_date(head.headers_mut());
    let (framer, body) = match answer {
        Answer::Events(session) => (Framer::of_stream(terms, &head), Body::Events(session)),
        Answer::HeadOnly => (Framer::of_stream(terms, &head), Body::Bytes(Bytes::new())),
        Answer::Full(body) => {
            let (framer, body) = Framer::of_body(terms, head.map(|()| body));
            (framer, Body::Bytes(body))
        }
    };
    Ok(Some(Box::new(Outgoing { terms, framer, body })))
}

/// Answers what is not a request.
async fn refuse<T>(io: &mut T, error: BadRequest, config: &ServeConfig) -> Close
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut response = error.response();
    set_date(response.headers_mut());
    let (mut framer, mut body) = Framer::of_body(Terms::BAD_REQUEST, response);
    let _ = write_body(io, &mut framer, &mut body, config.write_timeout).await;
    linger(io).await
}

/// Writes a whole body, for which the client may take its time as long as it
/// takes something.
async fn write_body(
    io: &mut (impl AsyncWrite + Unpin),
    framer: &mut Framer,
    body: &mut Bytes,
    patience: Duration,
) -> io::Result<()> {
    while !framer.wire(body).is_empty() {
        let writing = poll_fn(|cx| poll_write(io, framer.wire(body), cx));
        let written = timeout(patience, writing).await??;
        body.advance(framer.handle_written(written));
    }
    timeout(patience, io.flush()).await?
}

/// Closes our half, and lets the client have what was sent: to close with bytes
/// of its unread would be a reset, which may overtake the answer (RFC 9112 9.6).
async fn linger(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Close {
    let farewell = async {
        io.shutdown().await?;
        tokio::io::copy(&mut io.take(MOST_IGNORED), &mut tokio::io::sink()).await
    };
    let _ = timeout(TIME_TO_LINGER, farewell).await;
    Close::Clean
}

/// How much of what the client goes on to say is read and thrown away, and for
/// how long.
const MOST_IGNORED: u64 = 256 * 1024;
const TIME_TO_LINGER: Duration = Duration::from_secs(2);
