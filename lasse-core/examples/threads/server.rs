//! A server of blocking threads. Each connection has two, one that writes and one that
//! reads, because a thread that blocks on a socket can wait for nothing else.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use lasse_core::http1::{ServeConfig, ServerConnection, ServerOutput};
use lasse_core::{Accept, Close, Connection, Source, StreamConfig};
use socket2::SockRef;

/// Serves each connection in threads of its own. `args` makes the arguments of `init`.
pub(crate) fn serve<S: Accept + Source>(
    listener: &TcpListener,
    config: &Arc<ServeConfig>,
    streams: &StreamConfig,
    args: impl Fn() -> S::Args + Clone + Send + 'static,
) {
    for socket in listener.incoming() {
        let (config, streams, args) = (config.clone(), streams.clone(), args.clone());
        let started = socket.and_then(|socket| {
            let write = move || Writer::start(socket)?.serve::<S>(&config, &streams, args);
            thread::Builder::new().spawn(write)
        });
        // Probably there are too many open files or threads.
        if started.is_err() {
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// What the thread that writes waits for.
enum Input {
    Wake,
    Bytes(Vec<u8>),
    PeerClosed,
}

/// Wakes the thread that writes.
struct Alarm(SyncSender<Input>);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        // If the queue is full, the thread is awake.
        let _ = self.0.try_send(Input::Wake);
    }
}

/// The thread that writes.
struct Writer {
    socket: Arc<TcpStream>,
    input: Receiver<Input>,
    waker: Waker,
    /// Lets the reader continue.
    read_on: SyncSender<()>,
    is_reader_waiting: bool,
    /// Whether the connection has ended as the protocol says.
    is_clean: bool,
}

impl Writer {
    /// Starts the reader.
    fn start(socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        // Deadlines are looked at as often.
        socket.set_write_timeout(Some(Duration::from_millis(100)))?;
        let socket = Arc::new(socket);
        let (sender, input) = sync_channel(64);
        let (read_on, may_read) = sync_channel(1);
        let waker = Waker::from(Arc::new(Alarm(sender.clone())));
        let reading = socket.clone();
        thread::Builder::new().spawn(move || read(&reading, &sender, &may_read))?;
        Ok(Self { socket, input, waker, read_on, is_reader_waiting: false, is_clean: false })
    }

    fn serve<S: Accept + Source>(
        mut self,
        config: &Arc<ServeConfig>,
        streams: &StreamConfig,
        args: impl Fn() -> S::Args,
    ) -> io::Result<()> {
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        let mut server = ServerConnection::<S>::new(config, now());
        loop {
            match server.poll_output(now(), &mut cx) {
                ServerOutput::Write(wire) => {
                    match (&*self.socket).write_vectored(&wire.slices().map(IoSlice::new)) {
                        Ok(n) => server.handle_written(n, now()),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {
                            self.wait(&mut server, Duration::ZERO);
                        }
                        Err(error) => server.handle_write_error(error),
                    }
                }
                ServerOutput::Request(request) => {
                    server.respond(Connection::accept(&request, &args, streams, now()));
                }
                ServerOutput::HalfClose => self.socket.shutdown(Shutdown::Write)?,
                ServerOutput::Wait => self.wait(&mut server, Duration::MAX),
                ServerOutput::Close(close) => {
                    self.is_clean = close == Close::Clean;
                    return Ok(());
                }
            }
        }
    }

    /// Waits for an input or the deadline, for `most` at most.
    fn wait<S: Source>(&mut self, server: &mut ServerConnection<S>, most: Duration) {
        if self.is_reader_waiting && server.wants_input() {
            self.is_reader_waiting = self.read_on.try_send(()).is_err();
        }
        let until = |deadline: lasse_core::Instant| deadline.saturating_duration_since(now());
        let time = server.deadline().map_or(most, until).min(most);
        match self.input.recv_timeout(time) {
            Ok(Input::Wake) => {}
            Ok(Input::Bytes(bytes)) => {
                server.handle_input(&bytes);
                self.is_reader_waiting = true;
            }
            Ok(Input::PeerClosed) => server.handle_peer_closed(),
            Err(_) => server.handle_timeout(now()),
        }
    }
}

/// Ends the reader, however the writer ends. If the writer has panicked, the connection
/// is reset: a client that uses HTTP/1.0 takes a normal close for the end of the stream.
impl Drop for Writer {
    fn drop(&mut self) {
        if self.is_clean {
            let _ = self.socket.shutdown(Shutdown::Both);
        } else {
            let _ = SockRef::from(&*self.socket).set_linger(Some(Duration::ZERO));
            let _ = self.socket.shutdown(Shutdown::Read);
        }
    }
}

/// Reads at the pace of the writer, until the client leaves.
fn read(mut socket: &TcpStream, input: &SyncSender<Input>, may_read: &Receiver<()>) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = socket.read(&mut buffer) {
        let sent = input.send(Input::Bytes(buffer[..n].to_vec()));
        if sent.is_err() || may_read.recv().is_err() {
            return;
        }
    }
    let _ = input.send(Input::PeerClosed);
}

#[expect(clippy::disallowed_methods, reason = "a driver has a clock")]
fn now() -> lasse_core::Instant {
    Instant::now().into()
}
