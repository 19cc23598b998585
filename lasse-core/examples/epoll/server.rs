//! The core in one thread, over sockets that never block: a table of clients, and a
//! heap of the times at which they want a turn.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

use lasse_core::{Accept, Handler, Instant};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Registry, Token, Waker};

use crate::client::{Client, Letter, Notifier, ResponseContext, now};

/// Serves all connections on this thread.
pub(crate) fn serve<H, A>(mut listener: TcpListener, context: ResponseContext<A>) -> io::Result<()>
where
    H: Accept<Notify: Send> + 'static,
    A: Fn(Notifier<H>) -> H::Args,
{
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let waker = Arc::new(Waker::new(poll.registry(), MAIL)?);
    let (mailbox, mail) = sync_channel(1024);
    let nobody = Notifier { client: MAIL, stream: 0, mailbox, waker, is_there: Weak::new() };
    let (clients, turns) = (HashMap::new(), BinaryHeap::new());
    let mut server = Server { clients, turns, newest: nobody, mail, context };
    let mut events = Events::with_capacity(1024);
    loop {
        match poll.poll(&mut events, server.until_next_turn()) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            match event.token() {
                LISTENER => server.accept(&listener, poll.registry()),
                MAIL => server.deliver(),
                client => server.give_turn(client),
            }
        }
        server.give_turns_that_are_due();
    }
}

struct Server<H: Handler, A> {
    clients: HashMap<Token, Client<H>>,
    /// When which client wants a turn. It may have wanted a later one since.
    turns: BinaryHeap<Reverse<(Instant, Token)>>,
    /// The notifier of the client that came last.
    newest: Notifier<H>,
    mail: Receiver<Letter<H>>,
    context: ResponseContext<A>,
}

impl<H, A> Server<H, A>
where
    H: Accept<Notify: Send> + 'static,
    A: Fn(Notifier<H>) -> H::Args,
{
    fn accept(&mut self, listener: &TcpListener, registry: &Registry) {
        // Out of sockets, most likely, on an error: the next client tries again.
        while let Ok((mut socket, _)) = listener.accept() {
            self.newest.client.0 += 1;
            let token = self.newest.client;
            let interest = Interest::READABLE | Interest::WRITABLE;
            if registry.register(&mut socket, token, interest).is_ok() {
                let client = Client::new(socket, self.newest.clone(), &self.context);
                self.clients.insert(token, client);
                self.give_turn(token);
            }
        }
    }

    /// Hands out all mail before the clients that it is for get their turns.
    fn deliver(&mut self) {
        let mut addressees = BTreeSet::new();
        for letter in self.mail.try_iter() {
            let token = letter.client;
            if let Some(client) = self.clients.get_mut(&token) {
                client.inbox.push(letter);
                addressees.insert(token);
            }
        }
        addressees.into_iter().for_each(|token| self.give_turn(token));
    }

    /// Lets a client do all it can do now. A panic costs that client alone.
    fn give_turn(&mut self, token: Token) {
        let Some(mut client) = self.clients.remove(&token) else { return };
        let turn = catch_unwind(AssertUnwindSafe(|| client.take_turn(&self.context)));
        let Ok(Some(next)) = turn else { return };
        if next < client.next_turn {
            client.next_turn = next;
            self.turns.push(Reverse((next, token)));
        }
        self.clients.insert(token, client);
    }

    fn give_turns_that_are_due(&mut self) {
        let now = now();
        while self.turns.peek().is_some_and(|Reverse((due, _))| *due <= now) {
            let Some(Reverse((_, token))) = self.turns.pop() else { return };
            if let Some(client) = self.clients.get_mut(&token) {
                client.next_turn = NEVER;
            }
            self.give_turn(token);
        }
    }

    fn until_next_turn(&self) -> Option<Duration> {
        self.turns.peek().map(|Reverse((due, _))| due.saturating_duration_since(now()))
    }
}

/// A time that does not come.
pub(crate) const NEVER: Instant = Instant::from_nanos(u64::MAX);
const LISTENER: Token = Token(0);
const MAIL: Token = Token(1);
