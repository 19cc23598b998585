//! Rooms in an axum router, under axum's own server.
//!
//! ```text
//! cargo run --release --example axum
//! curl -N 'http://127.0.0.1:4000/rooms/tea?name=Ada'
//! curl -d 'The kettle is on.' 'http://127.0.0.1:4000/rooms/tea?name=Bob'
//! ```

use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use lasse::axum::SseRequest;
use lasse::hyper::collect_body;
use lasse::{ChannelConfig, Channels, DrainPlan, Event, Gate, GateConfig, Listener, sweep};
use serde::Deserialize;

/// A channel for each room.
type Rooms = Channels<String>;

#[derive(Deserialize)]
struct Guest {
    name: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "4000".into()).parse::<u16>()?;
    let listener = Listener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/rooms/tea?name=Ada", listener.local_addr()?);

    let rooms = Rooms::new(&ChannelConfig::new());
    tokio::spawn(sweep(&rooms));
    // No load balancer needs time to notice a shutdown.
    let plan = DrainPlan::new().with_notice(Duration::ZERO);
    let gate = Gate::new(GateConfig::new().with_drain_plan(plan));
    let router = Router::new()
        .route("/rooms/{room}", get(read).post(write))
        .with_state(rooms)
        .layer(Extension(gate.clone()));

    axum::serve(listener, router)
        .with_graceful_shutdown(gate.shut_on(async { drop(tokio::signal::ctrl_c().await) }))
        .await?;
    Ok(())
}

/// Streams the events of a room.
async fn read(
    request: SseRequest,
    State(rooms): State<Rooms>,
    Path(room): Path<String>,
    Query(guest): Query<Guest>,
) -> Response {
    let channel = rooms.open(room);
    let _ = channel.publish(Event::new(format!("{} enters", guest.name)));
    request.subscribe(&channel).await
}

async fn write(
    State(rooms): State<Rooms>,
    Path(room): Path<String>,
    Query(guest): Query<Guest>,
    body: Body,
) -> Result<(), (StatusCode, String)> {
    // axum's own extractors have no deadline, and need 4 KiB for each byte that arrives alone.
    let body = collect_body(body, 4096, Duration::from_secs(10)).await;
    let text = body.map_err(|error| (error.status(), error.to_string()))?;
    let no_room = || (StatusCode::NOT_FOUND, format!("there is no room {room}"));
    let channel = rooms.get(&room).ok_or_else(no_room)?;
    let event = Event::new(format!("{}: {}", guest.name, String::from_utf8_lossy(&text)));
    let published = channel.publish(event);
    published.map(drop).map_err(|error| (StatusCode::GONE, error.to_string()))
}
