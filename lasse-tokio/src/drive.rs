//! The loop: the only place where a stream meets a socket.

use std::fmt;
use std::future::Future;
use std::io;
use std::io::ErrorKind::TimedOut;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use lasse_core::{Close, EndReason, Instant, Output, Source};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::clock::{NEVER, now};
use crate::session::Session;
use crate::transport::Transport;

/// Writes an answer until its stream ends or its client leaves, which it does by
/// closing its half of the connection.
///
/// If [`Ended::close`] is [`Close::Abort`], reset the connection.
pub fn drive<'a, S, T>(
    session: &'a mut Session<S>,
    transport: &'a mut Transport<T>,
) -> Drive<'a, S, T>
where
    S: Source,
    T: AsyncRead + AsyncWrite + Unpin,
{
    Drive { session, transport, give_up_at: NEVER }
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub reason: EndReason,
    /// Whether the client can tell that there should have been more.
    pub close: Close,
}

/// The future of [`drive`].
pub struct Drive<'a, S: Source, T> {
    session: &'a mut Session<S>,
    transport: &'a mut Transport<T>,
    /// When to give up on writing what is not the stream's.
    give_up_at: Instant,
}

impl<S, T> Future for Drive<'_, S, T>
where
    S: Source,
    T: AsyncRead + AsyncWrite + Unpin,
{
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let drive = self.get_mut();
        drive.session.begin(now(), cx);
        loop {
            match drive.session.poll_more(cx) {
                Poll::Ready(Output::Write(payload)) => {
                    if drive.poll_payload(&payload, cx).is_ready() {
                        continue;
                    }
                }
                Poll::Ready(Output::Close(close)) => {
                    let reason = drive.session.reason().unwrap_or(EndReason::Dropped);
                    let close = match close {
                        Close::Clean => ready!(drive.poll_end(cx)),
                        Close::Abort => Close::Abort,
                    };
                    return Poll::Ready(Ended { reason, close });
                }
                Poll::Ready(Output::Wait) | Poll::Pending => {
                    if drive.poll_rest(cx).is_ready() {
                        continue;
                    }
                }
            }
            ready!(drive.transport.poll_peer(cx));
            drive.session.handle_peer_closed();
        }
    }
}

impl<S: Source, T: AsyncWrite + Unpin> Drive<'_, S, T> {
    /// Ready when some of the payload is written, or will not be.
    fn poll_payload(&mut self, payload: &[u8], cx: &mut Context<'_>) -> Poll<()> {
        let session = &mut *self.session;
        match self.transport.poll_write(payload, cx) {
            Poll::Ready(Ok(written)) => session.handle_written_at_once(written),
            Poll::Ready(Err(error)) => session.handle_write_error(error),
            Poll::Pending => return session.poll_timeout(cx),
        }
        Poll::Ready(())
    }

    /// Writes what there is beyond the payload, and has the socket let go of what
    /// it may hold back. Ready when that cannot be done.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.transport.framer().has_rest() {
            match self.transport.poll_write(&[], cx) {
                Poll::Ready(Ok(_)) => self.give_up_at = NEVER,
                Poll::Ready(Err(error)) => {
                    self.session.handle_write_error(error);
                    return Poll::Ready(());
                }
                Poll::Pending => {
                    ready!(self.poll_patience(cx));
                    self.session.handle_write_error(io::Error::from(TimedOut));
                    return Poll::Ready(());
                }
            }
        }
        // A flush that fails is followed by a write that does.
        let _ = self.transport.poll_flush(cx);
        Poll::Pending
    }

    /// Ready when the client has been given time enough for the few bytes that
    /// are not the stream's.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = now();
        if self.give_up_at == NEVER {
            self.give_up_at = now + PATIENCE;
        }
        self.session.poll_until(self.give_up_at, now, cx)
    }

    /// Ready when the end of the body is written, or will not be.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Close> {
        match self.transport.poll_end(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Close::Clean),
            Poll::Ready(Err(_)) => Poll::Ready(Close::Abort),
            Poll::Pending => self.poll_patience(cx).map(|()| Close::Abort),
        }
    }
}

impl<S: Source, T> fmt::Debug for Drive<'_, S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drive").field("session", &self.session).finish_non_exhaustive()
    }
}

/// How long the few bytes of a head or an end may take.
const PATIENCE: Duration = Duration::from_secs(10);
