//! One client: everything that can be done for it without waiting.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use lasse_core::http1::{ServeConfig, ServerConnection, ServerOutput, Wire};
use lasse_core::{Accept, Close, Connection, Instant, Source, StreamConfig};
use mio::Token;
use mio::net::TcpStream;
use socket2::SockRef;

use crate::server::NEVER;

/// How clients are served. `args` makes the arguments of `init`.
pub(crate) struct Service<A> {
    pub(crate) config: Arc<ServeConfig>,
    pub(crate) streams: StreamConfig,
    pub(crate) args: A,
}

/// Gives one client a turn, from any thread.
pub(crate) struct Alarm {
    pub(crate) client: Token,
    pub(crate) woken: Sender<Token>,
    pub(crate) poll: Arc<mio::Waker>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let _ = self.woken.send(self.client);
        let _ = self.poll.wake();
    }
}

pub(crate) struct Client<S: Source> {
    /// When it gets a turn at the latest.
    pub(crate) next_turn: Instant,
    socket: Socket,
    server: ServerConnection<S>,
    waker: Waker,
}

impl<S: Accept + Source> Client<S> {
    pub(crate) fn new<A>(socket: TcpStream, alarm: Alarm, service: &Service<A>) -> Self {
        let _ = socket.set_nodelay(true);
        Self {
            next_turn: NEVER,
            socket: Socket { socket, is_clean: false },
            server: ServerConnection::new(&service.config, now()),
            waker: Waker::from(Arc::new(alarm)),
        }
    }

    /// Does what can be done without waiting. Returns when the next turn is, if nothing
    /// happens before; `None` if the connection is closed.
    pub(crate) fn take_turn<A: Fn() -> S::Args>(
        &mut self,
        service: &Service<A>,
    ) -> Option<Instant> {
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        self.server.handle_timeout(now());
        for _ in 0..MAX_STEPS {
            match self.server.poll_output(now(), &mut cx) {
                ServerOutput::Request(request) => {
                    let Service { streams, args, .. } = service;
                    self.server.respond(Connection::accept(&request, args, streams, now()));
                }
                ServerOutput::Write(wire) => {
                    if !self.write(&wire) && !self.read() {
                        return Some(self.server.deadline().unwrap_or(NEVER));
                    }
                }
                ServerOutput::HalfClose => {
                    // If this fails, the connection is lost, and the next read shows it.
                    let _ = self.socket.socket.shutdown(Shutdown::Write);
                }
                ServerOutput::Wait => {
                    if !self.read() {
                        return Some(self.server.deadline().unwrap_or(NEVER));
                    }
                }
                ServerOutput::Close(close) => {
                    self.socket.is_clean = close == Close::Clean;
                    return None;
                }
            }
        }
        // The other clients need a turn, too.
        Some(now())
    }

    /// Writes once. Returns whether anything has changed.
    fn write(&mut self, wire: &Wire) -> bool {
        match self.socket.socket.write_vectored(&wire.slices().map(IoSlice::new)) {
            Ok(n) => self.server.handle_written(n, now()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => self.server.handle_write_error(error),
        }
        true
    }

    /// Reads once. Returns whether anything has changed.
    fn read(&mut self) -> bool {
        if !self.server.wants_input() {
            return false;
        }
        let mut buffer = [0; 4096];
        match self.socket.socket.read(&mut buffer) {
            Ok(n @ 1..) => self.server.handle_input(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Ok(_) => self.server.handle_peer_closed(),
            Err(error) => self.server.handle_read_error(&error),
        }
        true
    }
}

/// A socket that is reset unless its connection has ended as the protocol says: a
/// client that uses HTTP/1.0 takes a normal close for the end of the stream.
struct Socket {
    socket: TcpStream,
    is_clean: bool,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !self.is_clean {
            let _ = SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a driver has a clock")]
pub(crate) fn now() -> Instant {
    std::time::Instant::now().into()
}

/// How many steps a client can take in one turn.
const MAX_STEPS: usize = 32;
