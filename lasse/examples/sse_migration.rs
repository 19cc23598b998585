//! axum's own example of Server-Sent Events, with lasse in the place of `axum::response::sse`.
//!
//! ```text
//! cargo run --release --example sse_migration
//! curl -N http://127.0.0.1:4000/sse
//! ```
//!
//! What changes: the handler takes an [`SseRequest`] and returns `request.stream(..)`, an event is
//! made by `Event::new`, and the keep-alive is set in an [`Endpoint`]. Also new: HEAD, 405 and
//! `Accept` are handled, a line break in the data cannot end an event, and a client that stalls is
//! dropped, because the [`Listener`] limits how long a write may take.

use std::error::Error;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::{Extension, Router, routing::get};
use lasse::axum::SseRequest;
use lasse::{Endpoint, Event, Listener, StreamConfig};
use tokio_stream::StreamExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "4000".into()).parse::<u16>()?;
    let listener = Listener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/sse", listener.local_addr()?);
    axum::serve(listener, app()).await?;
    Ok(())
}

fn app() -> Router {
    let endpoint = Endpoint::new(StreamConfig::new().with_keep_alive(Duration::from_secs(1)));
    Router::new().route("/sse", get(sse_handler)).layer(Extension(endpoint))
}

async fn sse_handler(request: SseRequest, headers: HeaderMap) -> impl IntoResponse {
    println!("{:?} connected", headers.get("user-agent"));

    // A stream that repeats an event every two seconds.
    let stream = tokio_stream::iter(std::iter::repeat_with(|| Event::new("hi!")))
        .throttle(Duration::from_secs(2));

    request.stream(stream)
}
