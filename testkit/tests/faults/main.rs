//! Real faults: networks that lose connections, servers that are killed, peers that vanish without
//! a word, a thousand slow heads, and nginx between client and server.
//!
//! A test that needs nginx, or a network namespace, is skipped without it, and counted as ignored.
//! With `LASSE_FAULTS=required`, nginx must be installed.

#[path = "../channel/client.rs"]
mod client;
#[path = "../channel/feed.rs"]
mod feed;
mod network;
mod nginx;
mod proxy;
#[path = "../channel/reader/mod.rs"]
mod reader;
#[path = "../channel/server.rs"]
#[expect(dead_code, reason = "other tests start servers in more ways")]
mod server;
mod slow_heads;
mod vanished;

use std::panic::resume_unwind;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if vanished::is_child() {
        vanished::run_child();
        return ExitCode::SUCCESS;
    }
    let has_nginx = nginx::is_installed();
    if !has_nginx {
        eprintln!("nginx is not installed: its tests are skipped");
        if std::env::var_os("LASSE_FAULTS").is_some_and(|value| value == "required") {
            return ExitCode::FAILURE;
        }
    }
    let has_namespaces = vanished::has_namespaces();
    if !has_namespaces {
        eprintln!("the kernel makes no network namespace here: its test is skipped");
    }
    let ignored = |trials: Vec<Trial>, is_ignored: bool| {
        trials.into_iter().map(move |trial| trial.with_ignored_flag(is_ignored))
    };
    let arguments = Arguments::from_args();
    let trials = ignored(network::trials(), false)
        .chain(ignored(slow_heads::trials(arguments.nocapture), false))
        .chain(ignored(nginx::trials(), !has_nginx))
        .chain(ignored(vanished::trials(), !has_namespaces));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// A test that fails if `test` panics, or does not end.
fn trial(name: String, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, || {
        let (ended, has_ended) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            let _ended = ended;
            test();
        });
        if has_ended.recv_timeout(TIME_LIMIT) == Err(RecvTimeoutError::Timeout) {
            return Err(format!("it still runs after {TIME_LIMIT:?}").into());
        }
        thread.join().map_err(|panic| resume_unwind(panic))
    })
}

/// Much longer than a test takes on a busy machine.
const TIME_LIMIT: Duration = Duration::from_secs(300);
