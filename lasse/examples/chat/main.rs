//! A chat with a language model, as OpenAI's clients speak to one. An answer is a run: it goes on
//! when the connection is lost, and a client resumes it.
//!
//! ```text
//! cargo run --release --example chat        # then open http://127.0.0.1:4000/ in a browser
//! curl -N http://127.0.0.1:4000/v1/chat/completions -H 'content-type: application/json' \
//!     -d '{"model":"parrot","messages":[{"role":"user","content":"tea"}],"stream":true}'
//! ```
//!
//! | request | response |
//! |---|---|
//! | `POST /v1/chat/completions` | starts a run and streams it; its id is in the header `x-run-id`. With `idempotency-key`, a request that is sent twice starts one run |
//! | `GET /runs/{id}` | streams a run from `Last-Event-ID`, or from its beginning |
//! | `DELETE /runs/{id}` | stops a run |
//! | `GET /runs` | the runs of this user, as JSON |
//!
//! The user is the bearer token, as OpenAI's clients send it, or the cookie that the page sets. The
//! model is simulated: `model.rs`.

mod completion;
mod model;
#[path = "../support/shutdown.rs"]
mod shutdown;

use std::error::Error;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use lasse::hyper::subscribe;
use lasse::{
    Dialect, DrainPlan, Endpoint, Gate, Listener, Run, RunId, RunOutcome, Runs, RunsConfig,
    StartError, StreamConfig,
};
use serde_json::{Value, json};

use completion::{Completion, Question};
use model::Model;

#[derive(Clone)]
struct Chat {
    runs: Runs,
    model: Model,
    /// For OpenAI's clients, which take every event for a chunk of an answer.
    answers: Endpoint,
    /// For pages, and clients that resume.
    resumed: Endpoint,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "4000".into()).parse::<u16>()?;
    let listener = Listener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/", listener.local_addr()?);

    let gate = Gate::default();
    let runs = Runs::new(RunsConfig::new().with_last_event(completion::last_event));
    let answers = StreamConfig::new()
        .with_post(true)
        .with_dialect(Dialect::DataOnly)
        .with_last_event(completion::interrupted);
    let resumed = StreamConfig::new().with_dialect(Dialect::Auto);
    let [answers, resumed] =
        [answers, resumed].map(|config| Endpoint::new(config).with_gate(&gate));
    let chat = Chat { runs: runs.clone(), model: Model::start().await?, answers, resumed };
    let router = Router::new()
        .route("/", get(async || Html(include_str!("chat.html"))))
        .route("/v1/chat/completions", post(complete))
        .route("/runs", get(list))
        .route("/runs/{id}", get(resume).delete(stop))
        .with_state(chat);

    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            drop(shutdown::signalled().await);
            gate.drain(&DrainPlan::new().with_notice(Duration::ZERO));
            // Readers move to another server; the model may finish what it has begun.
            runs.shut_down(Duration::from_secs(10)).await;
        })
        .await?;
    Ok(())
}

/// Starts a run and streams it, or waits for its end if the client does not want a stream.
async fn complete(
    State(chat): State<Chat>,
    request: Parts,
    question: Result<Json<Question>, JsonRejection>,
) -> Result<Response, Refusal> {
    let Json(question) = question.map_err(|error| Refusal::BadRequest(error.body_text()))?;
    let completion = Completion::new(new_id(&request.headers)?, question);
    let id = completion.id().clone();
    if !completion.is_streamed() {
        return Ok(Json(completion.collect(&chat.model).await?).into_response());
    }
    let model = chat.model.clone();
    let run = chat.runs.start(id, &user(&request.headers), async move |writer| {
        completion.stream(&model, &writer).await
    })?;
    Ok(run.set_header(subscribe(&request, &chat.answers, run.channel())).into_response())
}

async fn resume(
    State(chat): State<Chat>,
    Path(id): Path<String>,
    request: Parts,
) -> Result<Response, Refusal> {
    let run = chat.runs.get(&id, &user(&request.headers)).ok_or(Refusal::NotFound)?;
    Ok(run.set_header(subscribe(&request, &chat.resumed, run.channel())).into_response())
}

async fn stop(
    State(chat): State<Chat>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    chat.runs.get(&id, &user(&headers)).ok_or(Refusal::NotFound)?.stop();
    Ok(StatusCode::NO_CONTENT)
}

async fn list(State(chat): State<Chat>, headers: HeaderMap) -> Json<Value> {
    let runs = chat.runs.list(&user(&headers));
    Json(runs.iter().map(|run| json!({ "id": run.id().as_str(), "state": state(run) })).collect())
}

fn state(run: &Run) -> &'static str {
    match run.outcome() {
        None => "running",
        Some(RunOutcome::Done) => "done",
        Some(RunOutcome::Stopped) => "stopped",
        Some(RunOutcome::Abandoned) => "abandoned",
        Some(_) => "failed",
    }
}

/// The id that the client chose, or a new one.
fn new_id(headers: &HeaderMap) -> Result<RunId, Refusal> {
    match headers.get("idempotency-key") {
        Some(key) => RunId::new(String::from_utf8_lossy(key.as_bytes()))
            .map_err(|error| Refusal::BadRequest(error.to_string())),
        None => Ok(RunId::random()),
    }
}

/// The user of the request. A real application looks the token up, and answers 401 without one.
fn user(headers: &HeaderMap) -> String {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let cookie = headers.get(header::COOKIE).and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| value.strip_prefix("Bearer "));
    let named = |cookies: &'_ str| {
        let mut pairs = cookies.split("; ").filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == "user").map(|(_, user)| user.to_owned())
    };
    token.map(str::to_owned).or_else(|| cookie.and_then(named)).unwrap_or_default()
}

/// A response without a run, in the form that OpenAI's clients read.
enum Refusal {
    NotFound,
    BadRequest(String),
    Unavailable(String),
    Model(String),
}

impl From<StartError> for Refusal {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Foreign => Self::NotFound,
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<Box<dyn Error + Send + Sync>> for Refusal {
    fn from(error: Box<dyn Error + Send + Sync>) -> Self {
        Self::Model(error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, message) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "there is no such run".into()),
            Self::BadRequest(message) => (StatusCode::BAD_REQUEST, message),
            Self::Unavailable(message) => (StatusCode::SERVICE_UNAVAILABLE, message),
            Self::Model(message) => (StatusCode::BAD_GATEWAY, message),
        };
        (status, Json(json!({ "error": { "message": message } }))).into_response()
    }
}
