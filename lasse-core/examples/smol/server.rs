//! A server on smol: one task for each connection.

use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use lasse_core::http1::{ServeConfig, ServerConnection, ServerOutput};
use lasse_core::{Accept, Close, Connection, Instant, Source, StreamConfig};
use smol::Timer;
use smol::io::{AsyncRead, AsyncWrite};
use smol::net::{TcpListener, TcpStream};
use socket2::SockRef;

/// Serves each connection in a task of its own. `args` makes the arguments of `init`.
pub(crate) async fn serve<S: Accept + Source + Send + 'static>(
    listener: TcpListener,
    config: Arc<ServeConfig>,
    streams: StreamConfig,
    args: impl Fn() -> S::Args + Clone + Send + 'static,
) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            // Probably there are too many open files.
            Timer::after(Duration::from_millis(100)).await;
            continue;
        };
        let _ = socket.set_nodelay(true);
        let socket = Socket { socket, is_clean: false };
        let server = ServerConnection::<S>::new(&config, now());
        let mut task = ConnectionTask { socket, server, timer: Timer::never(), deadline: None };
        let (streams, args) = (streams.clone(), args.clone());
        smol::spawn(poll_fn(move |cx| task.poll(&streams, &args, cx))).detach();
    }
}

/// One connection: the only place where the core meets a socket.
struct ConnectionTask<S: Source> {
    socket: Socket,
    server: ServerConnection<S>,
    timer: Timer,
    /// When the timer fires.
    deadline: Option<Instant>,
}

impl<S: Accept + Source> ConnectionTask<S> {
    /// Ready when the connection has ended.
    fn poll(
        &mut self,
        streams: &StreamConfig,
        args: &impl Fn() -> S::Args,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        for _ in 0..MAX_STEPS {
            match self.server.poll_output(now(), cx) {
                ServerOutput::Request(request) => {
                    self.server.respond(Connection::accept(&request, args, streams, now()));
                }
                ServerOutput::Write(wire) => {
                    let pieces = wire.slices().map(IoSlice::new);
                    match Pin::new(&mut self.socket.socket).poll_write_vectored(cx, &pieces) {
                        Poll::Ready(Ok(n)) => self.server.handle_written(n, now()),
                        Poll::Ready(Err(error)) => self.server.handle_write_error(error),
                        Poll::Pending => ready!(self.poll_wait(cx)),
                    }
                }
                ServerOutput::HalfClose => {
                    // If this fails, the connection is lost, and the next read shows it.
                    let _ = self.socket.socket.shutdown(Shutdown::Write);
                }
                ServerOutput::Wait => ready!(self.poll_wait(cx)),
                ServerOutput::Close(close) => {
                    self.socket.is_clean = close == Close::Clean;
                    return Poll::Ready(());
                }
            }
        }
        // Other tasks need a turn, too.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Ready when the client has sent something or has left, or the deadline has come.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut buffer = [0; 4096];
        if self.server.wants_input() {
            match Pin::new(&mut self.socket.socket).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(0)) => self.server.handle_peer_closed(),
                Poll::Ready(Ok(n)) => self.server.handle_input(&buffer[..n]),
                Poll::Ready(Err(error)) => self.server.handle_read_error(&error),
                Poll::Pending => return self.poll_deadline(cx),
            }
            return Poll::Ready(());
        }
        self.poll_deadline(cx)
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.server.deadline();
        if self.deadline != deadline {
            self.deadline = deadline;
            self.timer = deadline.map_or_else(Timer::never, |time| Timer::at(time.into()));
        }
        ready!(Pin::new(&mut self.timer).poll(cx));
        self.deadline = None;
        self.server.handle_timeout(now());
        Poll::Ready(())
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
fn now() -> Instant {
    std::time::Instant::now().into()
}

/// How many steps a connection takes in one turn.
const MAX_STEPS: usize = 32;
