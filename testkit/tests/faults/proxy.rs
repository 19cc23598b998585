//! A TCP proxy with faults, each connection with one of its own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

/// A proxy, until it is dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    target: Mutex<SocketAddr>,
    /// How many connections had each fault.
    counts: Mutex<[u32; FAULTS]>,
    /// Servers' connections whose clients are gone: they are never read again, nor closed.
    half_open: Mutex<Vec<(OwnedReadHalf, OwnedWriteHalf)>>,
}

/// A fault of one connection. Numbers count bytes that the server sent.
#[derive(Clone, Copy)]
enum Fault {
    None,
    /// All bytes come late, both ways.
    Late,
    /// The first bytes come one by one.
    Dribble(usize),
    /// The client's connection is reset after so many bytes.
    Reset(usize),
    /// The client's connection ends after so many bytes.
    End(usize),
    /// The client is lost after so many bytes, and the server does not notice.
    HalfOpen(usize),
}

impl Proxy {
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            target: Mutex::new(target),
            counts: Mutex::default(),
            half_open: Mutex::default(),
        });
        let task = tokio::spawn(accept(listener, shared.clone()));
        Self { address, shared, task }
    }

    /// Sends new connections to another server.
    pub(crate) fn set_target(&self, target: SocketAddr) {
        *self.shared.target.lock().unwrap() = target;
    }

    /// How many connections had each fault, the first of which is none.
    pub(crate) fn counts(&self) -> [u32; FAULTS] {
        *self.shared.counts.lock().unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.half_open.lock().unwrap().clear();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    for number in 0.. {
        let Ok((client, _)) = listener.accept().await else { return };
        connections.spawn(connect(client, number, shared.clone()));
    }
}

async fn connect(client: TcpStream, number: usize, shared: Arc<Shared>) {
    let bytes = 1 + number * 397 % 4000;
    let faults = [
        Fault::None,
        Fault::Late,
        Fault::Dribble(bytes / 4),
        Fault::Reset(bytes),
        Fault::End(bytes),
        Fault::HalfOpen(bytes),
    ];
    let fault = faults[number % FAULTS];
    shared.counts.lock().unwrap()[number % FAULTS] += 1;
    let target = *shared.target.lock().unwrap();
    // Otherwise the server is down, and the client's connection ends.
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (from_server, mut to_server) = server.into_split();
    let (mut from_client, to_client) = client.into_split();
    let requests = async {
        if let Fault::Late = fault {
            sleep(LATENESS).await;
        }
        let _ = copy(&mut from_client, &mut to_server).await;
    };
    tokio::select! {
        from_server = respond(from_server, to_client, fault) => match fault {
            Fault::HalfOpen(_) => shared.half_open.lock().unwrap().push((from_server, to_server)),
            _ => drop((from_server, to_server)),
        },
        () = requests => {}
    }
}

/// Sends a server's bytes to the client, with the fault. Returns when the client's connection has
/// ended.
async fn respond(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, fault: Fault) -> OwnedReadHalf {
    let mut sent = 0;
    let limit = match fault {
        Fault::Reset(bytes) | Fault::End(bytes) | Fault::HalfOpen(bytes) => bytes,
        _ => usize::MAX,
    };
    let mut buffer = [0; 2048];
    while sent < limit {
        let room = match fault {
            Fault::Dribble(bytes) if sent < bytes => 1,
            _ => buffer.len().min(limit - sent),
        };
        let Ok(count @ 1..) = from.read(&mut buffer[..room]).await else { return from };
        match fault {
            Fault::Late => sleep(LATENESS).await,
            Fault::Dribble(bytes) if sent < bytes => sleep(Duration::from_millis(1)).await,
            _ => {}
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return from;
        }
        sent += count;
    }
    if !matches!(fault, Fault::End(_)) {
        let _ = SockRef::from(to.as_ref()).set_linger(Some(Duration::ZERO));
    }
    from
}

pub(crate) const FAULTS: usize = 6;
const LATENESS: Duration = Duration::from_millis(20);
