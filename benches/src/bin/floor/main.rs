//! The least that a server of events can do, to compare others with: one thread, one
//! log of events that are encoded once, and one `send` for each event and connection.
//!
//! ```text
//! floor --port P [--coalesce]
//! ```
//!
//! `--coalesce` sends all events that are due in one `send` for each connection. The
//! contract is that of `fanout-server`, as far as a load client needs it: a request
//! must come in one piece.

mod connections;
mod log;
mod request;
mod server;

use std::io;
use std::process::exit;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use server::Server;

fn main() -> io::Result<()> {
    let Some((port, coalesces)) = options() else {
        eprintln!("usage: floor --port P [--coalesce]");
        exit(2);
    };
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    Server::bind(port, coalesces)?.run()
}

fn options() -> Option<(u16, bool)> {
    let (mut port, mut coalesces) = (7000, false);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--port" => port = args.next()?.parse().ok()?,
            "--coalesce" => coalesces = true,
            _ => return None,
        }
    }
    Some((port, coalesces))
}
