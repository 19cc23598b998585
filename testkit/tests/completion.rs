//! A driver whose writes and reads complete later, as with `io_uring`, under the server
//! checks: each operation is submitted with bytes that it owns, and completes in part.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use lasse_core::http1::{ServeConfig, ServerConnection, ServerOutput, Wire};
use lasse_core::{
    Accept, Close, Connection, HandlerSource, Instant, Source, StreamConfig, mailbox,
};
use lasse_testkit::checks::{self, Server, StreamRecords, TestHandler};
use socket2::SockRef;

#[test]
fn a_driver_with_completions_passes_the_server_checks() -> Result<(), Box<dyn Error>> {
    let records = StreamRecords::new();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, streams) = (listener.local_addr()?, checks::config()?);
    let config = Arc::new(ServeConfig::new().with_head_timeout(checks::HEAD_TIME)?);
    let args = records.clone();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (config, streams, args) = (config.clone(), streams.clone(), args.clone());
            thread::spawn(move || {
                let args = || (args.clone(), mailbox(64).1);
                Driver::new(socket).serve::<HandlerSource<TestHandler>>(&config, &streams, args);
            });
        }
    });
    checks::run(&Server { address, records, is_adapter_only: false });
    Ok(())
}

/// What the kernel reports.
enum Completion {
    Written(io::Result<usize>),
    Read(io::Result<Vec<u8>>),
    Wake,
}

/// Wakes the driver.
struct Alarm(Sender<Completion>);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(Completion::Wake);
    }
}

struct Driver {
    socket: Arc<TcpStream>,
    writes: Sender<Wire>,
    reads: Sender<()>,
    completions: Receiver<Completion>,
    waker: Waker,
    /// The bytes of the write in flight.
    in_flight: Option<Vec<u8>>,
    is_reading: bool,
    is_clean: bool,
}

impl Driver {
    fn new(socket: TcpStream) -> Self {
        let socket = Arc::new(socket);
        let (completed, completions) = channel();
        let waker = Waker::from(Arc::new(Alarm(completed.clone())));
        let (writes, reads) = start_kernel(&socket, &completed);
        let (in_flight, is_reading, is_clean) = (None, false, false);
        Self { socket, writes, reads, completions, waker, in_flight, is_reading, is_clean }
    }

    fn serve<S: Accept + Source>(
        mut self,
        config: &Arc<ServeConfig>,
        streams: &StreamConfig,
        args: impl Fn() -> S::Args,
    ) {
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        let mut server = ServerConnection::<S>::new(config, now());
        loop {
            match server.poll_output(now(), &mut cx) {
                ServerOutput::Request(request) => {
                    server.respond(Connection::accept(&request, &args, streams, now()));
                }
                ServerOutput::Write(wire) => {
                    self.submit(wire);
                    self.wait(&mut server);
                }
                ServerOutput::HalfClose => {
                    assert!(self.in_flight.is_none(), "everything is acknowledged before");
                    let _ = self.socket.shutdown(Shutdown::Write);
                }
                ServerOutput::Wait => self.wait(&mut server),
                ServerOutput::Close(close) => {
                    self.is_clean = close == Close::Clean;
                    assert!(!self.is_clean || self.in_flight.is_none());
                    return;
                }
            }
        }
    }

    /// Submits a write, unless one is in flight. That one is then returned again.
    fn submit(&mut self, wire: Wire) {
        let bytes = wire.concat();
        match &self.in_flight {
            Some(in_flight) => assert!(bytes.starts_with(in_flight)),
            None => {
                self.in_flight = Some(bytes);
                let _ = self.writes.send(wire);
            }
        }
    }

    /// Waits for a completion or the deadline.
    fn wait<S: Source>(&mut self, server: &mut ServerConnection<S>) {
        if server.wants_input() && !self.is_reading {
            self.is_reading = self.reads.send(()).is_ok();
        }
        let until = |deadline: Instant| deadline.saturating_duration_since(now());
        match self.completions.recv_timeout(server.deadline().map_or(Duration::MAX, until)) {
            Ok(Completion::Written(written)) => {
                self.in_flight = None;
                match written {
                    Ok(n) => server.handle_written(n, now()),
                    Err(error) => server.handle_write_error(error),
                }
            }
            Ok(Completion::Read(read)) => {
                self.is_reading = false;
                match read {
                    Ok(bytes) if bytes.is_empty() => server.handle_peer_closed(),
                    Ok(bytes) => server.handle_input(&bytes),
                    Err(error) => server.handle_read_error(&error),
                }
            }
            Ok(Completion::Wake) => {}
            Err(_) => server.handle_timeout(now()),
        }
    }
}

/// Cancels the operations in flight.
impl Drop for Driver {
    fn drop(&mut self) {
        if self.is_clean {
            let _ = self.socket.shutdown(Shutdown::Both);
        } else {
            // The write that is cancelled may wait for the client.
            let _ = SockRef::from(&*self.socket).set_linger(Some(Duration::ZERO));
            let _ = self.socket.set_write_timeout(Some(Duration::from_millis(1)));
            let _ = self.socket.shutdown(Shutdown::Read);
        }
    }
}

/// Starts what completes writes, each in part and later, and reads.
fn start_kernel(
    socket: &Arc<TcpStream>,
    completed: &Sender<Completion>,
) -> (Sender<Wire>, Sender<()>) {
    let ((writes, submitted), (reads, may_read)) = (channel::<Wire>(), channel::<()>());
    let (socket_to_write, written) = (socket.clone(), completed.clone());
    thread::spawn(move || {
        for wire in submitted {
            let bytes = wire.concat();
            let part = &bytes[..bytes.len().div_ceil(2).max(bytes.len().min(7))];
            let _ = written.send(Completion::Written((&*socket_to_write).write(part)));
        }
    });
    let (socket_to_read, read) = (socket.clone(), completed.clone());
    thread::spawn(move || {
        for () in may_read {
            let mut buffer = vec![0; 4096];
            let len = (&*socket_to_read).read(&mut buffer);
            let bytes = len.map(|len| buffer[..len].to_vec());
            let _ = read.send(Completion::Read(bytes));
        }
    });
    (writes, reads)
}

#[expect(clippy::disallowed_methods, reason = "a driver has a clock")]
fn now() -> Instant {
    std::time::Instant::now().into()
}
