//! What any server that speaks for lasse must do, seen from outside.
//!
//! A driver or adapter starts its own server on a port of the loopback, mounts the
//! [`Puppet`] on all paths, and is put through the list: that is all of its test.
//! Where servers may rightly differ, the check says which answers are right.

mod answers;
mod clock;
mod heads;
mod ids;
mod journal;
mod leaving;
mod peer;
mod puppet;
mod streams;
mod wrong;

use std::fmt;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use lasse_core::{Frame, InvalidConfig, StreamConfig};

pub use journal::Journal;
pub use puppet::Puppet;
pub use wrong::Wrong;

/// A server to be checked. It is configured by [`config`], reads heads of up to
/// [`HEAD_BYTES`] bytes and [`HEAD_FIELDS`] fields for [`HEAD_TIME`], and answers
/// each request by a [`Puppet`] that is given a clone of the journal.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// What its puppets write in.
    pub journal: Journal,
    /// Whether the sockets are another's, and the adapter but a guest: what is
    /// decided at the socket is not checked then, nor whether streams are told
    /// why they end.
    pub is_guest: bool,
}

/// How the streams of a server under test behave: impatiently.
///
/// # Errors
///
/// Never, unless the settings here could not work.
pub fn config() -> Result<StreamConfig, InvalidConfig> {
    StreamConfig::new()
        .with_keep_alive(KEEP_ALIVE)
        .with_keep_alive_frame(Frame::comment("alive"))?
        .with_write_timeout(WRITE_TIMEOUT)
        .with_header(MARK, HeaderValue::from_static("lasse"))
}

/// Puts a server through all checks, at once.
///
/// # Panics
///
/// When the server fails any, with a list of these.
pub fn run(server: &Server) {
    let failures = failures(server);
    let list: Vec<_> = failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "the server fails {} checks:\n{}", list.len(), list.join("\n"));
}

/// Puts a server through all checks, at once, and returns what it fails.
pub fn failures(server: &Server) -> Vec<Failure> {
    let owner_only = if server.is_guest { &[] } else { OF_SOCKETS };
    let checks = OF_ANSWERS.iter().chain(owner_only);
    let mut failures: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> =
            checks.map(|(name, check)| (name, scope.spawn(move || check(server)))).collect();
        let outcome = |(name, check): (&&'static str, thread::ScopedJoinHandle<'_, _>)| {
            let outcome = check.join().unwrap_or_else(|_| Err(Wrong::new("the check panicked")));
            outcome.err().map(|wrong| Failure { check: name, wrong })
        };
        running.into_iter().filter_map(outcome).collect()
    });
    failures.extend(last_of_all(server).err());
    failures
}

/// The names of all checks that a server is put through.
pub fn names() -> impl Iterator<Item = &'static str> {
    OF_ANSWERS.iter().chain(OF_SOCKETS).map(|(name, _)| *name).chain([LAST])
}

/// A check that a server does not pass.
#[derive(Debug)]
pub struct Failure {
    /// What the server should do.
    pub check: &'static str,
    /// What it did.
    pub wrong: Wrong,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "- {}: {}", self.check, self.wrong)
    }
}

type Check = (&'static str, fn(&Server) -> Result<(), Wrong>);

/// What the last check is called, which looks back at all others.
const LAST: &str = "each handler terminates once";

fn last_of_all(server: &Server) -> Result<(), Failure> {
    match server.journal.unsettled(PATIENCE) {
        tags if tags.is_empty() => Ok(()),
        tags => Err(Failure { check: LAST, wrong: Wrong::new(format!("not so: {tags:?}")) }),
    }
}

/// What holds wherever an adapter runs.
const OF_ANSWERS: &[Check] = &[
    ("a stream has the head it should", answers::stream_head),
    ("other methods than GET and HEAD are refused", answers::other_methods),
    ("the body of a refused request is not taken for a request", answers::body_of_a_refused),
    ("a HEAD gets the head at once", answers::head_only),
    ("a 204 has no body and no framing", answers::no_content),
    ("a response of the handler's own is framed by the adapter", answers::own_response),
    ("a client can be told to come back", answers::come_back),
    ("the first byte goes out with the head", streams::first_byte),
    ("each event is flushed", streams::each_event_is_flushed),
    ("HTTP/1.1 is chunked", streams::chunked),
    ("HTTP/1.0 is neither chunked nor kept alive", streams::http_1_0),
    ("a request to close is heeded", streams::connection_close),
    ("a second request is answered after a stop", streams::pipelined),
    ("a request sent while a stream runs waits for its end", streams::pipelined_while_running),
    ("bytes sent while a stream runs do not break it", streams::pipelined_too_much),
    ("silence is broken by keep-alives", streams::keep_alive),
    ("the last event id is read as it came", ids::header),
    ("the last event id is read from the query", ids::query),
    ("two last event ids are one if they are equal", ids::duplicates),
    ("a request that is none is refused", heads::garbage),
    ("a peer that half-closes is gone", leaving::half_close),
    ("a peer that closes is gone", leaving::close),
    ("a peer that resets is gone", leaving::reset),
    ("a panic costs its own stream alone", leaving::panic),
];

/// What is decided at the socket.
const OF_SOCKETS: &[Check] = &[
    ("a head that dribbles in is given up on", heads::slow),
    ("a peer that says nothing is given up on", heads::silent),
    ("a head may be as large as the limits say", heads::large),
    ("a head that is too large is refused", heads::too_large),
    ("a head with too many fields is refused", heads::too_many_fields),
    ("the refusal of a large head arrives", heads::refusal_arrives),
    ("a peer that stalls is dropped", leaving::stalled),
    ("an aborted stream does not end cleanly", leaving::abort),
    ("a panic does not end a stream of HTTP/1.0 cleanly", leaving::panic_http_1_0),
];

/// The silence that a keep-alive breaks.
pub const KEEP_ALIVE: Duration = Duration::from_millis(400);
/// How long a server waits for a peer to read.
pub const WRITE_TIMEOUT: Duration = Duration::from_millis(800);
/// How long a server waits for the whole of a head.
pub const HEAD_TIME: Duration = Duration::from_millis(700);
/// How many bytes a head may have.
pub const HEAD_BYTES: usize = 16 * 1024;
/// How many fields a head may have.
pub const HEAD_FIELDS: usize = 100;

/// A header that is set for every answer.
const MARK: HeaderName = HeaderName::from_static("x-server");
/// How long a check waits for what should come at once, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(4);
