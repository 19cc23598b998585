//! One client, who takes turns: all that can be done for it without waiting.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Weak};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use lasse_core::http1::{Limits, ServerConnection, ServerOutput};
use lasse_core::{Accept, Connection, Handler, Instant, StreamConfig};
use mio::Token;
use mio::net::TcpStream;

use crate::server::NEVER;

/// On what context clients are served. `args` makes what `init` is passed; it may
/// keep the notifier.
pub(crate) struct ResponseContext<A> {
    pub(crate) head_time: Duration,
    pub(crate) config: StreamConfig,
    pub(crate) args: A,
}

/// Sends messages to one stream, and wakes it.
pub(crate) struct Notifier<H: Handler> {
    pub(crate) client: Token,
    /// The number of the stream among the client's. A notifier may outlive it.
    pub(crate) stream: u64,
    pub(crate) mailbox: SyncSender<Letter<H>>,
    pub(crate) waker: Arc<mio::Waker>,
    /// Whether the client is there.
    pub(crate) is_there: Weak<()>,
}

/// A message on its way, or none, to wake the stream.
pub(crate) struct Letter<H: Handler> {
    pub(crate) client: Token,
    stream: u64,
    message: Option<H::Notify>,
}

impl<H: Handler> Notifier<H> {
    /// Passes a message on, if the client is there and the server has time for it.
    pub(crate) fn notify(&self, message: H::Notify) -> bool {
        self.is_there.strong_count() > 0 && self.send(Some(message))
    }

    fn send(&self, message: Option<H::Notify>) -> bool {
        let letter = Letter { client: self.client, stream: self.stream, message };
        self.mailbox.try_send(letter).is_ok() && self.waker.wake().is_ok()
    }
}

impl<H: Handler> Clone for Notifier<H> {
    fn clone(&self) -> Self {
        Self {
            mailbox: self.mailbox.clone(),
            waker: self.waker.clone(),
            is_there: self.is_there.clone(),
            ..*self
        }
    }
}

impl<H: Handler<Notify: Send>> Wake for Notifier<H> {
    fn wake(self: Arc<Self>) {
        self.send(None);
    }
}

pub(crate) struct Client<H: Handler> {
    pub(crate) inbox: Vec<Letter<H>>,
    /// When it has a turn anyway.
    pub(crate) next_turn: Instant,
    socket: TcpStream,
    conversation: ServerConnection<H>,
    notifier: Notifier<H>,
    /// What its notifiers look at.
    _presence: Arc<()>,
}

impl<H: Accept<Notify: Send> + 'static> Client<H> {
    pub(crate) fn new<A>(
        socket: TcpStream,
        notifier: Notifier<H>,
        context: &ResponseContext<A>,
    ) -> Self {
        let _ = socket.set_nodelay(true);
        let ResponseContext { config, head_time, .. } = context;
        let conversation = ServerConnection::new(config, Limits::default(), *head_time, now());
        let presence = Arc::new(());
        let notifier = Notifier { is_there: Arc::downgrade(&presence), ..notifier };
        Self {
            inbox: Vec::new(),
            next_turn: NEVER,
            socket,
            conversation,
            notifier,
            _presence: presence,
        }
    }

    /// Does what can be done without waiting, and tells when to come back if nothing
    /// happens before; not at all, if the connection is over.
    pub(crate) fn take_turn<A>(&mut self, context: &ResponseContext<A>) -> Option<Instant>
    where
        A: Fn(Notifier<H>) -> H::Args,
    {
        self.hear();
        self.conversation.handle_timeout(now());
        self.read_mail();
        for _ in 0..STEPS {
            let written = match self.conversation.poll_output(now()) {
                ServerOutput::Write(wire) => {
                    self.socket.write_vectored(&wire.slices().map(IoSlice::new))
                }
                ServerOutput::Answer(request) => {
                    self.notifier.stream += 1;
                    let args = || (context.args)(self.notifier.clone());
                    let response = Connection::accept(&request, args, &context.config, now());
                    self.conversation.answer(response);
                    continue;
                }
                ServerOutput::Wait => {
                    if self.hear() || self.is_awake() {
                        continue;
                    }
                    return Some(self.conversation.deadline().unwrap_or(NEVER));
                }
                ServerOutput::Close(_) => return None,
            };
            match written {
                Ok(n) => self.conversation.handle_written(n, now()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Some(self.conversation.deadline().unwrap_or(NEVER));
                }
                Err(error) => self.conversation.handle_write_error(error),
            }
        }
        // The others want a turn, too.
        Some(now())
    }

    /// Hears what the client says, as far as there is room; whether that is news.
    fn hear(&mut self) -> bool {
        let mut is_news = false;
        let mut buffer = [0; 4096];
        while self.conversation.wants_input() {
            match self.socket.read(&mut buffer) {
                Ok(n @ 1..) => self.conversation.handle_input(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Ok(_) | Err(_) => self.conversation.handle_peer_closed(),
            }
            is_news = true;
        }
        is_news
    }

    fn read_mail(&mut self) {
        let Some(stream) = self.conversation.stream() else { return };
        for letter in self.inbox.drain(..) {
            match letter.message {
                _ if letter.stream != self.notifier.stream => {}
                Some(message) => stream.handle_notify(message),
                None => stream.handle_wake(),
            }
        }
    }

    /// Whether the handler has more to send by itself; if not, it wakes the stream
    /// when it has.
    fn is_awake(&mut self) -> bool {
        let waker = Waker::from(Arc::new(self.notifier.clone()));
        let mut cx = Context::from_waker(&waker);
        self.conversation.stream().is_some_and(|stream| stream.poll_wake(&mut cx).is_ready())
    }
}

#[expect(clippy::disallowed_methods, reason = "who does the I/O has the clock, too")]
pub(crate) fn now() -> Instant {
    std::time::Instant::now().into()
}

/// How many steps a client may take in one turn.
const STEPS: usize = 32;
