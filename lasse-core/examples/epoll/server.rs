//! A server in one thread, with sockets that never block: a map of clients, and a heap
//! of the times of their next turns.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use lasse_core::{Accept, Instant, Source};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token, Waker};

use crate::client::{Alarm, Client, Service, now};

/// Serves all connections in this thread.
pub(crate) fn serve<S, A>(mut listener: TcpListener, service: Service<A>) -> io::Result<()>
where
    S: Accept + Source,
    A: Fn() -> S::Args,
{
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let waker = Arc::new(Waker::new(poll.registry(), WOKEN)?);
    let (sender, woken) = channel();
    let (clients, turns) = (HashMap::<_, Client<S>>::new(), BinaryHeap::new());
    let (accept_at, newest) = (NEVER, WOKEN);
    let mut server = Server { clients, turns, accept_at, newest, sender, woken, waker, service };
    let mut events = Events::with_capacity(1024);
    loop {
        match poll.poll(&mut events, server.time_to_next_turn()) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            match event.token() {
                LISTENER => server.accept_at = now(),
                WOKEN => server.give_turns_to_woken(),
                client => server.give_turn(client),
            }
        }
        if server.accept_at <= now() {
            server.accept_at = server.accept(&listener, poll.registry());
        }
        server.give_turns_that_are_due();
    }
}

struct Server<S: Source, A> {
    clients: HashMap<Token, Client<S>>,
    /// When which client needs a turn. Some of these times are out of date.
    turns: BinaryHeap<Reverse<(Instant, Token)>>,
    /// When to accept connections.
    accept_at: Instant,
    /// The token of the newest client.
    newest: Token,
    sender: Sender<Token>,
    /// The clients that were woken.
    woken: Receiver<Token>,
    waker: Arc<Waker>,
    service: Service<A>,
}

impl<S, A> Server<S, A>
where
    S: Accept + Source,
    A: Fn() -> S::Args,
{
    /// Accepts all connections that wait, and returns when to accept again. The kernel
    /// reports new connections once: after an error, nothing reports those that wait.
    fn accept(&mut self, listener: &TcpListener, registry: &Registry) -> Instant {
        loop {
            match listener.accept() {
                Ok((socket, _)) => self.admit(socket, registry),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return NEVER,
                // This client has left meanwhile.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                // Probably there are too many open files.
                Err(_) => return now() + Duration::from_millis(100),
            }
        }
    }

    fn admit(&mut self, mut socket: TcpStream, registry: &Registry) {
        self.newest.0 += 1;
        let client = self.newest;
        if registry.register(&mut socket, client, Interest::READABLE | Interest::WRITABLE).is_ok() {
            let alarm = Alarm { client, woken: self.sender.clone(), poll: self.waker.clone() };
            self.clients.insert(client, Client::new(socket, alarm, &self.service));
            self.give_turn(client);
        }
    }

    fn give_turns_to_woken(&mut self) {
        let woken: BTreeSet<_> = self.woken.try_iter().collect();
        woken.into_iter().for_each(|token| self.give_turn(token));
    }

    /// Lets a client do what it can do now. A panic ends this client alone.
    fn give_turn(&mut self, token: Token) {
        let Some(mut client) = self.clients.remove(&token) else { return };
        let turn = catch_unwind(AssertUnwindSafe(|| client.take_turn(&self.service)));
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

    fn time_to_next_turn(&self) -> Option<Duration> {
        let next = self.turns.peek().map_or(NEVER, |Reverse((due, _))| *due).min(self.accept_at);
        (next != NEVER).then(|| next.saturating_duration_since(now()))
    }
}

/// A time that is never reached.
pub(crate) const NEVER: Instant = Instant::from_nanos(u64::MAX);
const LISTENER: Token = Token(0);
const WOKEN: Token = Token(1);
