//! Sockets as streams want them.

#[cfg(feature = "axum")]
mod axum;
mod deadline;

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, lookup_host};
use tokio::time::sleep;

pub use deadline::WriteDeadline;

/// A listener whose sockets are as streams want them, for any server.
///
/// | option | why |
/// |---|---|
/// | `TCP_NODELAY` | an event is not to wait for the acknowledgement of the one before |
/// | `TCP_USER_TIMEOUT`, the write timeout (Linux, Android) | a client that vanished acknowledges nothing, while keep-alives fit the send buffer for hours |
/// | `TCP_NOTSENT_LOWAT`, 16 KiB (Linux, Android) | what a slow client is not sent yet stays where it is counted |
/// | a write deadline | a client that takes nothing is given up, whether or not the server asks again |
/// | a backlog of 4,096 | many come at once, when they come back |
///
/// With the feature `axum` it can be given to `axum::serve`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use lasse_tokio::Listener;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut listener =
///     Listener::bind("127.0.0.1:0").await?.with_write_timeout(Some(Duration::from_secs(10)));
/// # tokio::net::TcpStream::connect(listener.local_addr()?).await?;
/// let (socket, peer) = listener.accept().await;
/// # let _ = (socket, peer);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    write_timeout: Option<Duration>,
    /// Whether sockets have from the listener what would else be set on each.
    is_inherited: bool,
}

impl Listener {
    /// Listens at an address. Port 0 is any that is free.
    ///
    /// # Errors
    ///
    /// When the address is taken, or not this machine's.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let mut error = io::Error::new(io::ErrorKind::InvalidInput, "no address to listen at");
        for address in lookup_host(address).await? {
            match listen(address) {
                Ok(listener) => {
                    let write_timeout = Some(WRITE_TIMEOUT);
                    return Ok(Self { listener, write_timeout, is_inherited: CAN_INHERIT });
                }
                Err(failed) => error = failed,
            }
        }
        Err(error)
    }

    /// Sets how long a client may take nothing, though there is something for it:
    /// 30 seconds, unless you say otherwise; with `None`, for ever. Where streams
    /// have a write timeout of their own, the shorter one counts.
    #[must_use]
    pub fn with_write_timeout(self, timeout: Option<Duration>) -> Self {
        if self.is_inherited {
            prepare(SockRef::from(&self.listener), timeout);
        }
        Self { write_timeout: timeout, ..self }
    }

    /// The next client, and its address. Where there is no room for it in the
    /// process (`EMFILE`), waits until there is.
    pub async fn accept(&mut self) -> (WriteDeadline<TcpStream>, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((socket, peer)) => {
                    if !self.is_inherited {
                        prepare(SockRef::from(&socket), self.write_timeout);
                    }
                    return (WriteDeadline::new(socket, self.write_timeout), peer);
                }
                Err(error) if is_of_one_client(&error) => {}
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// When the operating system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl From<TcpListener> for Listener {
    /// To listen again is to have the backlog changed, where that can be done.
    fn from(listener: TcpListener) -> Self {
        let _ = SockRef::from(&listener).listen(BACKLOG as i32);
        // Clients that came before now could not inherit anything.
        Self { listener, write_timeout: Some(WRITE_TIMEOUT), is_inherited: false }
    }
}

impl WriteDeadline<TcpStream> {
    /// Ends the connection so that the client sees an error, where it would take a
    /// clean end for the end of all there is. What is not sent yet is lost.
    pub fn reset(self) {
        self.reset_on_drop();
    }

    /// Resets the connection when this is dropped, also if the process is killed.
    pub fn reset_on_drop(&self) {
        self.set_reset_on_drop(true);
    }

    /// Sets whether the connection is [reset](Self::reset) when this is dropped.
    pub fn set_reset_on_drop(&self, is_reset: bool) {
        let _ = SockRef::from(self.get_ref()).set_linger(is_reset.then_some(Duration::ZERO));
    }

    /// Closes both directions now, though another task may use the connection: it reads
    /// the end, and cannot write.
    pub fn shut_down(&self) {
        let _ = SockRef::from(self.get_ref()).shutdown(Shutdown::Both);
    }
}

pub(crate) fn reset_on_drop(socket: &TcpStream) {
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// Listens, with all set before the first client can come.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // On Windows, this would let others take the address.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    prepare(SockRef::from(&socket), Some(WRITE_TIMEOUT));
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Sets what can be set. A socket on which something cannot still serves.
fn prepare(socket: SockRef<'_>, write_timeout: Option<Duration>) {
    let _ = socket.set_tcp_nodelay(true);
    #[cfg(any(target_os = "android", target_os = "linux"))]
    {
        let _ = socket.set_tcp_notsent_lowat(UNSENT);
    }
    set_user_timeout(socket, write_timeout);
}

/// Sets how long the client can acknowledge nothing; `None` leaves that to the kernel.
pub(crate) fn set_user_timeout(socket: SockRef<'_>, timeout: Option<Duration>) {
    // In milliseconds, as an `int` whose zero means `None`.
    #[cfg(any(target_os = "android", target_os = "linux"))]
    let _ = socket.set_tcp_user_timeout(timeout.map(|timeout| timeout.clamp(MILLI, MAX_TIMEOUT)));
    #[cfg(not(any(target_os = "android", target_os = "linux")))]
    let _ = (socket, timeout);
}

/// Whether it is that client's affair. All else is a want of resources that
/// passes.
fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// How many clients may wait to be accepted.
const BACKLOG: u32 = 4096;

/// Whether a socket has the options of the listener that it came by.
const CAN_INHERIT: bool = cfg!(any(target_os = "android", target_os = "linux"));

/// How many bytes the kernel keeps that it has not sent.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNSENT: u32 = 16 * 1024;

/// The range of `TCP_USER_TIMEOUT`.
#[cfg(any(target_os = "android", target_os = "linux"))]
const MILLI: Duration = Duration::from_millis(1);
#[cfg(any(target_os = "android", target_os = "linux"))]
const MAX_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait when there are no more files to open.
const PAUSE: Duration = Duration::from_millis(100);
