//! The core in blocking threads. Each connection has one that writes and one that
//! reads, since a thread that blocks on a socket can wait for nothing else.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use lasse_core::http1::{Limits, ServerConnection, ServerOutput};
use lasse_core::{Accept, Connection, Source, StreamConfig};

/// Serves each connection on threads of its own. `args` makes the arguments of `init`.
pub(crate) fn serve<S: Accept + Source>(
    listener: &TcpListener,
    head_time: Duration,
    config: &StreamConfig,
    args: impl Fn() -> S::Args + Clone + Send + 'static,
) {
    for socket in listener.incoming() {
        let (config, args) = (config.clone(), args.clone());
        match socket {
            Ok(socket) => drop(thread::spawn(move || -> io::Result<()> {
                let connection =
                    ServerConnection::<S>::new(&config, Limits::default(), head_time, now());
                Writer::new(socket)?.run(connection, &config, args);
                Ok(())
            })),
            // Probably out of descriptors: some will be free soon.
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// What the thread that writes waits for.
enum Input {
    Wake,
    Read(Vec<u8>),
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
    socket: TcpStream,
    input: Receiver<Input>,
    waker: Waker,
    /// Lets the reader continue.
    read_on: SyncSender<()>,
    is_reader_waiting: bool,
}

impl Writer {
    fn new(socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(Duration::from_millis(100)))?;
        let (sender, input) = sync_channel(64);
        let (read_on, may_read) = sync_channel(1);
        let waker = Waker::from(Arc::new(Alarm(sender.clone())));
        let reading = socket.try_clone()?;
        thread::spawn(move || read(reading, &sender, &may_read));
        Ok(Self { socket, input, waker, read_on, is_reader_waiting: false })
    }

    fn run<S: Accept + Source>(
        mut self,
        mut connection: ServerConnection<S>,
        config: &StreamConfig,
        args: impl Fn() -> S::Args,
    ) {
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        loop {
            let written = match connection.poll_output(now(), &mut cx) {
                ServerOutput::Write(wire) => {
                    self.socket.write_vectored(&wire.slices().map(IoSlice::new))
                }
                ServerOutput::Answer(request) => {
                    connection.answer(Connection::accept(&request, &args, config, now()));
                    continue;
                }
                ServerOutput::Wait => {
                    self.wait(&mut connection);
                    continue;
                }
                ServerOutput::Close(_) => return,
            };
            match written {
                Ok(n) => connection.handle_written(n, now()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    connection.handle_timeout(now());
                }
                Err(error) => connection.handle_write_error(error),
            }
        }
    }

    /// Waits until something happens.
    fn wait<S: Source>(&mut self, connection: &mut ServerConnection<S>) {
        if self.is_reader_waiting && connection.wants_input() {
            self.is_reader_waiting = self.read_on.try_send(()).is_err();
        }
        let until = |deadline: lasse_core::Instant| deadline.saturating_duration_since(now());
        match self.input.recv_timeout(connection.deadline().map_or(Duration::MAX, until)) {
            Ok(Input::Wake) => {}
            Ok(Input::Read(bytes)) => {
                connection.handle_input(&bytes);
                self.is_reader_waiting = true;
            }
            Ok(Input::PeerClosed) => connection.handle_peer_closed(),
            Err(_) => connection.handle_timeout(now()),
        }
    }
}

/// The reader ends with the writer.
impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// Reads from the client, at the pace of the writer, until the client closes.
fn read(mut socket: TcpStream, input: &SyncSender<Input>, may_read: &Receiver<()>) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = socket.read(&mut buffer) {
        let sent = input.send(Input::Read(buffer[..n].to_vec()));
        if sent.is_err() || may_read.recv().is_err() {
            return;
        }
    }
    let _ = input.send(Input::PeerClosed);
}

#[expect(clippy::disallowed_methods, reason = "who does the I/O has the clock, too")]
fn now() -> lasse_core::Instant {
    Instant::now().into()
}
