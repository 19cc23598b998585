//! The loop: publish the events that are due, then serve the sockets that are ready.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{accept_with, bind, listen, recv, send, socket_with, sockopt};

use crate::connections::{Connection, Connections, OwnStream, Role};
use crate::log::{Log, encode, now};
use crate::request::Request;

/// The server.
#[derive(Debug)]
pub(crate) struct Server {
    listener: OwnedFd,
    epoll: OwnedFd,
    connections: Connections,
    log: Log,
    publication: Option<Publication>,
    /// Whether all that is due goes out in one write.
    coalesces: bool,
}

/// Events that must be published.
#[derive(Debug)]
struct Publication {
    start: u64,
    /// Nanoseconds from event to event; 0 is as fast as possible.
    gap: f64,
    done: u64,
    events: u64,
    size: usize,
}

impl Server {
    /// Listens on a port of 127.0.0.1.
    pub(crate) fn bind(port: u16, coalesces: bool) -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let listener = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        sockopt::set_socket_reuseaddr(&listener, true)?;
        bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
        listen(&listener, BACKLOG)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
        let (connections, log) = (Connections::default(), Log::new());
        Ok(Self { listener, epoll, connections, log, publication: None, coalesces })
    }

    /// Serves for ever.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(1024);
        loop {
            let wait = self.publish();
            let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept(),
                    number => self.handle(number as usize, event.flags),
                }
            }
        }
    }

    fn handle(&mut self, number: usize, flags: epoll::EventFlags) {
        use epoll::EventFlags as Flags;
        if flags.intersects(Flags::IN | Flags::RDHUP | Flags::HUP | Flags::ERR) {
            self.read(number);
        }
        if flags.contains(Flags::OUT) {
            match self.connections.get_mut(number) {
                Some(Connection { role: Role::Reader { .. }, is_blocked: true, .. }) => {
                    self.send_log(number);
                }
                Some(Connection { role: Role::Stream(_), .. }) => self.send_stream(number),
                _ => {}
            }
        }
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTS_A_TURN {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            match accept_with(&self.listener, flags) {
                Ok(socket) => self.add(socket),
                Err(Errno::MFILE | Errno::NFILE) => return sleep(Duration::from_millis(100)),
                Err(_) => return,
            }
        }
    }

    fn add(&mut self, socket: OwnedFd) {
        use epoll::EventFlags as Flags;
        let flags = Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET;
        let number = epoll::EventData::new_u64(self.connections.next() as u64);
        let is_set = sockopt::set_tcp_nodelay(&socket, true);
        if is_set.and_then(|()| epoll::add(&self.epoll, &socket, number, flags)).is_ok() {
            self.connections.insert(socket);
        }
    }

    fn read(&mut self, number: usize) {
        let Some(connection) = self.connections.get_mut(number) else { return };
        let mut buffer = [0; 4096];
        let len = match recv(&connection.socket, &mut buffer, RecvFlags::empty()) {
            Err(Errno::AGAIN) => return,
            Ok((0, _)) | Err(_) => return self.connections.remove(number),
            Ok((len, _)) => len,
        };
        if let Role::New = connection.role {
            let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
            match Request::parse(&text) {
                Some(request) => self.answer(number, request),
                None => self.connections.remove(number),
            }
        }
    }

    fn answer(&mut self, number: usize, request: Request) {
        let Some(connection) = self.connections.get_mut(number) else { return };
        match request {
            Request::Events { last } => {
                let _ = write(&connection.socket, HEAD);
                let missed = last.and_then(|last| self.log.position_after(last));
                self.connections.set_reader(number, missed.unwrap_or_else(|| self.log.end()));
                self.send_log(number);
            }
            Request::Stream { events, size } => {
                let _ = write(&connection.socket, HEAD);
                let (made, pending, sent) = (0, Vec::new(), 0);
                connection.role = Role::Stream(OwnStream { made, events, size, pending, sent });
                self.send_stream(number);
            }
            Request::Publish { rate, events, size } => {
                let _ = write(&connection.socket, ACCEPTED);
                self.connections.remove(number);
                let gap = if rate > 0.0 { 1e9 / rate } else { 0.0 };
                self.publication = Some(Publication { start: now(), gap, done: 0, events, size });
            }
            Request::Other => {
                let _ = write(&connection.socket, NOT_FOUND);
                self.connections.remove(number);
            }
        }
    }

    /// Appends the events that are due, and sends them. Returns the time until the next one.
    fn publish(&mut self) -> Duration {
        let Some(publication) = &mut self.publication else { return LONGEST_WAIT };
        let due = publication.due(now());
        let count = if self.coalesces { due.min(MOST_AT_ONCE) } else { due.min(1) };
        for _ in 0..count {
            self.log.append(publication.size);
        }
        publication.done += count;
        let wait = if count > 0 { Duration::ZERO } else { publication.wait(now()) };
        if publication.done == publication.events {
            self.publication = None;
        }
        if count > 0 {
            self.deliver();
        }
        wait.min(LONGEST_WAIT)
    }

    fn deliver(&mut self) {
        let mut nth = 0;
        while let Some(number) = self.connections.reader(nth) {
            nth += 1;
            if self.connections.get_mut(number).is_some_and(|reader| !reader.is_blocked) {
                self.send_log(number);
            }
        }
        if self.log.is_large() && self.connections.are_at(self.log.end()) {
            self.log.clear();
        }
    }

    /// Sends what the log has for a reader, as far as its socket takes it.
    fn send_log(&mut self, number: usize) {
        let Some(connection) = self.connections.get_mut(number) else { return };
        let Role::Reader { position, .. } = &mut connection.role else { return };
        let bytes = self.log.read(*position);
        let sent = if bytes.is_empty() { 0 } else { write(&connection.socket, bytes).unwrap_or(0) };
        *position += sent as u64;
        // An error is followed by an event that closes the connection.
        connection.is_blocked = sent < bytes.len();
    }

    /// Makes events and sends them until the socket is full.
    fn send_stream(&mut self, number: usize) {
        let size = if self.coalesces { COALESCED_WRITE } else { 1 };
        let Some(connection) = self.connections.get_mut(number) else { return };
        let Role::Stream(stream) = &mut connection.role else { return };
        loop {
            if stream.sent == stream.pending.len() {
                if stream.made == stream.events {
                    return self.connections.remove(number);
                }
                stream.fill(size);
            }
            match write(&connection.socket, &stream.pending[stream.sent..]) {
                Ok(sent) => stream.sent += sent,
                Err(_) => return,
            }
        }
    }
}

impl Publication {
    /// How many events are due.
    fn due(&self, now: u64) -> u64 {
        let left = self.events - self.done;
        if self.gap == 0.0 {
            return left;
        }
        let started = (now.saturating_sub(self.start) as f64 / self.gap) as u64 + 1;
        started.min(self.events).saturating_sub(self.done)
    }

    /// How long until the next event is due.
    fn wait(&self, now: u64) -> Duration {
        let due = self.start + (self.done as f64 * self.gap) as u64;
        Duration::from_nanos(due.saturating_sub(now))
    }
}

impl OwnStream {
    /// Makes the events of the next write, at least one.
    fn fill(&mut self, size: usize) {
        self.pending.clear();
        self.sent = 0;
        while self.made < self.events && self.pending.len() < size {
            self.made += 1;
            encode(&mut self.pending, self.made, self.size);
        }
        if self.made == self.events {
            self.pending.extend_from_slice(LAST_CHUNK);
        }
    }
}

fn write(socket: &OwnedFd, bytes: &[u8]) -> Result<usize, Errno> {
    send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
}

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
    Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";
const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const NOT_FOUND: &[u8] =
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The number of the listener in the epoll set.
const LISTENER: u64 = u64::MAX;

const BACKLOG: i32 = 65_535;
const ACCEPTS_A_TURN: usize = 1024;

/// How many events are appended before they are sent.
const MOST_AT_ONCE: u64 = 4096;

/// How many bytes of its own events a stream sends at once.
const COALESCED_WRITE: usize = 32 * 1024;

const LONGEST_WAIT: Duration = Duration::from_millis(50);
