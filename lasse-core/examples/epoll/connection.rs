//! One connection on a socket that does not block: all that can be done for it without
//! waiting. The example `smol` uses this file, too.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use lasse_core::http1::{ServeConfig, ServerConnection, ServerOutput};
use lasse_core::{Accept, Close, Connection, Instant, Source, StreamConfig};
use socket2::SockRef;

/// How requests are answered. `args` makes the arguments of `init`.
pub(crate) struct Service<A> {
    pub(crate) config: Arc<ServeConfig>,
    pub(crate) streams: StreamConfig,
    pub(crate) args: A,
}

/// A socket that does not block. If it is pending, `cx` is woken when it is ready, or the
/// caller notices that by other means.
pub(crate) trait Socket {
    fn poll_read(&mut self, bytes: &mut [u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>>;

    fn poll_write(
        &mut self,
        bytes: &[IoSlice<'_>],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>>;

    fn sock_ref(&self) -> SockRef<'_>;
}

/// A connection and its socket.
pub(crate) struct ConnectionTask<T, S: Source> {
    socket: T,
    server: ServerConnection<S>,
}

impl<T: Socket, S: Accept + Source> ConnectionTask<T, S> {
    /// The socket is reset unless the connection ends as the protocol requires: a client that
    /// uses HTTP/1.0 takes a normal close for the end of the stream.
    pub(crate) fn new<A>(socket: T, service: &Service<A>) -> Self {
        let _ = socket.sock_ref().set_tcp_nodelay(true);
        let _ = socket.sock_ref().set_linger(Some(Duration::ZERO));
        Self { socket, server: ServerConnection::new(&service.config, now()) }
    }

    /// When to poll again, if nothing happens before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.server.deadline()
    }

    /// Ready when the connection has ended. Pending until the client sends or takes bytes,
    /// the waker is woken, or the deadline has come.
    pub(crate) fn poll<A: Fn() -> S::Args>(
        &mut self,
        service: &Service<A>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        self.server.handle_timeout(now());
        for _ in 0..MAX_STEPS {
            match self.server.poll_output(now(), cx) {
                ServerOutput::Request(request) => {
                    let Service { streams, args, .. } = service;
                    self.server.respond(Connection::accept(&request, args, streams, now()));
                }
                ServerOutput::Write(wire) => {
                    match self.socket.poll_write(&wire.slices().map(IoSlice::new), cx) {
                        Poll::Ready(Ok(n)) => self.server.handle_written(n, now()),
                        Poll::Ready(Err(error)) => self.server.handle_write_error(error),
                        Poll::Pending => ready!(self.poll_read(cx)),
                    }
                }
                ServerOutput::HalfClose => {
                    // If this fails, the connection is lost, and the next read shows it.
                    let _ = self.socket.sock_ref().shutdown(Shutdown::Write);
                }
                ServerOutput::Wait => ready!(self.poll_read(cx)),
                ServerOutput::Close(Close::Abort) => return Poll::Ready(()),
                ServerOutput::Close(Close::Clean) => {
                    let _ = self.socket.sock_ref().set_linger(None);
                    return Poll::Ready(());
                }
            }
        }
        // The other connections need a turn, too.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads once, if there is room.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.server.wants_input() {
            return Poll::Pending;
        }
        let mut buffer = [0; 4096];
        match ready!(self.socket.poll_read(&mut buffer, cx)) {
            Ok(0) => self.server.handle_peer_closed(),
            Ok(n) => self.server.handle_input(&buffer[..n]),
            Err(error) => self.server.handle_read_error(&error),
        }
        Poll::Ready(())
    }
}

#[expect(clippy::disallowed_methods, reason = "a driver has a clock")]
pub(crate) fn now() -> Instant {
    std::time::Instant::now().into()
}

/// How many steps a connection takes in one turn.
const MAX_STEPS: usize = 32;
