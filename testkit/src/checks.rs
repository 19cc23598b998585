//! Checks that every server must pass, over a socket.
//!
//! The test of a driver or adapter starts its server on a port of the loopback, with
//! [`TestHandler`] on all paths, and runs the checks. If servers can differ, the check
//! accepts each correct response.

mod check_error;
mod clock;
mod heads;
mod ids;
mod leaving;
mod peer;
mod responses;
mod stream_records;
mod streams;
mod test_handler;

use std::fmt;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use lasse_core::{Frame, InvalidConfig, StreamConfig};

pub use check_error::CheckError;
pub use stream_records::StreamRecords;
pub use test_handler::TestHandler;

/// A server under test. It uses [`config`], reads heads of up to
/// [`HEAD_BYTES`] bytes and [`HEAD_FIELDS`] fields for [`HEAD_TIME`], and responds
/// to each request with a [`TestHandler`] that has a clone of the records.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// What its handlers record.
    pub records: StreamRecords,
    /// Whether another server owns the sockets: then the limits and timeouts of
    /// sockets are not checked, and a stream can end as dropped.
    pub is_adapter_only: bool,
}

/// The settings of the streams of a server under test: short times.
///
/// # Errors
///
/// Never, because the settings are valid.
pub fn config() -> Result<StreamConfig, InvalidConfig> {
    StreamConfig::new()
        .with_keep_alive(KEEP_ALIVE)
        .with_keep_alive_frame(Frame::comment("alive"))?
        .with_write_timeout(WRITE_TIMEOUT)
        .with_header(CONFIGURED_HEADER, HeaderValue::from_static("lasse"))
}

/// Runs all checks on a server, at the same time.
///
/// # Panics
///
/// If the server fails checks, with a list of them.
pub fn run(server: &Server) {
    let failures = failures(server);
    let list: Vec<_> = failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "the server fails {} checks:\n{}", list.len(), list.join("\n"));
}

/// Runs all checks on a server, at the same time, and returns the failed ones.
pub fn failures(server: &Server) -> Vec<Failure> {
    let owner_only = if server.is_adapter_only { &[] } else { FOR_SOCKETS };
    let checks = FOR_ALL.iter().chain(owner_only);
    let mut failures: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> =
            checks.map(|(name, check)| (name, scope.spawn(move || check(server)))).collect();
        let outcome = |(name, check): (&&'static str, thread::ScopedJoinHandle<'_, _>)| {
            let outcome =
                check.join().unwrap_or_else(|_| Err(CheckError::new("the check panicked")));
            outcome.err().map(|wrong| Failure { check: name, wrong })
        };
        running.into_iter().filter_map(outcome).collect()
    });
    failures.extend(last_of_all(server).err());
    failures
}

/// The names of all checks.
pub fn names() -> impl Iterator<Item = &'static str> {
    FOR_ALL.iter().chain(FOR_SOCKETS).map(|(name, _)| *name).chain([LAST])
}

/// A check that a server does not pass.
#[derive(Debug)]
pub struct Failure {
    /// What the server should do.
    pub check: &'static str,
    /// What it did.
    pub wrong: CheckError,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "- {}: {}", self.check, self.wrong)
    }
}

type Check = (&'static str, fn(&Server) -> Result<(), CheckError>);

/// The name of the last check, which inspects the records of all others.
const LAST: &str = "each handler terminates once";

fn last_of_all(server: &Server) -> Result<(), Failure> {
    match server.records.unsettled(MAX_WAIT) {
        tags if tags.is_empty() => Ok(()),
        tags => {
            Err(Failure { check: LAST, wrong: CheckError::new(format!("not true for {tags:?}")) })
        }
    }
}

/// For all servers.
const FOR_ALL: &[Check] = &[
    ("a stream has the head it should", responses::stream_head),
    ("other methods than GET and HEAD are refused", responses::other_methods),
    ("the body of a refused request is not a request", responses::body_of_a_refused),
    ("a HEAD gets the head at once", responses::head_only),
    ("a 204 has no body and no framing", responses::no_content),
    ("a response of the handler's own is framed by the adapter", responses::own_response),
    ("a refused client receives the time to reconnect", responses::refusal),
    ("the first byte goes out with the head", streams::first_byte),
    ("each event is flushed", streams::each_event_is_flushed),
    ("HTTP/1.1 is chunked", streams::chunked),
    ("a stream over HTTP/1.0 ends with the connection", streams::http_1_0),
    ("connection: close closes the connection", streams::connection_close),
    ("a second request is answered after a stop", streams::pipelined),
    ("a request sent while a stream runs waits for its end", streams::pipelined_while_running),
    ("bytes sent while a stream runs do not break it", streams::pipelined_too_much),
    ("keep-alives follow silence", streams::keep_alive),
    ("the last event id is any field value", ids::header),
    ("the last event id is read from the query", ids::query),
    ("two equal last event ids are one", ids::duplicates),
    ("a malformed request is refused", heads::garbage),
    ("a client that half-closes has left", leaving::half_close),
    ("a client that closes has left", leaving::close),
    ("a client that resets has left", leaving::reset),
    ("a panic ends its own stream alone", leaving::panic),
];

/// For servers that own their sockets.
const FOR_SOCKETS: &[Check] = &[
    ("a head that is too slow is refused", heads::slow),
    ("a client that sends nothing is closed", heads::silent),
    ("a head can be as large as the limits", heads::large),
    ("a head that is too large is refused", heads::too_large),
    ("a head with too many fields is refused", heads::too_many_fields),
    ("the refusal of a large head arrives", heads::refusal_arrives),
    ("a client that stalls is reset", leaving::stalled),
    ("an aborted stream does not end cleanly", leaving::abort),
    ("a panic does not end a stream of HTTP/1.0 cleanly", leaving::panic_http_1_0),
];

/// The time between keep-alives.
pub const KEEP_ALIVE: Duration = Duration::from_millis(400);
/// How long a server waits for a peer to read.
pub const WRITE_TIMEOUT: Duration = Duration::from_millis(800);
/// How long a server waits for the whole of a head.
pub const HEAD_TIME: Duration = Duration::from_millis(700);
/// How many bytes a head can have.
pub const HEAD_BYTES: usize = 16 * 1024;
/// How many fields a head can have.
pub const HEAD_FIELDS: usize = 100;

/// A header of every response.
const CONFIGURED_HEADER: HeaderName = HeaderName::from_static("x-server");
/// How long a check waits for what should happen at once, on a busy machine.
const MAX_WAIT: Duration = Duration::from_secs(4);
