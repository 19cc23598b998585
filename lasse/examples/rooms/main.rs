//! Rooms on one stream: a page has one `EventSource` for its user's private feed and all rooms, and
//! joins and leaves rooms without reconnecting.
//!
//! ```text
//! PORT=4000 cargo run --release --example rooms     # http://127.0.0.1:4000/
//! curl -N 'http://127.0.0.1:4000/events?name=Ada&rooms=tea,cake'
//! curl -d 'The kettle is on.' 'http://127.0.0.1:4000/rooms/tea?name=Bob'
//! curl -X POST 'http://127.0.0.1:4000/join?name=Ada&room=cats'
//! curl -X POST 'http://127.0.0.1:4000/leave?name=Ada&room=tea'
//! ```
//!
//! All rooms and feeds are topics of one channel. An id names a place in all of them, so a page that
//! was away resumes in all by one id. The topics that a user may read are decided here, where the filter is made:
//! only staff may read rooms whose name begins with `staff`, and nobody reads the feed of another.
//! A real service takes the name from a session, as the example `chat_rooms` does.

mod members;
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
    Channel, ChannelConfig, DrainPlan, Endpoint, Event, EventName, Gate, GateConfig, InvalidTopic,
    Listener, ServeConfig, Topic,
};
use members::Members;
use serde::{Deserialize, Serialize};

/// What all requests share.
#[derive(Clone)]
struct Rooms {
    channel: Channel,
    members: Members,
}

#[derive(Deserialize)]
struct Connect {
    name: String,
    /// Separated by commas.
    #[serde(default)]
    rooms: String,
}

#[derive(Deserialize)]
struct Sender {
    name: String,
}

#[derive(Deserialize)]
struct Move {
    name: String,
    room: String,
}

/// A message, as JSON in the data of an event.
#[derive(Serialize)]
struct Message<'a> {
    room: &'a str,
    from: &'a str,
    text: &'a str,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "4000".into()).parse::<u16>()?;
    let listener = Listener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/", listener.local_addr()?);

    let channel = Channel::new(&ChannelConfig::new());
    // No load balancer needs time to notice a shutdown.
    let plan = DrainPlan::new().with_notice(Duration::ZERO);
    let gate = Gate::new(GateConfig::new().with_drain_plan(plan));
    let router = Router::new()
        .route("/", get(async || Html(include_str!("rooms.html"))))
        .route("/events", get(read_events))
        .route("/rooms/{room}", post(post_message))
        .route("/join", post(join))
        .route("/leave", post(leave))
        .with_state(Rooms { channel, members: Members::default() })
        .layer(axum::Extension(Endpoint::default().with_gate(&gate)));

    serve_router(listener, ServeConfig::new(), router)
        .with_gate(&gate)
        .with_graceful_shutdown(async { drop(shutdown::signalled().await) })
        .await;
    Ok(())
}

/// Streams the private feed of a user and the rooms of which the user is a member.
async fn read_events(
    request: SseRequest,
    State(rooms): State<Rooms>,
    Query(Connect { name, rooms: wanted }): Query<Connect>,
) -> Result<Response, Refusal> {
    let user = user_topic(&name)?;
    let wanted = wanted.split(',').filter(|room| !room.is_empty());
    let wanted: Vec<Topic> = wanted.map(|room| readable(&name, room)).collect::<Result<_, _>>()?;
    rooms.members.add(&name, user, wanted, &rooms.channel)?;
    Ok(request.respond_with(|head| {
        let Rooms { channel, members } = &rooms;
        let subscription = members.subscribe(&name, channel, head.last_event_id());
        subscription.into_init(head, |subscriber| subscriber)
    }))
}

async fn post_message(
    State(rooms): State<Rooms>,
    Path(room): Path<String>,
    Query(Sender { name }): Query<Sender>,
    body: Body,
) -> Result<StatusCode, Refusal> {
    user_topic(&name)?;
    let topic = readable(&name, &room)?;
    let read = collect_body(body, LONGEST_MESSAGE, Duration::from_secs(10)).await;
    let bytes = read.map_err(|error| (error.status(), format!("{error}\n")))?;
    let text = &String::from_utf8_lossy(&bytes);
    let message = Message { room: &room, from: &name, text };
    let event = Event::json(&message).map_err(internal)?;
    rooms.channel.publish_to(&topic, event).map_err(internal)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn join(
    State(rooms): State<Rooms>,
    Query(Move { name, room }): Query<Move>,
) -> Result<StatusCode, Refusal> {
    let (user, topic) = (user_topic(&name)?, readable(&name, &room)?);
    rooms.members.join(&name, user.clone(), topic, &rooms.channel)?;
    rooms.notify(&user, JOINED, room)
}

async fn leave(
    State(rooms): State<Rooms>,
    Query(Move { name, room }): Query<Move>,
) -> Result<StatusCode, Refusal> {
    let (user, topic) = (user_topic(&name)?, room_topic(&room)?);
    rooms.members.leave(&name, user.clone(), topic)?;
    rooms.notify(&user, LEFT, room)
}

impl Rooms {
    /// Reports a change to all pages of a user, on the private feed.
    fn notify(&self, user: &Topic, what: EventName, room: String) -> Result<StatusCode, Refusal> {
        self.channel.publish_to(user, Event::new(room).with_name(what)).map_err(internal)?;
        Ok(StatusCode::NO_CONTENT)
    }
}

/// The topic of a room, if the user may read it.
fn readable(name: &str, room: &str) -> Result<Topic, Refusal> {
    if room.starts_with("staff") && !STAFF.contains(&name) {
        return Err((StatusCode::FORBIDDEN, format!("{name} may not read {room}\n")));
    }
    room_topic(room)
}

fn room_topic(room: &str) -> Result<Topic, Refusal> {
    Topic::new(format!("room.{room}")).map_err(bad_request)
}

/// The topic of a private feed.
fn user_topic(name: &str) -> Result<Topic, Refusal> {
    Topic::new(format!("user.{name}")).map_err(bad_request)
}

fn bad_request(error: InvalidTopic) -> Refusal {
    (StatusCode::BAD_REQUEST, format!("{error}\n"))
}

fn internal(error: impl Error) -> Refusal {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))
}

type Refusal = (StatusCode, String);

const JOINED: EventName = EventName::from_static("joined");
const LEFT: EventName = EventName::from_static("left");

const STAFF: [&str; 2] = ["Ada", "Grace"];

/// In bytes.
const LONGEST_MESSAGE: usize = 4096;
