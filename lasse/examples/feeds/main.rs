//! A private feed for each user and a feed for all, on one stream, each with its own retention.
//!
//! ```text
//! PORT=4000 cargo run --release --example feeds     # http://127.0.0.1:4000/
//! curl -N 'http://127.0.0.1:4000/events?name=Ada'
//! curl -d 'Your order is on its way.' http://127.0.0.1:4000/users/Ada
//! curl -d 'We close at six.' http://127.0.0.1:4000/all
//! ```
//!
//! The two are channels, which are merged when a page connects. An id has the place in both, so a page
//! that was away resumes in both. If one of them cannot resume, its reset names it, and the other goes
//! on. Events have the name of their feed, because the stream does not add it.
//! A real service takes the name from a session, as the example `chat_rooms` does.

#[path = "../support/shutdown.rs"]
mod shutdown;

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, Response};
use axum::routing::{get, post};
use lasse::axum::{SseRequest, serve_router};
use lasse::hyper::collect_body;
use lasse::{
    Channel, ChannelConfig, Channels, DrainPlan, Endpoint, Event, EventName, Gate, GateConfig,
    Listener, Retention, ServeConfig, StartAt, sweep,
};
use serde::Deserialize;

/// What all requests share.
#[derive(Clone)]
struct Feeds {
    /// The private feed of each user.
    own: Channels<String>,
    all: Channel,
}

#[derive(Deserialize)]
struct Reader {
    name: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "4000".into()).parse::<u16>()?;
    let listener = Listener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/", listener.local_addr()?);

    // A page that opens is sent the last private messages, and those for all from now on.
    let own = ChannelConfig::new()
        .with_retention(Retention::new().with_events(100))
        .with_start(StartAt::Last(20))
        .with_idle_timeout(Duration::from_secs(3600));
    let feeds = Feeds { own: Channels::new(&own), all: Channel::new(&ChannelConfig::new()) };
    tokio::spawn(sweep(&feeds.own));
    // No load balancer needs time to notice a shutdown.
    let plan = DrainPlan::new().with_notice(Duration::ZERO);
    let gate = Gate::new(GateConfig::new().with_drain_plan(plan));
    let router = Router::new()
        .route("/", get(async || Html(include_str!("feeds.html"))))
        .route("/events", get(read_events))
        .route("/users/{name}", post(post_to_user))
        .route("/all", post(post_to_all))
        .with_state(feeds)
        .layer(axum::Extension(Endpoint::default().with_gate(&gate)));

    serve_router(listener, ServeConfig::new(), router)
        .with_gate(&gate)
        .with_graceful_shutdown(async { drop(shutdown::signalled().await) })
        .await;
    Ok(())
}

/// Streams the private feed of a user and the one for all.
async fn read_events(
    request: SseRequest,
    State(feeds): State<Feeds>,
    Query(Reader { name }): Query<Reader>,
) -> Result<Response, Refusal> {
    let own = feeds.own_of(name)?;
    let channels = [("me", &own), ("all", &feeds.all)];
    request.subscribe_merged(channels).await.map_err(internal)
}

async fn post_to_user(
    State(feeds): State<Feeds>,
    Path(name): Path<String>,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let text = text_of(body).await?;
    feeds.own_of(name)?.publish(Event::new(text).with_name(PRIVATE)).map_err(internal)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn post_to_all(State(feeds): State<Feeds>, body: Body) -> Result<StatusCode, Refusal> {
    let text = text_of(body).await?;
    feeds.all.publish(Event::new(text).with_name(PUBLIC)).map_err(internal)?;
    Ok(StatusCode::NO_CONTENT)
}

impl Feeds {
    /// The private feed of a user.
    fn own_of(&self, name: String) -> Result<Channel, Refusal> {
        if self.own.len() >= MOST_USERS && self.own.get(&name).is_none() {
            return Err((StatusCode::SERVICE_UNAVAILABLE, "there are too many users\n".into()));
        }
        Ok(self.own.open(name))
    }
}

async fn text_of(body: Body) -> Result<String, Refusal> {
    let read = collect_body(body, LONGEST_MESSAGE, Duration::from_secs(10)).await;
    let bytes = read.map_err(|error| (error.status(), format!("{error}\n")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn internal(error: impl Error) -> Refusal {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))
}

type Refusal = (StatusCode, String);

const PRIVATE: EventName = EventName::from_static("private");
const PUBLIC: EventName = EventName::from_static("public");

const MOST_USERS: usize = 100_000;

/// In bytes.
const LONGEST_MESSAGE: usize = 4096;
