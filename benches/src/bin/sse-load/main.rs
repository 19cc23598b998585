//! A load client for servers of events, which checks what it receives: on each
//! connection, events in order, with no gap and no repeat.
//!
//! It connects to loopback addresses only, and it ends by itself, by `--timeout` or
//! `--stall` at the latest. The status is 0 if everything was delivered in order, 1
//! if not, and 2 if the options are wrong. `src/bin/fanout-server.rs` describes what a
//! server must do.

mod bytes;
mod options;
mod process;
mod publish;
mod report;
mod run;
mod stream;
mod tally;
mod worker;

use std::process::exit;

use options::{Options, USAGE};

fn main() {
    if std::env::args().any(|arg| arg == "--help") {
        println!("{USAGE}");
        exit(0);
    }
    let options = Options::from_args(std::env::args().skip(1)).unwrap_or_else(|problem| {
        eprintln!("{problem}\n{USAGE}");
        exit(2);
    });
    let outcome = run::run(&options).unwrap_or_else(|error| {
        eprintln!("{error}");
        exit(1);
    });
    report::print(&options, &outcome);
    exit(i32::from(!outcome.is_ok(&options)));
}
