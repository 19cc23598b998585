//! Thousands of clients that come and go: `soak --clients N --seconds T`, 5,000 for ten minutes unless
//! set otherwise.
//!
//! Prints one line of JSON: connections, events, resets, and the resident memory of the server when all
//! clients were there and at the end. Exits with status 1 if a client lacks an event, received one twice
//! or out of order, or if the memory has grown.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use lasse_testkit::soak::{self, Options};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut options = Options { clients: 5_000, time: Duration::from_secs(600) };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "serve" {
            soak::serve()?;
            return Ok(ExitCode::SUCCESS);
        }
        let value = args.next().ok_or_else(|| format!("{arg} needs a number"))?;
        match arg.as_str() {
            "--clients" => options.clients = value.parse()?,
            "--seconds" => options.time = Duration::from_secs(value.parse()?),
            _ => return Err(format!("{arg} is not an option: --clients, --seconds").into()),
        }
    }
    let figures = soak::run(&std::env::current_exe()?, options)?;
    println!(
        "{{\"clients\":{},\"seconds\":{},\"connects\":{},\"events\":{},\"resets\":{},\
         \"kib_at_start\":{},\"kib_at_end\":{},\"breaches\":{}}}",
        options.clients,
        options.time.as_secs(),
        figures.connects,
        figures.events,
        figures.resets,
        figures.kib_at_start,
        figures.kib_at_end,
        figures.breaches.len(),
    );
    figures.breaches.iter().for_each(|what| eprintln!("{what}"));
    let is_right = figures.breaches.is_empty() && figures.is_flat() && figures.events > 0;
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
