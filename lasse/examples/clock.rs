//! Streams the time. Each stream has a deadline of its own.
//!
//! ```text
//! cargo run --release --example clock -- --every 1
//! curl -N http://127.0.0.1:4000/
//! ```

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lasse::tokio::{respond, serve};
use lasse::{Accept, Endpoint, Event, Handler, Init, Instant, Next, RequestHead, ServeConfig, now};
use tokio::net::TcpListener;

struct Clock {
    every: Duration,
    next: Instant,
}

impl Accept for Clock {
    type Args = Duration;

    fn init(every: Duration, _: &RequestHead<'_>) -> Init<Self> {
        Init::Stream(Self { every, next: now() + every }, vec![])
    }
}

impl Handler for Clock {
    type Notify = ();
    type Info = ();

    fn handle_tick(&mut self, now: Instant) -> Next {
        if now < self.next {
            return Next::Wait(Some(self.next));
        }
        self.next = now + self.every;
        Next::send(Event::new(unix_time().to_string()))
    }
}

#[expect(clippy::disallowed_methods, reason = "the example is a clock")]
fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let every = Duration::try_from_secs_f64(every()?)?;
    let port = std::env::var("PORT").unwrap_or_else(|_| "4000".into()).parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/", listener.local_addr()?);
    let endpoint = Endpoint::default();
    serve(listener, ServeConfig::new(), move |request| {
        let response = respond::<Clock>(&request, &endpoint, |_| every);
        async { response }
    })
    .await;
    Ok(())
}

/// The seconds after `--every`.
fn every() -> Result<f64, Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next()) {
        (None, _) => Ok(1.0),
        (Some("--every"), Some(seconds)) => match seconds.parse()? {
            seconds if seconds > 0.0 => Ok(seconds),
            _ => Err("--every takes a number of seconds above zero".into()),
        },
        _ => Err("usage: clock [--every SECONDS]".into()),
    }
}
