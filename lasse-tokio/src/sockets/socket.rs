//! A client's socket, and its slot among the connections of its listener.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::deadline::WriteTimer;
use super::read::{ReadWaker, poll_read_socket};
use super::write::poll_write_socket;
use crate::gate::{Gate, STALL_TIMEOUT};

/// A client's socket, as a [`Listener`](crate::Listener) accepts it.
///
/// A write that waits for longer than the listener's write timeout fails with
/// [`TimedOut`](io::ErrorKind::TimedOut). When the socket is dropped, its slot is free for
/// another connection.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    slot: ConnectionSlot,
    timer: WriteTimer,
    reader: ReadWaker,
}

/// A connection's slot, if its listener has a [limit](crate::Listener::with_max_connections).
/// It must be kept for as long as the connection is open.
pub struct ConnectionSlot(Arc<Settings>);

/// The state that the sockets of a listener share.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) write_timeout: Option<Duration>,
    pub(super) slots: Option<Arc<Semaphore>>,
    pub(super) gate: Option<Gate>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, slot: ConnectionSlot) -> Self {
        Self { stream, slot, timer: WriteTimer::default(), reader: ReadWaker::default() }
    }

    /// The socket as tokio has it. Do not poll it for reading with the waker of another task: the
    /// task that reads would miss its wake-up.
    pub fn get_ref(&self) -> &TcpStream {
        &self.stream
    }

    /// The socket as tokio has it, without a write timeout, and its slot.
    pub fn into_parts(self) -> (TcpStream, ConnectionSlot) {
        (self.stream, self.slot)
    }

    /// Closes the connection so that the client sees an error. Otherwise it could take the
    /// end for that of a whole response. Bytes that are not sent yet are lost.
    pub fn reset(self) {
        self.reset_on_drop();
    }

    /// Has the connection [reset](Self::reset) when this is dropped, also if the process is
    /// killed.
    pub fn reset_on_drop(&self) {
        self.set_reset_on_drop(true);
    }

    /// Sets whether the connection is [reset](Self::reset) when this is dropped.
    pub fn set_reset_on_drop(&self, is_reset: bool) {
        let _ = SockRef::from(&self.stream).set_linger(is_reset.then_some(Duration::ZERO));
    }

    /// Closes both directions now, though another task may use the connection: it reads the
    /// end, and cannot write.
    pub fn shut_down(&self) {
        let _ = SockRef::from(&self.stream).shutdown(Shutdown::Both);
    }

    fn watch(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let settings = &self.slot.0;
        self.timer.watch(written, || settings.write_timeout(), settings.look_again(), cx)
    }
}

impl ConnectionSlot {
    /// Waits for a slot.
    pub(super) async fn take(settings: &Arc<Settings>) -> Self {
        if let Some(slots) = &settings.slots {
            // The semaphore is never closed. The permit is given back by `drop`.
            if let Ok(permit) = slots.acquire().await {
                permit.forget();
            }
        }
        Self(settings.clone())
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        if let Some(slots) = &self.0.slots {
            slots.add_permits(1);
        }
    }
}

impl fmt::Debug for ConnectionSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionSlot")
    }
}

impl Settings {
    /// For how long a write can wait: the timeout at most, less when the gate is shut.
    fn write_timeout(&self) -> Option<Duration> {
        match &self.gate {
            Some(gate) if gate.is_shut() => {
                Some(self.write_timeout.map_or(STALL_TIMEOUT, |timeout| timeout.min(STALL_TIMEOUT)))
            }
            _ => self.write_timeout,
        }
    }

    /// How soon the write timeout can have changed.
    fn look_again(&self) -> Option<Duration> {
        self.gate.as_ref().map(|_| STALL_TIMEOUT)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        let written = poll_write_socket(&mut socket.stream, bytes, cx);
        socket.watch(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        let written = Pin::new(&mut socket.stream).poll_write_vectored(cx, slices);
        socket.watch(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, reader, .. } = self.get_mut();
        poll_read_socket(stream, reader.state_for(cx.waker()), buffer, cx)
    }
}

pub(crate) fn reset_on_drop(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
