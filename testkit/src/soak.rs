//! A soak: thousands of clients that come and go for minutes, at a server in a process of its own.
//!
//! The memory of the server must be as large at the end as at the start, and each client must receive
//! each event once, in order, with none missing unless a reset reports it.

mod client;
mod server;

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::sleep;

use crate::sim::Random;
use client::{Client, Totals};

pub use server::serve;

/// What a soak does.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many clients there are at a time.
    pub clients: usize,
    /// For how long they come and go.
    pub time: Duration,
}

/// The figures of a soak.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How many times clients connected, and how many of those were refused by the kernel.
    pub connects: u64,
    /// How many events they received.
    pub events: u64,
    /// How many resets they received.
    pub resets: u64,
    /// The resident memory of the server in KiB, when all clients were there.
    pub kib_at_start: u64,
    /// The same at the end.
    pub kib_at_end: u64,
    /// What broke the law, at most a few.
    pub breaches: Vec<String>,
}

impl Outcome {
    /// Whether the memory of the server has grown by at most a tenth and 4 MiB.
    pub fn is_flat(&self) -> bool {
        self.kib_at_end <= self.kib_at_start + self.kib_at_start / 10 + 4096
    }
}

/// Runs a soak. `program` with the argument `serve` must call [`serve`].
///
/// # Errors
///
/// If the server does not start, or ends before the clients do.
pub fn run(program: &std::path::Path, options: Options) -> io::Result<Outcome> {
    raise_limit(options.clients)?;
    let mut server = Server::start(program)?;
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let figures = runtime.block_on(soak(&mut server, options));
    server.child.kill()?;
    server.child.wait()?;
    figures
}

async fn soak(server: &mut Server, options: Options) -> io::Result<Outcome> {
    let totals = Arc::new(Totals::default());
    for index in 0..options.clients {
        let client =
            Client::new(server.addresses.clone(), totals.clone(), Random::new(index as u64));
        drop(tokio::spawn(client.run()));
    }
    let warm_up = options.time / 4;
    sleep(warm_up).await;
    let kib_at_start = server.resident_kib()?;
    sleep(options.time - warm_up).await;
    let kib_at_end = server.resident_kib()?;
    Ok(totals.outcome(kib_at_start, kib_at_end))
}

/// The process of the server.
struct Server {
    child: Child,
    addresses: Arc<[SocketAddr]>,
    /// Kept open, because the server ends with it.
    _output: BufReader<ChildStdout>,
}

impl Server {
    fn start(program: &std::path::Path) -> io::Result<Self> {
        let mut child = Command::new(program).arg("serve").stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let (mut output, mut line) = (BufReader::new(output), String::new());
        output.read_line(&mut line)?;
        let addresses = line.split_whitespace().map(str::parse).collect::<Result<_, _>>();
        let addresses = addresses.map_err(io::Error::other)?;
        Ok(Self { child, addresses, _output: output })
    }

    fn resident_kib(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
        kib.ok_or_else(|| io::Error::other("the server has ended"))
    }
}

/// Allows as many open files as connections need, with some to spare. Child processes inherit that.
fn raise_limit(clients: usize) -> io::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let needed = clients as u64 + 500;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|most| most < needed) {
        return Err(io::Error::other(format!(
            "{clients} clients need {needed} open files; see ulimit -Hn"
        )));
    }
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}
