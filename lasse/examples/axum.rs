//! A stream inside an axum router, behind an extractor of axum's.
//!
//! ```text
//! cargo run --release --example axum
//! curl -N 'http://127.0.0.1:4000/rooms/tea?name=Ada'
//! curl -d 'The kettle is on.' 'http://127.0.0.1:4000/rooms/tea?name=Bob'
//! ```

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use lasse::hyper::{collect_body, subscribe};
use lasse::{
    ChannelConfig, Channels, DrainPlan, Endpoint, Event, Gate, Listener, Retention, sweep,
};
use serde::Deserialize;

/// What the handlers share: a channel for each room, and a gate by which all
/// streams are sent home.
#[derive(Clone)]
struct Rooms {
    channels: Channels<String>,
    endpoint: Endpoint,
}

#[derive(Deserialize)]
struct Guest {
    name: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "4000".into()).parse::<u16>()?;
    let listener = Listener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/rooms/tea?name=Ada", listener.local_addr()?);

    let gate = Gate::default();
    let endpoint = Endpoint::default().with_gate(&gate);
    let channels = Channels::new(&ChannelConfig::new().with_retention(Retention::new()));
    tokio::spawn(sweep(&channels));
    let router = Router::new()
        .route("/rooms/{room}", get(listen).post(speak))
        .with_state(Rooms { channels, endpoint });

    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            drop(tokio::signal::ctrl_c().await);
            gate.drain(&DrainPlan::new());
            gate.shut().await;
        })
        .await?;
    Ok(())
}

/// The room's events, once axum has found out who asks, and where.
async fn listen(
    State(rooms): State<Rooms>,
    Path(room): Path<String>,
    Query(guest): Query<Guest>,
    request: Request,
) -> impl IntoResponse {
    let channel = rooms.channels.open(room);
    let _ = channel.publish(Event::new(format!("{} has come in", guest.name)));
    subscribe(&request, &rooms.endpoint, &channel)
}

async fn speak(
    State(rooms): State<Rooms>,
    Path(room): Path<String>,
    Query(guest): Query<Guest>,
    request: Request,
) -> Result<(), (StatusCode, String)> {
    // Axum's own extractors have no deadline, and take 4 KiB for each byte that
    // arrives alone.
    let body = collect_body(request.into_body(), 4096, Duration::from_secs(10)).await;
    let words = body.map_err(|error| (error.status(), error.to_string()))?;
    let no_room = || (StatusCode::NOT_FOUND, format!("there is no room {room}"));
    let channel = rooms.channels.get(&room).ok_or_else(no_room)?;
    let event = Event::new(format!("{}: {}", guest.name, String::from_utf8_lossy(&words)));
    let published = channel.publish(&event);
    published.map(drop).map_err(|error| (StatusCode::GONE, error.to_string()))
}
