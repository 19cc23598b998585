//! Races of a channel's clients with its publishers, as long as is wished:
//! `cargo run --release -p lasse-testkit --example reconnects -- 10000`.

#[path = "../tests/channel/client.rs"]
mod client;
#[path = "../tests/channel/race.rs"]
mod race;
#[path = "../tests/channel/reader/mod.rs"]
#[expect(dead_code, reason = "a race reads event by event")]
mod reader;
#[path = "../tests/channel/server.rs"]
#[expect(dead_code, reason = "a race needs no other servers")]
mod server;

use std::error::Error;

use lasse_core::{ChannelConfig, LagPolicy, Retention};
use race::Race;
use server::STACKS;
use tokio::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let reconnects = std::env::args().nth(1).map_or(Ok(10_000), |text| text.parse())?;
    let ample = ChannelConfig::new().with_retention(Retention::new().with_bytes(64 << 20));
    let scant = ChannelConfig::new().with_retention(Retention::new().with_events(500));
    for stack in STACKS {
        let races = [
            ("at the clients' pace", Race::new(stack, &ample, reconnects).with_pace(2)),
            ("in a flood", Race::new(stack, &scant, reconnects)),
            (
                "in a flood, skipping",
                Race::new(stack, &scant.clone().with_lag_policy(LagPolicy::Skip), reconnects),
            ),
        ];
        for (name, race) in races {
            let start = Instant::now();
            let outcome = race.run();
            println!("{stack:?} {name}: {outcome}; {:.1?}", start.elapsed());
        }
    }
    Ok(())
}
