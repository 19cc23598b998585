//! A server for the events of its standard input. Each line is an id, a space and data.
//! Clients can move between several servers with the same input:
//! `cargo run -p lasse-testkit --example feed -- tokio`, or `hyper`.
//!
//! It prints its address, then the id of each published event. For an empty line, it prints
//! how many streams are open and how many readers were too slow. A client that takes
//! nothing for three seconds is dropped. The program ends with its input.

#[path = "../tests/channel/server.rs"]
#[expect(dead_code, reason = "this is one server of one kind")]
mod server;

use std::error::Error;
use std::time::Duration;
use std::{env, io};

use lasse_core::{Channel, ChannelConfig, EndReason, Epoch, Event, EventId};
use server::{Server, Stack};

fn main() -> Result<(), Box<dyn Error>> {
    let stack = match env::args().nth(1).as_deref() {
        Some("tokio") => Stack::Tokio,
        Some("hyper") => Stack::Hyper,
        _ => return Err("say which adapter serves: tokio or hyper".into()),
    };
    let channel = Channel::with_epoch(&ChannelConfig::new(), Epoch::new("store")?);
    let server = Server::with_write_timeout(stack, &channel, Duration::from_secs(3));
    println!("{}", server.address);
    for line in io::stdin().lines() {
        let line = line?;
        if line.is_empty() {
            let figures = server.gate.stats();
            let too_slow = figures.ended(EndReason::Stalled) + figures.ended(EndReason::Lagged);
            println!("{} {too_slow}", figures.open);
            continue;
        }
        let (id, data) = line.split_once(' ').ok_or("a line is an id, a blank, and data")?;
        println!("{}", channel.publish_as(&EventId::new(id.to_owned())?, Event::new(data))?);
    }
    Ok(())
}
