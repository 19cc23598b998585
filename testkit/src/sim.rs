//! A simulation of servers, clients and the network between them, in which a seed decides everything:
//! what happens, when, and in which order tasks run.
//!
//! The adapters are the real ones: `lasse_tokio::serve_connection`, hyper's HTTP/1.1 server with
//! `lasse_hyper`'s bodies, and `lasse_hyper`'s own server for HTTP/1.1 and HTTP/2. They run on a tokio runtime whose clock is paused, so that time passes only
//! when all tasks wait, and on connections in memory, which are slow, are cut at any byte, stall and
//! vanish. Servers are killed, drained and started again, with their log or without; clients follow the
//! rules of lasse's client or of a browser, move between servers, and claim ids of all kinds.
//!
//! After every step the law is checked: for each subscriber events in order, none twice on a
//! connection, none missing without a reset that gives the reason, every clean end whole, no forged
//! field, no panic; each request is answered as the resume decision demands, each counter equals a
//! recount, and a reader that is connected receives an event as soon as it is published.

mod accept;
mod acting;
mod agent;
mod answer;
mod audit;
mod body_end;
mod channel_settings;
mod channels;
mod client;
mod client_action;
mod decision;
mod exchange;
mod feed;
mod healing;
pub(crate) mod http;
mod meter;
mod node;
mod opening;
mod panics;
mod pipe;
mod position;
mod proxy;
pub(crate) mod random;
mod reader;
mod request;
mod run;
mod scenario;
mod sequence;
mod settings;
mod shrink;
mod source;
mod stranger;
mod task;
mod threads;
mod topics;
mod trace;
mod world;

use std::collections::BTreeMap;
use std::fmt;

pub(crate) use random::Random;
pub use shrink::shrink;

use scenario::Scenario;

/// What happened in a run that kept to the law.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many times a task was polled, the network was called or an action was taken.
    pub steps: u64,
    /// How many events were published.
    pub published: u64,
    /// How many events clients received.
    pub delivered: u64,
    /// How many times clients connected.
    pub connects: u64,
    /// How often the simulator checked that an event arrives promptly.
    pub probes: u64,
    /// How many resets clients received, by reason.
    pub resets: BTreeMap<&'static str, u64>,
    /// How many faults were injected, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// A hash of all that happened, in order and with the time.
    pub trace_hash: u64,
}

/// A run that broke the law.
#[derive(Clone, Debug)]
pub struct Breach {
    /// The seed.
    pub seed: u64,
    /// What broke the law.
    pub what: String,
    /// The settings and the actions.
    pub scenario: String,
    /// All that happened, in order.
    pub trace: Vec<String>,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, what, scenario, trace } = self;
        writeln!(f, "{scenario}")?;
        trace.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        writeln!(f, "seed {seed}: {what}")
    }
}

impl std::error::Error for Breach {}

/// Runs the simulation of a seed.
///
/// # Errors
///
/// If it breaks the law, with the trace.
pub fn run(seed: u64) -> Result<Report, Box<Breach>> {
    let scenario = Scenario::from_seed(seed);
    run::run(&scenario, false).or_else(|_| run::run(&scenario, true))
}

/// Returns the trace of the simulation of a seed, to be read.
pub fn trace(seed: u64) -> String {
    run::trace(&Scenario::from_seed(seed))
}
