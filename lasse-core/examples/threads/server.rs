//! The core in blocking threads: each connection has one that speaks and one that
//! listens, since a thread that blocks on a socket can wait for nothing else.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use lasse_core::http1::{BadRequest, Head, Limits, Persistence, Reply, Step, parse_request};
use lasse_core::{Accept, Close, Config, Connection, Handler};

/// Serves each connection on threads of its own. `args` makes what `init` is
/// passed; it may keep the notifier.
pub(crate) fn serve<H: Accept<Notify: Send> + 'static>(
    listener: &TcpListener,
    head_time: Duration,
    config: &Config,
    args: impl Fn(Notifier<H>) -> H::Args + Clone + Send + 'static,
) {
    for socket in listener.incoming() {
        let (config, args) = (config.clone(), args.clone());
        match socket {
            Ok(socket) => drop(thread::spawn(move || {
                Speaker::new(socket, head_time, config)?.answer_requests(args)
            })),
            // Out of sockets, most likely: some will be free soon.
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Sends messages to one stream.
pub(crate) struct Notifier<H: Handler> {
    stream: u64,
    mailbox: SyncSender<(u64, Mail<H>)>,
}

enum Mail<H: Handler> {
    Notify(H::Notify),
    Wake,
    Gone,
}

impl<H: Handler> Notifier<H> {
    /// Passes a message on, if the client is there and has read most of the others.
    pub(crate) fn notify(&self, message: H::Notify) -> bool {
        self.mailbox.try_send((self.stream, Mail::Notify(message))).is_ok()
    }
}

impl<H: Handler<Notify: Send>> Wake for Notifier<H> {
    fn wake(self: Arc<Self>) {
        // If the mailbox is full, the stream is awake.
        let _ = self.mailbox.try_send((self.stream, Mail::Wake));
    }
}

/// The thread that speaks.
struct Speaker<H: Handler> {
    socket: TcpStream,
    head_time: Duration,
    config: Config,
    /// What was said ahead of the request at hand.
    input: Vec<u8>,
    heard: Receiver<Vec<u8>>,
    mail: Receiver<(u64, Mail<H>)>,
    mailbox: SyncSender<(u64, Mail<H>)>,
    /// The number of the stream at hand. A notifier may outlive its stream.
    stream: u64,
}

impl<H: Accept<Notify: Send> + 'static> Speaker<H> {
    fn new(socket: TcpStream, head_time: Duration, config: Config) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(Duration::from_millis(100)))?;
        let (hear, heard) = sync_channel(4);
        let (mailbox, mail) = sync_channel(64);
        let (ear, gone) = (socket.try_clone()?, mailbox.clone());
        thread::spawn(move || {
            listen(ear, hear);
            let _ = gone.send((0, Mail::Gone));
        });
        Ok(Self { socket, head_time, config, input: vec![], heard, mail, mailbox, stream: 0 })
    }

    fn answer_requests(mut self, args: impl Fn(Notifier<H>) -> H::Args) -> io::Result<()> {
        loop {
            self.stream += 1;
            let reply = match self.await_head() {
                Ok(Some(head)) => {
                    let args = || args(self.notifier());
                    let response = Connection::accept(&head.request, args, &self.config, now());
                    Reply::new(response, head.terms, &self.config)
                }
                Ok(None) => return Ok(()),
                Err(bad) => Reply::refuse(bad, &self.config),
            };
            if self.speak(reply)? == Persistence::Close {
                return Ok(());
            }
        }
    }

    fn await_head(&mut self) -> Result<Option<Head>, BadRequest> {
        let deadline = now() + self.head_time;
        loop {
            if let Some(head) = parse_request(&self.input, &Limits::default())? {
                self.input.drain(..head.len);
                return Ok(Some(head));
            }
            match self.heard.recv_timeout(deadline.saturating_duration_since(now())) {
                Ok(bytes) => self.input.extend(bytes),
                Err(RecvTimeoutError::Timeout) if !self.input.is_empty() => {
                    return Err(BadRequest::Timeout);
                }
                Err(_) => return Ok(None),
            }
        }
    }

    fn speak(&mut self, mut reply: Reply<H>) -> io::Result<Persistence> {
        loop {
            let written = match reply.poll_output(now()) {
                Step::Write(wire) => self.socket.write_vectored(&wire.slices().map(IoSlice::new)),
                Step::Close(Close::Clean) => return Ok(reply.persistence()),
                Step::Close(Close::Abort) => return Err(ErrorKind::ConnectionAborted.into()),
                Step::Wait => {
                    self.await_mail(&mut reply);
                    continue;
                }
            };
            match written {
                Ok(n) => reply.handle_written(n, now()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => reply.handle_timeout(now()),
                Err(error) => reply.handle_write_error(error),
            }
        }
    }

    fn await_mail(&self, reply: &mut Reply<H>) {
        let timeout = reply.deadline().map(|deadline| deadline.saturating_duration_since(now()));
        let Some(connection) = reply.connection() else { return };
        let waker = Waker::from(Arc::new(self.notifier()));
        if connection.poll_wake(&mut Context::from_waker(&waker)).is_ready() {
            return;
        }
        let Ok(mail) = self.mail.recv_timeout(timeout.unwrap_or(Duration::MAX)) else {
            return connection.handle_timeout(now());
        };
        self.deliver(mail, connection);
        while connection.wants_input() {
            let Ok(mail) = self.mail.try_recv() else { return };
            self.deliver(mail, connection);
        }
    }

    fn deliver(&self, (stream, mail): (u64, Mail<H>), connection: &mut Connection<H>) {
        match mail {
            Mail::Gone => connection.handle_peer_closed(),
            Mail::Wake => connection.handle_wake(),
            Mail::Notify(message) if stream == self.stream => connection.handle_notify(message),
            Mail::Notify(_) => {}
        }
    }

    fn notifier(&self) -> Notifier<H> {
        Notifier { stream: self.stream, mailbox: self.mailbox.clone() }
    }
}

/// However the speaker ends, so does the listener.
impl<H: Handler> Drop for Speaker<H> {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// Hears the client, at the speaker's pace, until it leaves.
fn listen(mut socket: TcpStream, hear: SyncSender<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = socket.read(&mut buffer) {
        if hear.send(buffer[..n].to_vec()).is_err() {
            return;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "who does the I/O has the clock, too")]
fn now() -> lasse_core::Instant {
    Instant::now().into()
}
