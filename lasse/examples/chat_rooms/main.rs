//! A chat with login, rooms, private messages and presence.
//!
//! ```text
//! cargo run --release --example chat_rooms     # http://127.0.0.1:4000/
//! curl -c ada -d ada http://127.0.0.1:4000/login
//! curl -b ada -N http://127.0.0.1:4000/rooms/tea
//! curl -b ada -d 'The kettle is on.' http://127.0.0.1:4000/rooms/tea
//! ```
//!
//! Each room is a channel, and each user has one for private messages. A page that was away
//! resumes both. A user is present in a room while a stream of theirs is open, and for a few
//! seconds after it. Logout ends all streams of the session.

mod presence;
mod sessions;
#[path = "../support/shutdown.rs"]
mod shutdown;

use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use lasse::axum::{SseRequest, serve_router};
use lasse::hyper::collect_body;
use lasse::{
    Channel, ChannelConfig, Channels, DrainPlan, Endpoint, Event, EventName, Gate, GateConfig,
    Handler, HandlerSource, Listener, Retention, ServeConfig, StartAt, mailbox, sweep,
};
use presence::{Presence, Present};
use serde::Serialize;
use sessions::{Session, Sessions};

const MESSAGE: EventName = EventName::from_static("message");
const PRIVATE: EventName = EventName::from_static("private");

/// What all requests share.
#[derive(Clone)]
struct Chat {
    sessions: Sessions,
    rooms: Channels<String>,
    inboxes: Channels<String>,
    presence: Presence,
}

/// A message, as JSON in the data of an event.
#[derive(Serialize)]
struct Message<'a> {
    from: &'a str,
    text: &'a str,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "4000".into()).parse::<u16>()?;
    let listener = Listener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/", listener.local_addr()?);

    // A client that is new to a channel starts with the last messages.
    let config = ChannelConfig::new()
        .with_retention(Retention::new().with_events(1_000))
        .with_start(StartAt::Last(20));
    let (rooms, inboxes) = (Channels::new(&config), Channels::new(&config));
    tokio::spawn(sweep(&rooms));
    tokio::spawn(sweep(&inboxes));
    let chat =
        Chat { sessions: Sessions::default(), rooms, inboxes, presence: Presence::default() };

    // At most ten streams for each session, whatever its pages do.
    let limits = GateConfig::new()
        .with_limit_per_key(10, |request| sessions::token(request.headers()).map(str::to_owned));
    // No load balancer needs time to notice a shutdown.
    let plan = DrainPlan::new().with_notice(Duration::ZERO);
    let gate = Gate::new(limits.with_drain_plan(plan));
    let router = Router::new()
        .route("/", get(async || Html(include_str!("chat_rooms.html"))))
        .route("/login", post(log_in))
        .route("/logout", post(log_out))
        .route("/inbox", get(read_inbox))
        .route("/users/{user}", post(post_private))
        .route("/rooms/{room}", get(read_room).post(post_in_room))
        .with_state(chat)
        .layer(Extension(Endpoint::default().with_gate(&gate)));

    serve_router(listener, ServeConfig::new(), router)
        .with_gate(&gate)
        .with_graceful_shutdown(async { drop(shutdown::signalled().await) })
        .await;
    Ok(())
}

/// Starts a session for the user whose name is posted. A real service checks a password here.
async fn log_in(State(chat): State<Chat>, body: Body) -> Result<SetCookie, Refusal> {
    let name = read(body).await?;
    if !(1..=32).contains(&name.len()) || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        let problem = "a name is 1 to 32 letters and digits\n";
        return Err((StatusCode::BAD_REQUEST, problem.into()));
    }
    let cookie =
        chat.sessions.start(name).map_err(|problem| (StatusCode::SERVICE_UNAVAILABLE, problem))?;
    Ok([(header::SET_COOKIE, cookie)])
}

async fn log_out(State(chat): State<Chat>, session: Session) -> SetCookie {
    [(header::SET_COOKIE, chat.sessions.end(&session))]
}

async fn read_room(
    request: SseRequest,
    State(chat): State<Chat>,
    session: Session,
    Path(room): Path<String>,
) -> Response {
    let channel = chat.rooms.open(room.clone());
    let enter = || Some(chat.presence.enter(&channel, room, session.user.clone()));
    chat.respond(request, &session, &channel, enter)
}

async fn read_inbox(request: SseRequest, State(chat): State<Chat>, session: Session) -> Response {
    let inbox = chat.inboxes.open(session.user.clone());
    chat.respond(request, &session, &inbox, || None)
}

async fn post_in_room(
    State(chat): State<Chat>,
    session: Session,
    Path(room): Path<String>,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let text = read(body).await?;
    publish(&chat.rooms.open(room), MESSAGE, &session, &text)
}

async fn post_private(
    State(chat): State<Chat>,
    session: Session,
    Path(user): Path<String>,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let text = read(body).await?;
    if !chat.sessions.has_user(&user) {
        return Err((StatusCode::NOT_FOUND, format!("{user} is not signed in\n")));
    }
    publish(&chat.inboxes.open(user), PRIVATE, &session, &text)
}

impl Chat {
    /// Streams a channel, until the session ends.
    fn respond(
        &self,
        request: SseRequest,
        session: &Session,
        channel: &Channel,
        enter: impl FnOnce() -> Option<Present>,
    ) -> Response {
        request.respond_with(|head| {
            channel.subscribe(head.last_event_id()).into_init(head, |events| {
                let (notifier, mailbox) = mailbox(1);
                self.sessions.add_stream(session, notifier);
                HandlerSource::new(Member { _present: enter() }, mailbox).with_source(events)
            })
        })
    }
}

/// The handler of a stream. It sends nothing itself: its notifier stops the stream at a logout.
struct Member {
    _present: Option<Present>,
}

impl Handler for Member {
    type Notify = ();
    type Info = ();
}

fn publish(
    channel: &Channel,
    name: EventName,
    session: &Session,
    text: &str,
) -> Result<StatusCode, Refusal> {
    let internal = |problem: String| (StatusCode::INTERNAL_SERVER_ERROR, problem);
    let message = Message { from: &session.user, text };
    let event = Event::json(&message).map_err(|error| internal(error.to_string()))?;
    channel.publish(event.with_name(name)).map_err(|error| internal(error.to_string()))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn read(body: Body) -> Result<String, Refusal> {
    let read = collect_body(body, LONGEST_MESSAGE, Duration::from_secs(10)).await;
    let bytes = read.map_err(|error| (error.status(), format!("{error}\n")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

type Refusal = (StatusCode, String);
type SetCookie = [(HeaderName, String); 1];

/// In bytes.
const LONGEST_MESSAGE: usize = 4096;
