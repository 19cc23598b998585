//! Channels on a real server of Redis: each test starts one of its own. Without `redis-server`
//! the tests are skipped, and counted as ignored, unless `LASSE_REDIS=required` is set.

mod by_key;
mod chat;
mod client;
mod cluster;
mod figures;
mod gate;
mod guarantees;
mod link;
mod losses;
mod machine;
mod merged;
mod metrics;
mod nodes;
mod record;
mod runs;
mod sentinel;
mod server;
mod storm;
mod topics;

use std::future::Future;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Builder;

fn main() -> ExitCode {
    metrics::install();
    let is_installed = server::is_installed();
    if !is_installed {
        eprintln!("redis-server is not installed: the tests are skipped");
        if std::env::var_os("LASSE_REDIS").is_some_and(|value| value == "required") {
            return ExitCode::FAILURE;
        }
    }
    let trials = nodes::trials()
        .into_iter()
        .chain(losses::trials())
        .chain(guarantees::trials())
        .chain(cluster::trials())
        .chain(topics::trials())
        .chain(merged::trials())
        .chain(by_key::trials())
        .chain(storm::trials())
        .chain(metrics::trials())
        .chain(gate::trials())
        .chain(runs::trials())
        .chain(chat::trials());
    let trials = trials.map(|trial| trial.with_ignored_flag(!is_installed)).collect();
    let arguments = Arguments::from_args();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if arguments.nocapture {
        figures::print();
    }
    conclusion.exit_code()
}

/// A test that runs on a runtime of its own.
fn trial<F: Future<Output = ()> + 'static>(name: &str, test: fn() -> F) -> Trial {
    Trial::test(name.to_owned(), move || {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(test());
        Ok(())
    })
}
