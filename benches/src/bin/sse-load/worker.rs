//! One thread of the load: its share of the connections, in an epoll set.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{bind, connect, recv, send, socket_with, sockopt};

use crate::options::Options;
use crate::process::{now, pin};
use crate::stream::{Phase, Stream};
use crate::tally::Tally;

/// What the threads report while they run, and what they are ordered to do.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Connections opened so far, reconnections included.
    pub(crate) ready: AtomicU64,
    pub(crate) failed: AtomicU64,
    /// Responses that ended.
    pub(crate) ended: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) delivered: AtomicU64,
    /// Connections that have an event, and that have all.
    pub(crate) begun: AtomicU64,
    pub(crate) complete: AtomicU64,
    pub(crate) must_stop: AtomicBool,
    /// How often all connections must have been dropped.
    pub(crate) drops: AtomicU32,
    pub(crate) error: Mutex<Option<String>>,
}

impl Shared {
    /// Keeps the first error.
    pub(crate) fn report(&self, error: String) {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// One thread's connections.
pub(crate) struct Worker<'a> {
    options: &'a Options,
    shared: &'a Shared,
    /// The number of the first connection among those of all threads.
    first: usize,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    tally: Tally,
    buffer: Vec<u8>,
    /// Connections that must connect, and how many are connecting.
    waiting: VecDeque<usize>,
    connecting: usize,
    /// Connections whose sockets were not read to the end.
    unread: Vec<usize>,
    /// Counts that are not yet added to the shared ones.
    ready: u64,
    delivered: u64,
    begun: u64,
    complete: u64,
}

struct Connection {
    socket: Option<OwnedFd>,
    stream: Stream,
    retries: u32,
}

impl<'a> Worker<'a> {
    /// A thread with `count` connections.
    ///
    /// # Errors
    ///
    /// If there is no room for one more file.
    pub(crate) fn new(
        options: &'a Options,
        shared: &'a Shared,
        first: usize,
        count: usize,
    ) -> io::Result<Self> {
        let connection = || Connection { socket: None, stream: Stream::new(), retries: 0 };
        Ok(Self {
            options,
            shared,
            first,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            connections: (0..count).map(|_| connection()).collect(),
            tally: Tally::new(options.events).with_ids(options.keeps_ids),
            buffer: vec![0; READ_SIZE],
            waiting: (0..count).collect(),
            connecting: 0,
            unread: Vec::new(),
            ready: 0,
            delivered: 0,
            begun: 0,
            complete: 0,
        })
    }

    /// Runs until the shared order to stop.
    ///
    /// # Errors
    ///
    /// If the epoll set fails.
    pub(crate) fn run(mut self, cpu: Option<usize>) -> io::Result<Tally> {
        cpu.into_iter().for_each(pin);
        let window = self.options.window.div_ceil(self.options.threads);
        let (mut events, mut drops) = (Vec::with_capacity(1024), 0);
        while !self.shared.must_stop.load(Relaxed) {
            if drops != self.shared.drops.load(Relaxed) {
                drops += 1;
                self.drop_all();
            }
            while self.connecting < window {
                let Some(index) = self.waiting.pop_front() else { break };
                self.open(index);
            }
            let unread = std::mem::take(&mut self.unread);
            let wait = self.options.tick().max(POLL);
            let timeout = if unread.is_empty() { wait } else { Duration::ZERO };
            let timeout = Timespec { tv_sec: 0, tv_nsec: timeout.subsec_nanos().into() };
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            unread.into_iter().for_each(|index| self.read(index));
            for event in events.drain(..) {
                self.handle(event.data.u64() as usize, event.flags);
            }
            self.publish_counts();
        }
        for Connection { socket, .. } in &self.connections {
            socket.iter().for_each(reset_on_close);
        }
        Ok(self.tally)
    }

    fn handle(&mut self, index: usize, flags: epoll::EventFlags) {
        let is_broken = flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP);
        if self.connections[index].stream.phase == Phase::Connecting {
            if is_broken {
                return self.handle_end(index, "the connection was refused");
            }
            if flags.contains(epoll::EventFlags::OUT) {
                self.send_request(index);
            }
        }
        if is_broken || flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::RDHUP) {
            self.read(index);
        }
    }

    fn open(&mut self, index: usize) {
        match self.try_open(index) {
            Ok(socket) => {
                let connection = &mut self.connections[index];
                connection.socket = Some(socket);
                connection.stream.phase = Phase::Connecting;
                self.connecting += 1;
            }
            Err(error) => self.fail(format!("a socket cannot be opened: {error}")),
        }
    }

    fn try_open(&self, index: usize) -> io::Result<OwnedFd> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        // A pair of addresses has some 28,000 ports, so many connections need
        // several source addresses: 127.1.0.1 and so on.
        let block = (self.first + index) / self.options.per_address;
        if block > 0 {
            let [_, high, middle, low] = (block as u32).to_be_bytes();
            let source = Ipv4Addr::new(127, high + 1, middle, low);
            bind(&socket, &SocketAddrV4::new(source, 0))?;
        }
        match connect(&socket, &self.options.server) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT;
        let flags = flags | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        epoll::add(&self.epoll, &socket, epoll::EventData::new_u64(index as u64), flags)?;
        Ok(socket)
    }

    fn send_request(&mut self, index: usize) {
        let Connection { socket: Some(socket), stream, .. } = &mut self.connections[index] else {
            return;
        };
        let Options { server, last_event_id, .. } = self.options;
        let path = self.options.path_of(self.first + index);
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nAccept: text/event-stream\r\n");
        let mut request = head.into_bytes();
        let first_id = || last_event_id.as_ref().map(|id| id.clone().into_bytes());
        if let Some(id) = stream.last_event_id().or_else(first_id) {
            request.extend_from_slice(b"Last-Event-ID: ");
            request.extend_from_slice(&id);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        stream.phase = Phase::Head;
        stream.opened = now();
        if send(socket, &request, SendFlags::NOSIGNAL) != Ok(request.len()) {
            return self.handle_end(index, "a request cannot be sent");
        }
        if self.options.is_ready_on_request {
            self.handle_ready();
        }
    }

    fn read(&mut self, index: usize) {
        for _ in 0..READS_A_TURN {
            let Connection { socket: Some(socket), stream, .. } = &mut self.connections[index]
            else {
                return;
            };
            let is_stuck = self.first + index < self.options.stuck;
            if stream.phase == Phase::Body && is_stuck {
                return;
            }
            let len = match recv(&*socket, &mut *self.buffer, RecvFlags::empty()) {
                Ok((0, _)) => return self.handle_end(index, "closed before the response head"),
                Ok((len, _)) => len,
                Err(Errno::AGAIN | Errno::INTR) => return,
                Err(error) => return self.handle_end(index, &error.to_string()),
            };
            self.tally.now = now();
            self.tally.bytes += len as u64;
            let phase = stream.phase;
            if let Err(problem) = stream.receive(&self.buffer[..len], &mut self.tally) {
                self.connections[index].retries = RETRIES;
                return self.handle_end(index, &problem);
            }
            let is_answered = phase == Phase::Head && stream.phase == Phase::Body;
            if is_answered && !self.options.is_ready_on_request {
                self.handle_ready();
            }
            if self.options.leaves && self.connections[index].stream.events >= self.options.events {
                return self.leave(index);
            }
            // A short read has emptied the socket, and the next bytes are a new event.
            if len < READ_SIZE {
                return;
            }
        }
        self.unread.push(index);
    }

    /// Closes a connection that has all events.
    fn leave(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        connection.socket.take().iter().for_each(reset_on_close);
        connection.stream.reset();
    }

    fn handle_ready(&mut self) {
        self.connecting -= 1;
        self.ready += 1;
    }

    /// The connection ended, or could not be made.
    fn handle_end(&mut self, index: usize, problem: &str) {
        let connection = &mut self.connections[index];
        let phase = connection.stream.phase;
        connection.socket = None;
        connection.stream.reset();
        if phase == Phase::Body {
            self.shared.ended.fetch_add(1, Relaxed);
            return;
        }
        if phase == Phase::Connecting || !self.options.is_ready_on_request {
            self.connecting -= 1;
        }
        if connection.retries < RETRIES {
            connection.retries += 1;
            self.shared.retries.fetch_add(1, Relaxed);
            self.waiting.push_back(index);
        } else {
            self.fail(problem.to_owned());
        }
    }

    fn fail(&self, problem: String) {
        self.shared.failed.fetch_add(1, Relaxed);
        self.shared.report(problem);
    }

    fn drop_all(&mut self) {
        self.unread.clear();
        self.connecting = 0;
        for connection in &mut self.connections {
            if let Some(socket) = connection.socket.take().filter(|_| self.options.drops_by_reset) {
                reset_on_close(&socket);
            }
            connection.stream.reset();
            connection.retries = 0;
        }
        self.waiting = (0..self.connections.len()).collect();
    }

    /// Adds the new counts to the shared ones, once a turn.
    fn publish_counts(&mut self) {
        let Tally { delivered, begun, complete, .. } = self.tally;
        if delivered != self.delivered {
            self.shared.delivered.fetch_add(delivered - self.delivered, Relaxed);
            self.shared.begun.fetch_add(begun - self.begun, Relaxed);
            self.shared.complete.fetch_add(complete - self.complete, Relaxed);
            (self.delivered, self.begun, self.complete) = (delivered, begun, complete);
        }
        if self.ready > 0 {
            self.shared.ready.fetch_add(std::mem::take(&mut self.ready), Relaxed);
        }
    }
}

/// Leaves no port in TIME-WAIT.
fn reset_on_close(socket: &OwnedFd) {
    let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}

const READ_SIZE: usize = 128 * 1024;

/// How often a socket is read before the others have their turn.
const READS_A_TURN: usize = 8;

/// How often a connection is tried again that does not get a response head.
const RETRIES: u32 = 20;

/// How long a thread waits before it looks for orders.
const POLL: Duration = Duration::from_millis(20);
