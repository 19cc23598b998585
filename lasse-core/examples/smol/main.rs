//! Sends a tick each second to every client of `http://127.0.0.1:4003/`, with smol over the
//! core.

mod server;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use lasse_core::http1::ServeConfig;
use lasse_core::{Channel, ChannelConfig, Event, StreamConfig, Subscriber};
use smol::Timer;
use smol::net::TcpListener;

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let ticks = Channel::new(&ChannelConfig::new());
        let listener = TcpListener::bind(("127.0.0.1", 4003)).await?;
        let (config, streams) = (Arc::new(ServeConfig::new()), StreamConfig::new());
        let channel = ticks.clone();
        let serving =
            server::serve::<Subscriber>(listener, config, streams, move || channel.clone());
        smol::spawn(serving).detach();
        for tick in 0_u64.. {
            ticks.publish(Event::new(tick.to_string()))?;
            Timer::after(Duration::from_secs(1)).await;
        }
        Ok(())
    })
}
