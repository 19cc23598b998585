//! One client: all that can be done for it without waiting.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use lasse_core::http1::{Limits, ServerConnection, ServerOutput};
use lasse_core::{Accept, Connection, Instant, Source, StreamConfig};
use mio::Token;
use mio::net::TcpStream;

use crate::server::NEVER;

/// How clients are served. `args` makes the arguments of `init`.
pub(crate) struct ResponseContext<A> {
    pub(crate) head_time: Duration,
    pub(crate) config: StreamConfig,
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
    /// When it has a turn at the latest.
    pub(crate) next_turn: Instant,
    socket: TcpStream,
    connection: ServerConnection<S>,
    waker: Waker,
}

impl<S: Accept + Source> Client<S> {
    pub(crate) fn new<A>(socket: TcpStream, alarm: Alarm, context: &ResponseContext<A>) -> Self {
        let _ = socket.set_nodelay(true);
        let ResponseContext { config, head_time, .. } = context;
        let connection = ServerConnection::new(config, Limits::default(), *head_time, now());
        Self { next_turn: NEVER, socket, connection, waker: Waker::from(Arc::new(alarm)) }
    }

    /// Does what can be done without waiting, and returns when to try again if nothing
    /// happens before; `None` if the connection is closed.
    pub(crate) fn take_turn<A: Fn() -> S::Args>(
        &mut self,
        context: &ResponseContext<A>,
    ) -> Option<Instant> {
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        self.read();
        self.connection.handle_timeout(now());
        for _ in 0..STEPS {
            let written = match self.connection.poll_output(now(), &mut cx) {
                ServerOutput::Write(wire) => {
                    self.socket.write_vectored(&wire.slices().map(IoSlice::new))
                }
                ServerOutput::Answer(request) => {
                    let ResponseContext { config, args, .. } = context;
                    let response = Connection::accept(&request, args, config, now());
                    self.connection.answer(response);
                    continue;
                }
                ServerOutput::Wait => {
                    if self.read() {
                        continue;
                    }
                    return Some(self.connection.deadline().unwrap_or(NEVER));
                }
                ServerOutput::Close(_) => return None,
            };
            match written {
                Ok(n) => self.connection.handle_written(n, now()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Some(self.connection.deadline().unwrap_or(NEVER));
                }
                Err(error) => self.connection.handle_write_error(error),
            }
        }
        // The other clients need a turn, too.
        Some(now())
    }

    /// Reads from the client while there is room, and returns whether anything came.
    fn read(&mut self) -> bool {
        let mut has_input = false;
        let mut buffer = [0; 4096];
        while self.connection.wants_input() {
            match self.socket.read(&mut buffer) {
                Ok(n @ 1..) => self.connection.handle_input(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Ok(_) | Err(_) => self.connection.handle_peer_closed(),
            }
            has_input = true;
        }
        has_input
    }
}

#[expect(clippy::disallowed_methods, reason = "who does the I/O has the clock, too")]
pub(crate) fn now() -> Instant {
    std::time::Instant::now().into()
}

/// How many steps a client may take in one turn.
const STEPS: usize = 32;
