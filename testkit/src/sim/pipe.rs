//! The network: a connection in memory, bounded in both directions, with the faults of a real one.

mod state;

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use lasse_hyper::server::Transport;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::meter::Meter;
use super::random::Random;
use state::{Direction, Side, State};

/// How a connection behaves by itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PipeSettings {
    /// How many bytes each direction holds.
    pub(super) capacity: usize,
    /// How many bytes one call moves at most.
    pub(super) most_at_once: usize,
    /// One call in so many is pending although it could go on, and wakes its task.
    pub(super) pending_one_in: u64,
    /// Whether what the server writes stays with it until it flushes, as in a layer with a buffer.
    pub(super) holds_until_flush: bool,
    /// Whether a server may write several slices with one call.
    pub(super) is_vectored: bool,
}

impl Default for PipeSettings {
    fn default() -> Self {
        Self {
            capacity: 64 * 1024,
            most_at_once: usize::MAX,
            pending_one_in: 0,
            holds_until_flush: false,
            is_vectored: true,
        }
    }
}

/// A new connection: the server's end and the client's.
pub(super) fn pipe(
    settings: &PipeSettings,
    random: Random,
    meter: &Arc<Meter>,
) -> (ServerEnd, ClientEnd) {
    let state = State {
        settings: settings.clone(),
        random,
        meter: meter.clone(),
        to_client: Direction::default(),
        to_server: Direction::default(),
        cut_after: u64::MAX,
        resets_on_drop: false,
        may_lose: true,
        is_reset: false,
        is_vanished: false,
    };
    let shared = Arc::new(Mutex::new(state));
    (ServerEnd(shared.clone()), ClientEnd(Some(shared)))
}

type Shared = Arc<Mutex<State>>;

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The server's end. Dropping it closes it.
#[derive(Debug)]
pub(super) struct ServerEnd(Shared);

impl ServerEnd {
    /// A handle by which the connection can be reset while an adapter owns this end.
    pub(super) fn control(&self) -> Control {
        Control(self.0.clone())
    }

    /// Sets whether a reset when this is dropped can lose what the client has not read.
    pub(super) fn set_may_lose(&self, may_lose: bool) {
        lock(&self.0).may_lose = may_lose;
    }
}

impl Drop for ServerEnd {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        if state.resets_on_drop {
            let may_lose = state.may_lose;
            state.reset_losing(may_lose);
        }
        state.close(Side::Server);
    }
}

impl Transport for ServerEnd {
    fn set_reset_on_drop(&self, is_reset: bool) {
        lock(&self.0).resets_on_drop = is_reset;
    }

    fn shut_down(&self) {
        let mut state = lock(&self.0);
        state.finish(Side::Server);
        state.finish(Side::Client);
    }
}

impl AsyncRead for ServerEnd {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        lock(&self.0).poll_read(Side::Server, out, cx)
    }
}

impl AsyncWrite for ServerEnd {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_write(Side::Server, &[IoSlice::new(bytes)], cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = lock(&self.0);
        let first = slices.iter().position(|slice| !slice.is_empty()).unwrap_or(0);
        let end =
            if state.settings.is_vectored { slices.len() } else { slices.len().min(first + 1) };
        state.poll_write(Side::Server, &slices[first.min(end)..end], cx)
    }

    fn is_write_vectored(&self) -> bool {
        lock(&self.0).settings.is_vectored
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = lock(&self.0);
        if state.is_pending_at_random(cx) {
            return Poll::Pending;
        }
        state.flush(Side::Server);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = lock(&self.0);
        if state.is_pending_at_random(cx) {
            return Poll::Pending;
        }
        state.finish(Side::Server);
        Poll::Ready(Ok(()))
    }
}

/// The client's end. Dropping it closes it.
#[derive(Debug)]
pub(super) struct ClientEnd(Option<Shared>);

impl ClientEnd {
    /// Leaves without closing: the server does not notice.
    pub(super) fn vanish(mut self) {
        if let Some(shared) = self.0.take() {
            let mut state = lock(&shared);
            state.is_vanished = true;
            state.to_client.reader = None;
        }
    }

    /// Writes some of `piece` if there is any, or reads.
    pub(super) async fn write_or_read(&mut self, piece: &[u8], space: &mut [u8]) -> Moved {
        poll_fn(|cx| {
            let mut state = self.state();
            if !piece.is_empty() {
                let slices = [IoSlice::new(piece)];
                if let Poll::Ready(written) = state.poll_write(Side::Client, &slices, cx) {
                    return Poll::Ready(Moved::Written(written));
                }
            }
            let mut out = ReadBuf::new(space);
            let read = ready!(state.poll_read(Side::Client, &mut out, cx));
            Poll::Ready(Moved::Read(read.map(|()| out.filled().len())))
        })
        .await
    }

    /// Ends the direction to the server, and goes on reading.
    pub(super) fn half_close(&self) {
        self.state().finish(Side::Client);
    }

    pub(super) fn reset(&self) {
        self.state().reset();
    }

    /// Has the connection reset after `bytes` more bytes to the client.
    pub(super) fn cut_after(&self, bytes: u64) {
        let mut state = self.state();
        state.cut_after = state.to_client.total + bytes;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(self.0.as_ref().expect("only `vanish`, which takes the end, empties it"))
    }
}

/// What a client did with its end: how many bytes it moved.
#[derive(Debug)]
pub(super) enum Moved {
    Written(io::Result<usize>),
    Read(io::Result<usize>),
}

impl Drop for ClientEnd {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            lock(shared).close(Side::Client);
        }
    }
}

impl AsyncRead for ClientEnd {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.state().poll_read(Side::Client, out, cx)
    }
}

impl AsyncWrite for ClientEnd {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.state().poll_write(Side::Client, &[IoSlice::new(bytes)], cx)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.half_close();
        Poll::Ready(Ok(()))
    }
}

/// Resets a connection whose ends others own.
#[derive(Clone, Debug)]
pub(super) struct Control(Shared);

impl Control {
    /// Resets the connection, if it is not reset yet. What the client has not read may be lost with it,
    /// as what a socket has not sent, or the reset overtakes.
    pub(super) fn reset(&self, may_lose: bool) {
        lock(&self.0).reset_losing(may_lose);
    }
}
