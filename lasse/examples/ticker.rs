//! Prices for thousands of readers, on plain tokio.
//!
//! ```text
//! cargo run --release --example ticker
//! curl -N http://127.0.0.1:4000/
//! curl http://127.0.0.1:4000/stats
//! ```
//!
//! `PORT` changes the port, and `EVERY` the seconds between two prices. Each reader takes a file:
//! allow more of them than readers, with `ulimit -n 10000`.

use std::env;
use std::error::Error;
use std::time::Duration;

use lasse::tokio::{serve, subscribe};
use lasse::{
    Body, Channel, ChannelConfig, DrainPlan, Endpoint, Event, EventName, Gate, GateConfig,
    Listener, ServeConfig, StartAt, dispatch,
};
use tokio::time::{MissedTickBehavior, interval};

const PRICE: EventName = EventName::from_static("price");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").unwrap_or_else(|_| "4000".into()).parse::<u16>()?;
    let every = env::var("EVERY").unwrap_or_else(|_| "1".into()).parse()?;
    let every = Duration::try_from_secs_f64(every)?.max(Duration::from_millis(1));
    let listener = Listener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/", listener.local_addr()?);

    // A new reader starts with the newest price.
    let prices = Channel::new(&ChannelConfig::new().with_start(StartAt::Last(1)));
    // A task of its own wakes the readers, so that `publish` returns at once.
    tokio::spawn(dispatch(&prices));
    tokio::spawn(publish(prices.clone(), every));

    // No load balancer needs time to notice a shutdown.
    let plan = DrainPlan::new().with_notice(Duration::ZERO);
    let gate = Gate::new(GateConfig::new().with_limit(8_000).with_drain_plan(plan));
    let (endpoint, readers) = (Endpoint::default(), gate.clone());
    let server = serve(listener, ServeConfig::new(), move |request| {
        let response = match request.uri().path() {
            "/stats" => {
                let (gate, channel) = (readers.stats(), prices.stats());
                let text = format!("{} readers, {} prices\n", gate.open, channel.published);
                http::Response::new(Body::from(text))
            }
            _ => subscribe(&request, &endpoint, &prices),
        };
        async { response }
    });
    server
        .with_gate(&gate)
        .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .await;
    Ok(())
}

/// Publishes a price that goes up and down.
async fn publish(prices: Channel, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut cents: i64 = 10_000;
    for number in 0_u32.. {
        ticks.tick().await;
        cents += i64::from(number % 7) * 10 - 30;
        let price = format!("{}.{:02}", cents / 100, cents % 100);
        if prices.publish(Event::new(price).with_name(PRICE)).is_err() {
            return;
        }
    }
}
