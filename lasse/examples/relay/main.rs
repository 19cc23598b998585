//! Streams the lines of its standard input to all clients.
//!
//! ```text
//! seq 5 | cargo run --release --example relay     # http://127.0.0.1:4000/
//! curl -N http://127.0.0.1:4000/events
//! ```
//!
//! `PORT` changes the port. When the input ends, each stream ends after its last line.
//! Later clients still receive all lines that are kept. The program ends when there has
//! been no client for ten seconds, or for `IDLE_SECONDS`.

#[path = "../support/shutdown.rs"]
mod shutdown;

use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::io::{self, BufRead, Read};
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use lasse::tokio::{serve, subscribe};
use lasse::{
    Channel, ChannelConfig, Dialect, DrainPlan, Endpoint, Event, Gate, GateConfig, LagPolicy,
    Listener, Publisher, ServeConfig, SessionBody, StartAt, Subscriber, dispatch, idle,
};

#[tokio::main]
async fn main() -> Result<Infallible, Box<dyn Error>> {
    let port = env::var("PORT").unwrap_or_else(|_| "4000".into()).parse::<u16>()?;
    let idle_time = env::var("IDLE_SECONDS").unwrap_or_else(|_| "10".into()).parse()?;
    let listener = Listener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/", listener.local_addr()?);

    let config = ChannelConfig::new().with_start(StartAt::Oldest).with_lag_policy(LagPolicy::Skip);
    let lines = Channel::new(&config);
    tokio::spawn(dispatch(&lines));
    let publisher = lines.publisher();
    let reading = tokio::task::spawn_blocking(|| publish_lines(publisher));

    // Browsers read the lines, and so do programs.
    let (channel, endpoint) = (lines.clone(), Endpoint::default().with_dialect(Dialect::Auto));
    let server = serve(listener, ServeConfig::new(), move |request| {
        let response = match request.uri().path() {
            "/events" => subscribe(&request, &endpoint, &channel),
            "/" => reply(StatusCode::OK, "text/html; charset=utf-8", include_str!("relay.html")),
            _ => reply(StatusCode::NOT_FOUND, "text/plain", "the paths are / and /events\n"),
        };
        async { response }
    });
    // No load balancer needs time to notice a shutdown.
    let plan = DrainPlan::new().with_notice(Duration::ZERO);
    let gate = Gate::new(GateConfig::new().with_drain_plan(plan));
    let signal = async move {
        tokio::select! {
            _ = shutdown::signalled() => {}
            () = all_read(reading, &lines, Duration::from_secs(idle_time)) => {}
        }
    };
    server.with_gate(&gate).with_graceful_shutdown(signal).await;
    // To return, the runtime would wait for one more line of the input.
    std::process::exit(0)
}

/// Publishes each line, and finishes the channel at the end of the input.
fn publish_lines(publisher: Publisher) -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    while input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        publisher.publish(Event::new(text)).map_err(io::Error::other)?;
        line.clear();
    }
    publisher.finish();
    Ok(())
}

/// Returns when the input has ended, and there has been no client for a while.
async fn all_read(
    reading: tokio::task::JoinHandle<io::Result<()>>,
    lines: &Channel,
    idle_time: Duration,
) {
    if let Ok(Err(error)) = reading.await {
        eprintln!("the input cannot be read: {error}");
    }
    // Firefox reconnects after five seconds, and then receives that there is nothing more.
    idle(lines, idle_time).await;
}

fn reply(
    status: StatusCode,
    kind: &'static str,
    body: &'static str,
) -> Response<SessionBody<Subscriber>> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// In bytes. A longer line becomes several.
const LONGEST_LINE: u64 = 64 * 1024;
