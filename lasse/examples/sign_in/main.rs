//! Feeds that users must sign in for: sessions, tickets, CORS, limits per user, and a sign-out that ends
//! streams at once.
//!
//! ```text
//! cargo run --release --example sign_in        # then open http://127.0.0.1:4000/ in a browser
//! curl -c ada -d ada http://127.0.0.1:4000/login
//! curl -b ada -N http://127.0.0.1:4000/feeds/ada
//! ```
//!
//! | request | response |
//! |---|---|
//! | `POST /login` | starts a session for the posted name, in a cookie |
//! | `POST /logout` | ends the session and its streams |
//! | `GET /feeds/{user}` | streams the feed of this user, by cookie or by `?ticket=`; three streams at most |
//! | `POST`, `DELETE /feeds/{user}` | publishes the body; finishes the feed |
//! | `POST /tickets` | a ticket for the own feed, for pages without cookies |
//! | `GET /streams` | the open streams of this user |
//! | `DELETE /streams` | ends all sessions and streams of this user |
//!
//! In the environment: `SESSION_SECONDS` (900); `ORIGINS`, the other origins whose pages may connect,
//! with commas; `LIMIT_POLICY`, `refuse` (the newest stream) or `replace` (the oldest).

mod sessions;
#[path = "../support/shutdown.rs"]
mod shutdown;

use std::env;
use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use lasse::axum::{SseRequest, serve_router};
use lasse::hyper::collect_body;
use lasse::{
    ChannelConfig, Channels, Dialect, DrainPlan, Endpoint, Event, ExpiresAt, Gate, GateConfig,
    Init, KeyLimitPolicy, Listener, Refusal, ServeConfig, StreamConfig, sweep,
};
use sessions::{Session, Sessions, SignInFirst};
use tower_http::cors::CorsLayer;

/// What all requests share.
#[derive(Clone)]
struct App {
    sessions: Sessions,
    feeds: Channels<String>,
    gate: Gate,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").unwrap_or_else(|_| "4000".into()).parse::<u16>()?;
    let listener = Listener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/", listener.local_addr()?);

    let seconds = env::var("SESSION_SECONDS").unwrap_or_else(|_| "900".into()).parse()?;
    let feeds = Channels::new(&ChannelConfig::new());
    tokio::spawn(sweep(&feeds));
    let sessions = Sessions::new(Duration::from_secs(seconds));
    let app = App { sessions, feeds, gate: gate()? };
    let origins = env::var("ORIGINS").unwrap_or_default();
    let origins: Vec<&str> = origins.split(',').filter(|origin| !origin.is_empty()).collect();
    serve_router(listener, ServeConfig::new(), router(&app, &origins)?)
        .with_gate(&app.gate)
        .with_graceful_shutdown(async { drop(shutdown::signalled().await) })
        .await;
    Ok(())
}

/// Admits three streams for each user. A stream has a tag for its user and one for its session.
fn gate() -> Result<Gate, Box<dyn Error>> {
    let policy = match env::var("LIMIT_POLICY").as_deref() {
        Ok("refuse") | Err(_) => KeyLimitPolicy::RefuseNewest,
        Ok("replace") => KeyLimitPolicy::ReplaceOldest,
        Ok(other) => return Err(format!("LIMIT_POLICY is {other}").into()),
    };
    let config = GateConfig::new()
        .with_limit_per_key(3, |request| {
            request.extensions().get::<Session>().map(|session| session.user.clone())
        })
        .with_key_limit_policy(policy)
        .with_tags(|request| {
            request.extensions().get::<Session>().map_or_else(Vec::new, Session::tags)
        })
        // No load balancer needs time to notice a shutdown.
        .with_drain_plan(DrainPlan::new().with_notice(Duration::ZERO));
    Ok(Gate::new(config))
}

fn router(app: &App, origins: &[&str]) -> Result<Router, Box<dyn Error>> {
    let config = StreamConfig::new()
        .with_dialect(Dialect::Auto)
        .with_origins(origins.iter().copied())?
        .with_hosts(["127.0.0.1", "localhost"])?;
    // The outermost layer, so that every response has its headers: a 204, and refusals too.
    let origins =
        origins.iter().map(|origin| origin.parse()).collect::<Result<Vec<HeaderValue>, _>>()?;
    let cors = CorsLayer::new()
        .allow_origin(origins)
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([header::CACHE_CONTROL, HeaderName::from_static("last-event-id")]);
    Ok(Router::new()
        .route("/", get(async || Html(include_str!("sign_in.html"))))
        .route("/login", post(log_in))
        .route("/logout", post(log_out))
        .route("/feeds/{user}", get(read_feed).post(publish).delete(finish))
        .route("/tickets", post(new_ticket))
        .route("/streams", get(list_streams).delete(end_streams))
        .layer(Extension(Endpoint::new(config)))
        .layer(from_fn_with_state(app.clone(), authenticate))
        .layer(cors)
        .with_state(app.clone()))
}

/// Finds the session of a request, for the handlers and the gate. The stream ends with the session.
async fn authenticate(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let feed = request.uri().path().strip_prefix("/feeds/");
    let session = sessions::cookie(request.headers())
        .and_then(|secret| app.sessions.find(secret))
        .or_else(|| app.sessions.find_by_ticket(sessions::ticket(request.uri())?, feed?));
    if let Some(session) = session {
        request.extensions_mut().insert(ExpiresAt(session.expires_at));
        request.extensions_mut().insert(session);
    }
    next.run(request).await
}

/// Starts a session for the user whose name is posted. A real service checks a password here.
async fn log_in(State(app): State<App>, body: Body) -> Result<Response, Problem> {
    let user = read(body).await?;
    if !(1..=32).contains(&user.len()) || !user.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err((StatusCode::BAD_REQUEST, "a name is 1 to 32 letters and digits\n".into()));
    }
    let secret = app.sessions.start(user).map_err(internal)?;
    // `SameSite` is `None` for pages of other sites, which then needs `Secure`.
    let cookie = format!("{}={secret}; Path=/; HttpOnly; SameSite=Strict", sessions::COOKIE);
    Ok([(header::SET_COOKIE, cookie)].into_response())
}

/// Ends the session first: no request that is on its way can then open a stream that stays.
async fn log_out(State(app): State<App>, session: Session) -> StatusCode {
    app.sessions.end(&session);
    app.gate.end_where(|stream| stream.has_tag(&session.tag()));
    StatusCode::NO_CONTENT
}

async fn read_feed(
    request: SseRequest,
    session: Result<Session, SignInFirst>,
    State(app): State<App>,
    Path(user): Path<String>,
) -> Response {
    let Ok(session) = session else { return request.unauthorized() };
    if session.user != user {
        return StatusCode::FORBIDDEN.into_response();
    }
    let feed = app.feeds.open(user);
    request.respond_with(|request| {
        // Once more, since the gate lists the stream only from here on.
        if !app.sessions.is_open(&session) {
            return Init::Refuse(Refusal::unauthorized(Duration::from_secs(60)));
        }
        feed.subscribe(request.last_event_id()).into_init(request, |events| events)
    })
}

async fn publish(
    State(app): State<App>,
    session: Session,
    Path(user): Path<String>,
    body: Body,
) -> Result<StatusCode, Problem> {
    let text = format!("{}: {}", session.user, read(body).await?);
    app.feeds.open(user).publish(Event::new(text)).map_err(internal)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn finish(State(app): State<App>, session: Session, Path(user): Path<String>) -> StatusCode {
    if session.user != user {
        return StatusCode::FORBIDDEN;
    }
    app.feeds.open(user).finish();
    StatusCode::NO_CONTENT
}

async fn new_ticket(State(app): State<App>, session: Session) -> Result<String, Problem> {
    let feed = session.user.clone();
    let ticket = app.sessions.new_ticket(&session, feed).map_err(internal)?;
    let problem = "the session has too many tickets\n";
    ticket.ok_or_else(|| (StatusCode::TOO_MANY_REQUESTS, problem.into()))
}

async fn list_streams(State(app): State<App>, session: Session) -> String {
    let mut streams = app.gate.streams();
    streams.retain(|stream| stream.has_tag(&session.user_tag()));
    let age = |stream: &lasse::StreamInfo| lasse::now().saturating_duration_since(stream.opened_at);
    streams.iter().map(|stream| format!("{} {:?}\n", stream.id, age(stream))).collect()
}

async fn end_streams(State(app): State<App>, session: Session) -> String {
    app.sessions.end_all_of(&session.user);
    let ended = app.gate.end_where(|stream| stream.has_tag(&session.user_tag()));
    format!("{ended}\n")
}

async fn read(body: Body) -> Result<String, Problem> {
    let read = collect_body(body, LONGEST_TEXT, Duration::from_secs(10)).await;
    let bytes = read.map_err(|error| (error.status(), format!("{error}\n")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn internal(error: impl Error) -> Problem {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))
}

type Problem = (StatusCode, String);

/// In bytes.
const LONGEST_TEXT: usize = 4096;
