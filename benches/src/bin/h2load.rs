//! A load client for HTTP/2: connections with many idle streams each, and the memory
//! of the server for each stream.
//!
//! ```text
//! h2load --port P --pid PID [--conns 100] [--streams 100] [--events E]
//! ```
//!
//! All streams request `/events`. When their response heads have come and the server
//! is idle, it prints how much the server's memory has grown, for each stream. With
//! `--events`, the server then publishes so many events, and the program fails if a
//! stream does not receive all of them in order.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{Builder, SendRequest};
use http::Request;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

type BoxError = Box<dyn Error + Send + Sync>;

struct Options {
    port: u16,
    pid: u32,
    conns: usize,
    streams: usize,
    events: u64,
}

fn main() -> Result<(), BoxError> {
    let options = options()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { timeout(TIME_LIMIT, run(options)).await? })
}

fn options() -> Result<Options, BoxError> {
    let mut options = Options { port: 7000, pid: 0, conns: 100, streams: 100, events: 0 };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--port" => options.port = value.parse()?,
            "--pid" => options.pid = value.parse()?,
            "--conns" => options.conns = value.parse()?,
            "--streams" => options.streams = value.parse()?,
            "--events" => options.events = value.parse()?,
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(options)
}

async fn run(options: Options) -> Result<(), BoxError> {
    let address = SocketAddr::from(([127, 0, 0, 1], options.port));
    let before = resident(options.pid)?;
    let (mut bodies, mut connections) = (Vec::new(), Vec::new());
    for _ in 0..options.conns {
        let mut requests = connect(address).await?;
        for _ in 0..options.streams {
            bodies.push(request(&mut requests, "GET", "/events").await?);
        }
        connections.push(requests);
    }
    sleep(PAUSE).await;
    let count = bodies.len().max(1) as u64;
    let per_stream = resident(options.pid)?.saturating_sub(before) / count;
    println!("{count} streams, {per_stream} B of resident memory each");
    let Some(requests) = connections.first_mut().filter(|_| options.events > 0) else {
        return Ok(());
    };
    let publish = format!("/publish?rate=50&events={}&size=100", options.events);
    drop(request(requests, "POST", &publish).await?);
    let mut readers = JoinSet::new();
    for body in bodies {
        readers.spawn(read(body, options.events));
    }
    while let Some(read) = readers.join_next().await {
        read??;
    }
    println!("{} events came in order on each stream", options.events);
    Ok(())
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Bytes>, BoxError> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let (requests, connection) =
        Builder::new().initial_connection_window_size(1 << 20).handshake(socket).await?;
    tokio::spawn(connection);
    Ok(requests)
}

/// Sends a request, and returns the body of the response when its head has come.
async fn request(
    requests: &mut SendRequest<Bytes>,
    method: &str,
    path: &str,
) -> Result<RecvStream, BoxError> {
    let uri = format!("http://127.0.0.1{path}");
    let request = Request::builder().method(method).uri(uri).body(())?;
    let mut ready = requests.clone().ready().await?;
    let (response, _) = ready.send_request(request, true)?;
    let response = response.await?;
    if !response.status().is_success() {
        return Err(format!("{path} is answered by {}", response.status()).into());
    }
    Ok(response.into_body())
}

/// Reads the events from 1 to `last`, which must come in order.
async fn read(mut body: RecvStream, last: u64) -> Result<(), BoxError> {
    let (mut text, mut next) = (Vec::new(), 1);
    while next <= last {
        let bytes = body.data().await.ok_or("a stream ended before its last event")??;
        body.flow_control().release_capacity(bytes.len())?;
        text.extend_from_slice(&bytes);
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = text.drain(..whole).collect();
        for id in std::str::from_utf8(&lines)?.lines().filter_map(|line| line.strip_prefix("id: "))
        {
            let number: u64 = id.rsplit('-').next().unwrap_or(id).parse()?;
            if number != next {
                return Err(format!("event {number} came in the place of {next}").into());
            }
            next += 1;
        }
    }
    Ok(())
}

/// The resident memory of a process, in bytes.
fn resident(pid: u32) -> Result<u64, BoxError> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kib.ok_or("the server has no VmRSS")?.parse::<u64>()? * 1024)
}

/// How long the server needs until it is idle.
const PAUSE: Duration = Duration::from_secs(2);

/// How long all of it can take.
const TIME_LIMIT: Duration = Duration::from_secs(120);
