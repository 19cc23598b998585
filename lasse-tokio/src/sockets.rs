//! The listener and its sockets, with the options that streams need.

mod accept_turns;
#[cfg(feature = "axum")]
mod axum;
mod deadline;
mod read;
mod socket;
mod write;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, ToSocketAddrs, lookup_host};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::gate::Gate;

use accept_turns::AcceptTurns;
pub use deadline::WriteDeadline;
pub(crate) use read::poll_read_socket;
use socket::Settings;
pub(crate) use socket::reset_on_drop;
pub use socket::{ConnectionSlot, Socket};
pub use write::poll_write_slices;
pub(crate) use write::poll_write_socket;

/// A listener whose sockets have the options that streams need, for any server.
///
/// | option | why |
/// |---|---|
/// | `TCP_NODELAY` | an event must not wait until the one before is acknowledged |
/// | `TCP_USER_TIMEOUT`, the write timeout (Linux, Android) | a client that vanished acknowledges nothing, while keep-alives fit into the send buffer for hours |
/// | `TCP_NOTSENT_LOWAT`, 16 KiB (Linux, Android) | the unsent bytes of a slow client stay where they are counted |
/// | a write deadline | a client that reads nothing is closed, even if the server does not poll the stream |
/// | a limit of connections | with it, clients wait in the backlog, as when no file descriptor is left |
/// | a backlog of 4,096 | after a restart, all clients reconnect at once |
/// | two connections a turn | tasks that are ready run before more clients are accepted, so a burst of clients does not delay live streams |
///
/// With the feature `axum`, `axum::serve` takes it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use lasse_tokio::Listener;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut listener = Listener::bind("127.0.0.1:0")
///     .await?
///     .with_write_timeout(Some(Duration::from_secs(10)))
///     .with_max_connections(10_000);
/// # tokio::net::TcpStream::connect(listener.local_addr()?).await?;
/// let (socket, peer) = listener.accept().await;
/// # let _ = (socket, peer);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    settings: Arc<Settings>,
    /// Whether sockets inherit their options from the listener. If not, they are set on each.
    is_inherited: bool,
    turns: AcceptTurns,
}

impl Listener {
    /// Listens at an address. With port 0, at any that is free.
    ///
    /// # Errors
    ///
    /// If the address is in use, or does not belong to this machine.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let mut error = io::Error::new(io::ErrorKind::InvalidInput, "no address to listen at");
        for address in lookup_host(address).await? {
            match listen(address) {
                Ok(listener) => return Ok(Self::new(listener, CAN_INHERIT)),
                Err(failed) => error = failed,
            }
        }
        Err(error)
    }

    /// Sets for how long a client can read nothing although there are bytes for it: 30 seconds
    /// by default, without end with `None`. With zero, a client that does not take everything
    /// at once is closed. If streams have a write timeout of their own, the shorter one counts.
    #[must_use]
    pub fn with_write_timeout(mut self, timeout: Option<Duration>) -> Self {
        Arc::make_mut(&mut self.settings).write_timeout = timeout;
        self
    }

    /// Sets how many connections can be open at a time: without limit by default. At the limit
    /// [`accept`](Self::accept) waits until a connection is closed, and clients wait in the
    /// backlog, where they see a server that is slow to answer. A [`Gate`]'s limit, which
    /// rejects streams with a `retry`, should be lower.
    #[doc(alias = "connection limit")]
    #[must_use]
    pub fn with_max_connections(mut self, connections: usize) -> Self {
        let slots = Semaphore::new(connections.min(Semaphore::MAX_PERMITS));
        Arc::make_mut(&mut self.settings).slots = Some(Arc::new(slots));
        self
    }

    /// Closes clients that have stalled when `gate` is [`shut`](Gate::shut): from then on, a
    /// client that reads nothing for three seconds is closed, though the write timeout is
    /// longer. The servers of lasse do this by themselves.
    #[must_use]
    pub fn with_gate(mut self, gate: &Gate) -> Self {
        Arc::make_mut(&mut self.settings).gate = Some(gate.clone());
        self
    }

    /// Returns the next client's socket, and its address. If the process has no file
    /// descriptor left (`EMFILE`), or the limit of connections is reached, waits until there
    /// is room.
    ///
    /// If the future is dropped, no connection is lost.
    pub async fn accept(&mut self) -> (Socket, SocketAddr) {
        let slot = ConnectionSlot::take(&self.settings).await;
        loop {
            self.turns.wait().await;
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    self.turns.count();
                    let timeout = self.settings.write_timeout;
                    if !self.is_inherited {
                        set_options(SockRef::from(&stream), timeout);
                    } else if timeout != Some(WRITE_TIMEOUT) {
                        // The listener cannot pass it on: clients can connect before it is set.
                        set_user_timeout(SockRef::from(&stream), timeout);
                    }
                    return (Socket::new(stream, slot), peer);
                }
                Err(error) if is_of_one_client(&error) => {}
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    /// The address at which it listens.
    ///
    /// # Errors
    ///
    /// If the operating system does not return it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    fn new(listener: TcpListener, is_inherited: bool) -> Self {
        let settings = Settings { write_timeout: Some(WRITE_TIMEOUT), slots: None, gate: None };
        let turns = AcceptTurns::default();
        Self { listener, settings: Arc::new(settings), is_inherited, turns }
    }
}

impl From<TcpListener> for Listener {
    /// Calls `listen` again, which sets the backlog where the system allows that.
    fn from(listener: TcpListener) -> Self {
        let _ = SockRef::from(&listener).listen(BACKLOG as i32);
        // Clients that have connected before inherited nothing.
        Self::new(listener, false)
    }
}

/// Listens, after all options are set, so that the first client has them, too.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // On Windows this would let other processes take the address.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    set_options(SockRef::from(&socket), Some(WRITE_TIMEOUT));
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Sets the options that can be set. A socket without one of them still works.
fn set_options(socket: SockRef<'_>, write_timeout: Option<Duration>) {
    let _ = socket.set_tcp_nodelay(true);
    #[cfg(any(target_os = "android", target_os = "linux"))]
    {
        let _ = socket.set_tcp_notsent_lowat(MAX_UNSENT);
    }
    set_user_timeout(socket, write_timeout);
}

/// Sets for how long the client can acknowledge nothing; `None` leaves that to the kernel.
pub(crate) fn set_user_timeout(socket: SockRef<'_>, timeout: Option<Duration>) {
    // In milliseconds, as an `int` whose zero means `None`.
    #[cfg(any(target_os = "android", target_os = "linux"))]
    let _ = socket.set_tcp_user_timeout(timeout.map(|timeout| timeout.clamp(MILLI, MAX_TIMEOUT)));
    #[cfg(not(any(target_os = "android", target_os = "linux")))]
    let _ = (socket, timeout);
}

/// Whether the error is of one client. All others are a lack of resources, which passes.
fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// How many clients can wait to be accepted.
const BACKLOG: u32 = 4096;

/// Whether an accepted socket inherits the options of its listener.
const CAN_INHERIT: bool = cfg!(any(target_os = "android", target_os = "linux"));

/// How many bytes the kernel keeps that it has not sent.
#[cfg(any(target_os = "android", target_os = "linux"))]
const MAX_UNSENT: u32 = 16 * 1024;

/// The range of `TCP_USER_TIMEOUT`.
#[cfg(any(target_os = "android", target_os = "linux"))]
const MILLI: Duration = Duration::from_millis(1);
#[cfg(any(target_os = "android", target_os = "linux"))]
const MAX_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait if there is no file descriptor left.
const PAUSE: Duration = Duration::from_millis(100);
