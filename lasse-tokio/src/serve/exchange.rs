//! A request and its answer, after which the next one may follow.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use lasse_core::http1::{BadRequest, Head, Persistence, ResponseContext};
use lasse_core::{Close, EndReason, Source, Subscriber};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::config::ServeConfig;
use super::head::read_head;
use super::outgoing::{Outgoing, write};
use crate::answer::SessionBody;
use crate::drive::Ended;
use crate::session::Session;
use crate::transport::Transport;

/// What all connections of a server share.
pub(super) struct Host<T, F> {
    pub(super) config: ServeConfig,
    /// Whether the server is closing, if it ever will: then no request follows the
    /// one at hand.
    pub(super) closing: Option<watch::Receiver<bool>>,
    /// Answers a request that came over a socket.
    pub(super) answer: F,
    /// Sees to it that a socket is reset.
    pub(super) abort: fn(&T),
}

/// A request that is answered by a stream.
pub(super) struct Exchange<T, F, S: Source> {
    host: Arc<Host<T, F>>,
    pub(super) transport: Transport<T>,
    pub(super) session: Box<Session<S>>,
}

impl<T, F, A, S> Exchange<T, F, S>
where
    T: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Request<()>, &T) -> A,
    A: Future<Output = Response<SessionBody<S>>>,
    S: Source,
{
    /// Has requests answered until a stream begins, or there are no more.
    pub(super) async fn open(
        mut transport: Transport<T>,
        host: Arc<Host<T, F>>,
    ) -> Result<Self, Close> {
        loop {
            let Some(Head { request, mut context, .. }) = hear(&mut transport, &host).await else {
                return Err(Close::Clean);
            };
            let response = (host.answer)(request, transport.io()).await;
            if host.closing.as_ref().is_some_and(|closing| *closing.borrow()) {
                context.persistence = Persistence::Close;
            }
            let (framer, outgoing) = Outgoing::new(context, response);
            transport.begin(framer);
            let body = match outgoing {
                Outgoing::Events(session) => return Ok(Self { host, transport, session }),
                Outgoing::Bytes(body) => body,
            };
            let is_written = write(&mut transport, body, host.config.write_timeout).await.is_ok();
            if !is_written || context.persistence == Persistence::Close {
                linger(transport.io()).await;
                return Err(Close::Clean);
            }
        }
    }

    /// The next one, if one may follow after the stream has ended.
    pub(super) async fn go_on(self, ended: Ended) -> Result<Self, Close> {
        let Self { host, mut transport, session } = self;
        drop(session);
        let may_go_on = match (ended.close, ended.reason) {
            (Close::Clean, reason) => reason != EndReason::Shutdown,
            // What was said before it is still to arrive, and chunks without a
            // last one tell that there should be more.
            (Close::Abort, EndReason::Aborted) if transport.framer().has_chunks() => false,
            (Close::Abort, _) => {
                (host.abort)(transport.io());
                return Err(Close::Abort);
            }
        };
        if may_go_on && transport.framer().persistence() == Persistence::KeepAlive {
            return Self::open(transport, host).await;
        }
        linger(transport.io()).await;
        Err(Close::Clean)
    }
}

/// Reads a request. `None` if there is none, and will be none; what is no request
/// is refused.
async fn hear<T, F>(transport: &mut Transport<T>, host: &Host<T, F>) -> Option<Head>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let head = tokio::select! {
        biased;
        head = read_head(transport, &host.config) => head,
        () = closed(host.closing.clone()) => Ok(None),
    };
    match head {
        Ok(head) => head,
        Err(error) => {
            refuse(transport, error, &host.config).await;
            None
        }
    }
}

/// Returns when the server is closing, and no request can be on its way that was
/// sent before: a client that is cut off instead of told may not come back.
async fn closed(closing: Option<watch::Receiver<bool>>) {
    match closing {
        // Without its sender, there is no server to close.
        Some(mut closing) => drop(closing.wait_for(|closing| *closing).await),
        None => std::future::pending().await,
    }
    sleep(TIME_TO_ARRIVE).await;
}

/// Answers what is not a request.
async fn refuse<T>(transport: &mut Transport<T>, error: BadRequest, config: &ServeConfig)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let response = error.response().map(SessionBody::<Subscriber>::Full);
    let (framer, outgoing) = Outgoing::new(ResponseContext::BAD_REQUEST, response);
    if let Outgoing::Bytes(body) = outgoing {
        transport.begin(framer);
        let _ = write(transport, body, config.write_timeout).await;
        linger(transport.io()).await;
    }
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
