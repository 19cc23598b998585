//! The server of a soak: both adapters, one channel, everything switched on.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse_core::{Channel, ChannelConfig, Event, LagPolicy, Retention, StreamConfig};
use lasse_tokio::{Endpoint, Gate, GateConfig, Listener, ServeConfig, dispatch};
use tokio::runtime::Builder;
use tokio::time::interval;

/// Serves until the process is killed. Prints the addresses of its listeners.
///
/// # Errors
///
/// If it cannot listen.
pub fn serve() -> io::Result<()> {
    Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let (raw, hyper) =
            (Listener::bind("127.0.0.1:0").await?, Listener::bind("127.0.0.1:0").await?);
        println!("{} {}", raw.local_addr()?, hyper.local_addr()?);
        let channel = channel();
        drop(tokio::spawn(dispatch(&channel)));
        drop(tokio::spawn(publish(channel.clone())));
        let gate = Gate::new(GateConfig::new().with_limit(100_000));
        let endpoint = Endpoint::new(stream_config()).with_gate(&gate);
        let (events, hypers) = (channel.clone(), endpoint.clone());
        let raw = lasse_tokio::serve(raw, ServeConfig::new(), move |request: Request<()>| {
            ready(lasse_tokio::subscribe(&request, &endpoint, &channel))
        });
        let service = service_fn(move |request: Request<Incoming>| {
            ready(Ok::<_, Infallible>(lasse_hyper::subscribe(&request, &hypers, &events)))
        });
        tokio::join!(
            raw.into_future(),
            lasse_hyper::serve(hyper, ServeConfig::new(), service).into_future()
        );
        Ok(())
    })
}

fn channel() -> Channel {
    let retention = Retention::new().with_bytes(128 * 1024).with_age(Duration::from_secs(20));
    let config = ChannelConfig::new()
        .with_retention(retention)
        .with_lag_policy(LagPolicy::Skip)
        .with_backfill(true)
        .with_linger(Duration::from_millis(10));
    Channel::new(&config)
}

fn stream_config() -> StreamConfig {
    StreamConfig::new()
        .with_keep_alive(Some(Duration::from_secs(3)))
        .with_write_timeout(Some(Duration::from_secs(4)))
        .with_max_age(Some(Duration::from_secs(30)))
}

/// Publishes numbered events, two a second and now and then some at once.
async fn publish(channel: Channel) {
    let mut ticks = interval(Duration::from_millis(500));
    for number in 1_u64.. {
        if number % 10 != 0 {
            ticks.tick().await;
        }
        let filler = "x".repeat((number * 397 % 3000) as usize);
        if channel.publish(Event::new(format!("{number} {filler}"))).is_err() {
            return;
        }
    }
}
