//! The core in one thread, over sockets that never block: a table of clients, and a
//! heap of the times at which they need a turn.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use lasse_core::{Accept, Instant, Source};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Registry, Token, Waker};

use crate::client::{Alarm, Client, ResponseContext, now};

/// Serves all connections on this thread.
pub(crate) fn serve<S, A>(mut listener: TcpListener, context: ResponseContext<A>) -> io::Result<()>
where
    S: Accept + Source,
    A: Fn() -> S::Args,
{
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let waker = Arc::new(Waker::new(poll.registry(), WOKEN)?);
    let (sender, woken) = channel();
    let (clients, turns) = (HashMap::<_, Client<S>>::new(), BinaryHeap::new());
    let mut server = Server { clients, turns, newest: WOKEN, sender, woken, waker, context };
    let mut events = Events::with_capacity(1024);
    loop {
        match poll.poll(&mut events, server.until_next_turn()) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            match event.token() {
                LISTENER => server.accept(&listener, poll.registry()),
                WOKEN => server.give_turns_to_woken(),
                client => server.give_turn(client),
            }
        }
        server.give_turns_that_are_due();
    }
}

struct Server<S: Source, A> {
    clients: HashMap<Token, Client<S>>,
    /// When which client needs a turn. Some of these times are out of date.
    turns: BinaryHeap<Reverse<(Instant, Token)>>,
    /// The token of the newest client.
    newest: Token,
    sender: Sender<Token>,
    /// The clients that were woken.
    woken: Receiver<Token>,
    waker: Arc<Waker>,
    context: ResponseContext<A>,
}

impl<S, A> Server<S, A>
where
    S: Accept + Source,
    A: Fn() -> S::Args,
{
    fn accept(&mut self, listener: &TcpListener, registry: &Registry) {
        // After an error, probably out of descriptors, the next client tries again.
        while let Ok((mut socket, _)) = listener.accept() {
            self.newest.0 += 1;
            let token = self.newest;
            let interest = Interest::READABLE | Interest::WRITABLE;
            if registry.register(&mut socket, token, interest).is_ok() {
                let (woken, poll) = (self.sender.clone(), self.waker.clone());
                let client =
                    Client::new(socket, Alarm { client: token, woken, poll }, &self.context);
                self.clients.insert(token, client);
                self.give_turn(token);
            }
        }
    }

    fn give_turns_to_woken(&mut self) {
        let woken: BTreeSet<_> = self.woken.try_iter().collect();
        woken.into_iter().for_each(|token| self.give_turn(token));
    }

    /// Lets a client do all it can do now. A panic ends this client alone.
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

/// A time that is never reached.
pub(crate) const NEVER: Instant = Instant::from_nanos(u64::MAX);
const LISTENER: Token = Token(0);
const WOKEN: Token = Token(1);
