//! Sends a tick each second to every client of `http://127.0.0.1:4003/`, with smol over the
//! core.

#[path = "../epoll/connection.rs"]
mod connection;
mod server;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use connection::Service;
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
        let service = Service { config, streams, args: move || channel.clone() };
        smol::spawn(server::serve::<Subscriber, _>(listener, service)).detach();
        for tick in 0_u64.. {
            ticks.publish(Event::new(tick.to_string()))?;
            Timer::after(Duration::from_secs(1)).await;
        }
        Ok(())
    })
}
