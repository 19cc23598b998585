//! A server in one thread, with sockets that never block.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use lasse_core::{Accept, Instant, Source};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Token};
use socket2::SockRef;

use crate::connection::{ConnectionTask, Service, Socket, now};

/// Serves all connections in this thread.
pub(crate) fn serve<S, A>(mut listener: TcpListener, service: Service<A>) -> io::Result<()>
where
    S: Accept + Source,
    A: Fn() -> S::Args,
{
    let poll = mio::Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let waker = Arc::new(mio::Waker::new(poll.registry(), WOKEN)?);
    let (sender, woken) = channel();
    let alarm = Alarm { token: WOKEN, sender, waker };
    let (tasks, timers) = (HashMap::<_, Task<S>>::new(), BTreeSet::new());
    let mut server = Server { listener, poll, tasks, timers, newest: WOKEN, alarm, service };
    let mut events = Events::with_capacity(1024);
    loop {
        let until = |(due, _): &(Instant, Token)| due.saturating_duration_since(now());
        match server.poll.poll(&mut events, server.timers.first().map(until)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let ready = events.iter().map(mio::event::Event::token).chain(woken.try_iter());
        let mut ready: BTreeSet<_> = ready.collect();
        while let Some((_, token)) = server.timers.first().filter(|(due, _)| *due <= now()) {
            ready.insert(*token);
            server.timers.pop_first();
        }
        for token in ready {
            if token == LISTENER { server.accept() } else { server.poll_task(token) }
        }
    }
}

struct Server<S: Source, A> {
    listener: TcpListener,
    poll: mio::Poll,
    tasks: HashMap<Token, Task<S>>,
    timers: BTreeSet<(Instant, Token)>,
    /// The token of the newest task.
    newest: Token,
    alarm: Alarm,
    service: Service<A>,
}

struct Task<S: Source> {
    connection: ConnectionTask<TcpStream, S>,
    waker: Waker,
    /// When its timer is due.
    due: Option<Instant>,
}

/// Wakes one task, from any thread.
#[derive(Clone)]
struct Alarm {
    token: Token,
    sender: Sender<Token>,
    waker: Arc<mio::Waker>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let _ = self.sender.send(self.token);
        let _ = self.waker.wake();
    }
}

impl<S: Accept + Source, A: Fn() -> S::Args> Server<S, A> {
    /// Accepts all connections that wait. The kernel reports new connections once: after
    /// an error, nothing reports the others.
    fn accept(&mut self) {
        loop {
            match self.listener.accept() {
                Ok((socket, _)) => self.start(socket),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // This client has left meanwhile.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                // Probably there are too many open files.
                Err(_) => {
                    self.timers.insert((now() + Duration::from_millis(100), LISTENER));
                    return;
                }
            }
        }
    }

    fn start(&mut self, mut socket: TcpStream) {
        self.newest.0 += 1;
        let token = self.newest;
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(&mut socket, token, interest).is_ok() {
            let connection = ConnectionTask::new(socket, &self.service);
            let waker = Waker::from(Arc::new(Alarm { token, ..self.alarm.clone() }));
            self.tasks.insert(token, Task { connection, waker, due: None });
            self.poll_task(token);
        }
    }

    /// A panic ends this task alone.
    fn poll_task(&mut self, token: Token) {
        let Some(mut task) = self.tasks.remove(&token) else { return };
        let mut cx = Context::from_waker(&task.waker);
        let poll = || task.connection.poll(&self.service, &mut cx);
        let is_pending = catch_unwind(AssertUnwindSafe(poll)).is_ok_and(|poll| poll.is_pending());
        let due = task.connection.deadline().filter(|_| is_pending);
        if let Some(due) = task.due {
            self.timers.remove(&(due, token));
        }
        self.timers.extend(due.map(|due| (due, token)));
        task.due = due;
        if is_pending {
            self.tasks.insert(token, task);
        }
    }
}

impl Socket for TcpStream {
    fn poll_read(&mut self, bytes: &mut [u8], _: &mut Context<'_>) -> Poll<io::Result<usize>> {
        poll(self.read(bytes))
    }

    fn poll_write(
        &mut self,
        bytes: &[IoSlice<'_>],
        _: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        poll(self.write_vectored(bytes))
    }

    fn sock_ref(&self) -> SockRef<'_> {
        SockRef::from(self)
    }
}

/// Pending if the socket would block: mio then reports when it is ready.
fn poll<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

const LISTENER: Token = Token(0);
const WOKEN: Token = Token(1);
