//! The core in blocking threads: each connection has one that speaks and one that
//! listens, since a thread that blocks on a socket can wait for nothing else.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use lasse_core::http1::{Limits, ServerConnection, ServerOutput};
use lasse_core::{Accept, Connection, Handler, StreamConfig};

/// Serves each connection on threads of its own. `args` makes what `init` is
/// passed; it may keep the notifier.
pub(crate) fn serve<H: Accept<Notify: Send> + 'static>(
    listener: &TcpListener,
    head_time: Duration,
    config: &StreamConfig,
    args: impl Fn(Notifier<H>) -> H::Args + Clone + Send + 'static,
) {
    for socket in listener.incoming() {
        let (config, args) = (config.clone(), args.clone());
        match socket {
            Ok(socket) => drop(thread::spawn(move || -> io::Result<()> {
                let conversation =
                    ServerConnection::new(&config, Limits::default(), head_time, now());
                Speaker::new(socket)?.speak(conversation, &config, args);
                Ok(())
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
    Heard(Vec<u8>),
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
    mail: Receiver<(u64, Mail<H>)>,
    mailbox: SyncSender<(u64, Mail<H>)>,
    /// Lets the listener listen on.
    go_on: SyncSender<()>,
    is_listener_waiting: bool,
    /// The number of the stream at hand. A notifier may outlive its stream.
    stream: u64,
}

impl<H: Accept<Notify: Send> + 'static> Speaker<H> {
    fn new(socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(Duration::from_millis(100)))?;
        let (mailbox, mail) = sync_channel(64);
        let (go_on, may_go_on) = sync_channel(1);
        let (ear, inbox) = (socket.try_clone()?, mailbox.clone());
        thread::spawn(move || listen(ear, &inbox, &may_go_on));
        Ok(Self { socket, mail, mailbox, go_on, is_listener_waiting: false, stream: 0 })
    }

    fn speak(
        mut self,
        mut conversation: ServerConnection<H>,
        config: &StreamConfig,
        args: impl Fn(Notifier<H>) -> H::Args,
    ) {
        loop {
            let written = match conversation.poll_output(now()) {
                ServerOutput::Write(wire) => {
                    self.socket.write_vectored(&wire.slices().map(IoSlice::new))
                }
                ServerOutput::Answer(request) => {
                    self.stream += 1;
                    let args = || args(self.notifier());
                    conversation.answer(Connection::accept(&request, args, config, now()));
                    continue;
                }
                ServerOutput::Wait => {
                    self.wait(&mut conversation);
                    continue;
                }
                ServerOutput::Close(_) => return,
            };
            match written {
                Ok(n) => conversation.handle_written(n, now()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    conversation.handle_timeout(now());
                }
                Err(error) => conversation.handle_write_error(error),
            }
        }
    }

    /// Waits until something happens.
    fn wait(&mut self, conversation: &mut ServerConnection<H>) {
        if self.is_listener_waiting && conversation.wants_input() {
            self.is_listener_waiting = self.go_on.try_send(()).is_err();
        }
        if let Some(stream) = conversation.stream() {
            let waker = Waker::from(Arc::new(self.notifier()));
            if stream.poll_wake(&mut Context::from_waker(&waker)).is_ready() {
                return;
            }
        }
        let until = |deadline: lasse_core::Instant| deadline.saturating_duration_since(now());
        match self.mail.recv_timeout(conversation.deadline().map_or(Duration::MAX, until)) {
            Ok(mail) => self.deliver(mail, conversation),
            Err(_) => conversation.handle_timeout(now()),
        }
        for _ in 0..64 {
            let Ok(mail) = self.mail.try_recv() else { return };
            self.deliver(mail, conversation);
        }
    }

    fn deliver(&mut self, (stream, mail): (u64, Mail<H>), conversation: &mut ServerConnection<H>) {
        match (mail, conversation.stream()) {
            (Mail::Heard(bytes), _) => {
                conversation.handle_input(&bytes);
                self.is_listener_waiting = true;
            }
            (Mail::Gone, _) => conversation.handle_peer_closed(),
            (Mail::Wake, Some(connection)) => connection.handle_wake(),
            (Mail::Notify(message), Some(connection)) if stream == self.stream => {
                connection.handle_notify(message);
            }
            (Mail::Wake | Mail::Notify(_), _) => {}
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
fn listen<H: Handler>(
    mut socket: TcpStream,
    mailbox: &SyncSender<(u64, Mail<H>)>,
    may_go_on: &Receiver<()>,
) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = socket.read(&mut buffer) {
        let heard = mailbox.send((0, Mail::Heard(buffer[..n].to_vec())));
        if heard.is_err() || may_go_on.recv().is_err() {
            return;
        }
    }
    let _ = mailbox.send((0, Mail::Gone));
}

#[expect(clippy::disallowed_methods, reason = "who does the I/O has the clock, too")]
fn now() -> lasse_core::Instant {
    Instant::now().into()
}
