//! A server of blocking threads. Each connection has two, one that writes and one that
//! reads, because a thread that blocks on a socket can wait for nothing else.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};
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
            let write = move || serve_connection::<S>(socket, &config, &streams, args);
            thread::Builder::new().spawn(write)
        });
        // Probably there are too many open files or threads.
        if started.is_err() {
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The thread that writes.
fn serve_connection<S: Accept + Source>(
    socket: TcpStream,
    config: &Arc<ServeConfig>,
    streams: &StreamConfig,
    args: impl Fn() -> S::Args,
) -> io::Result<()> {
    set_options(&socket)?;
    let socket = Arc::new(socket);
    let (sender, input) = sync_channel(1);
    let (reading, writer) = (socket.clone(), thread::current());
    thread::Builder::new().spawn(move || read(&reading, sender, &writer))?;
    let _stop_reader = StopReader(&socket);

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut server = ServerConnection::<S>::new(config, now());
    loop {
        match server.poll_output(now(), &mut cx) {
            ServerOutput::Request(request) => {
                server.respond(Connection::accept(&request, &args, streams, now()));
            }
            ServerOutput::Write(wire) => {
                match (&*socket).write_vectored(&wire.slices().map(IoSlice::new)) {
                    Ok(n) => server.handle_written(n, now()),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        take_input(&mut server, &input);
                        server.handle_timeout(now());
                    }
                    Err(error) => server.handle_write_error(error),
                }
            }
            ServerOutput::HalfClose => socket.shutdown(Shutdown::Write)?,
            ServerOutput::Wait if take_input(&mut server, &input) => {}
            ServerOutput::Wait => wait(&mut server),
            ServerOutput::Close(Close::Abort) => return Ok(()),
            ServerOutput::Close(Close::Clean) => return SockRef::from(&*socket).set_linger(None),
        }
    }
}

fn set_options(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    // Deadlines are checked as often.
    socket.set_write_timeout(Some(Duration::from_millis(100)))?;
    // The connection is reset unless it ends as the protocol requires: a client that uses
    // HTTP/1.0 takes a normal close for the end of the stream.
    SockRef::from(socket).set_linger(Some(Duration::ZERO))
}

/// Waits until the deadline, unless the thread is woken before.
fn wait<S: Source>(server: &mut ServerConnection<S>) {
    match server.deadline() {
        Some(time) => thread::park_timeout(time.saturating_duration_since(now())),
        None => thread::park(),
    }
    server.handle_timeout(now());
}

/// Passes on what the reader has read. Returns whether anything has changed.
fn take_input<S: Source>(server: &mut ServerConnection<S>, input: &Receiver<Vec<u8>>) -> bool {
    if !server.wants_input() {
        return false;
    }
    match input.try_recv() {
        Ok(bytes) => server.handle_input(&bytes),
        Err(TryRecvError::Empty) => return false,
        Err(TryRecvError::Disconnected) => server.handle_peer_closed(),
    }
    true
}

/// The thread that reads, at the pace of the writer, until the client leaves.
fn read(mut socket: &TcpStream, input: SyncSender<Vec<u8>>, writer: &Thread) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = socket.read(&mut buffer) {
        if input.send(buffer[..n].to_vec()).is_err() {
            return;
        }
        writer.unpark();
    }
    drop(input);
    writer.unpark();
}

/// Wakes the thread that writes.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Ends the reader, however the writer ends.
struct StopReader<'a>(&'a TcpStream);

impl Drop for StopReader<'_> {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Read);
    }
}

#[expect(clippy::disallowed_methods, reason = "a driver has a clock")]
fn now() -> lasse_core::Instant {
    Instant::now().into()
}
