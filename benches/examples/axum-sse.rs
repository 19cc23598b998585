//! A server as axum's own documentation shows it, to compare with: a broadcast
//! channel of tokio's, as a stream, in axum's `Sse`.
//!
//! ```text
//! axum-sse --port P
//! ```
//!
//! It runs on one thread and keeps the contract of `src/bin/fanout-server.rs`, but for
//! the replay after `Last-Event-ID`.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use futures_util::{Stream, StreamExt, stream};
use lasse_benches::feed::data;
use serde::Deserialize;
use tokio::net::TcpSocket;
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::BroadcastStream;

struct Hub {
    events: broadcast::Sender<Arc<Message>>,
    newest: AtomicU64,
}

struct Message {
    id: String,
    data: String,
}

#[derive(Deserialize)]
#[serde(default)]
struct Amount {
    rate: f64,
    events: u64,
    size: usize,
}

impl Default for Amount {
    fn default() -> Self {
        Self { rate: 0.0, events: 1, size: 100 }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [option, port] = &args[..] else { return Err("usage: axum-sse --port P".into()) };
    if option != "--port" {
        return Err(format!("unknown option {option}").into());
    }
    let hub = Arc::new(Hub { events: broadcast::channel(1024).0, newest: AtomicU64::new(0) });
    let router = Router::new()
        .route("/events", get(events))
        .route("/publish", post(publish))
        .route("/stream", get(own_events))
        .with_state(hub);
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(([127, 0, 0, 1], port.parse()?).into())?;
    let listener = socket.listen(4096)?.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    axum::serve(listener, router).await?;
    Ok(())
}

async fn events(State(hub): State<Arc<Hub>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let live = BroadcastStream::new(hub.events.subscribe()).filter_map(|message| async {
        let message = message.ok()?;
        Some(Ok(Event::default().id(&message.id).data(&message.data)))
    });
    Sse::new(live).keep_alive(KeepAlive::default())
}

async fn publish(State(hub): State<Arc<Hub>>, Query(amount): Query<Amount>) {
    tokio::spawn(async move {
        let start = Instant::now();
        for nth in 0..amount.events {
            if amount.rate > 0.0 {
                let due = Duration::from_secs_f64(nth as f64 / amount.rate);
                sleep_until(start + due).await;
            } else {
                tokio::task::yield_now().await;
            }
            let number = hub.newest.fetch_add(1, Ordering::Relaxed) + 1;
            let message = Message { id: number.to_string(), data: data(number, amount.size) };
            let _ = hub.events.send(Arc::new(message));
        }
    });
}

async fn own_events(
    Query(amount): Query<Amount>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = stream::iter(1..=amount.events).map(move |number| {
        Ok(Event::default().id(number.to_string()).data(data(number, amount.size)))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}
