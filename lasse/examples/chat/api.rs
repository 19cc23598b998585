//! The requests of a chat.
//!
//! | request | response |
//! |---|---|
//! | `POST /v1/chat/completions` | starts a run and streams it; its id is in the header `x-run-id`. With `idempotency-key`, a request that is sent twice starts one run |
//! | `GET /runs/{id}` | streams a run from `Last-Event-ID`, or from its beginning |
//! | `DELETE /runs/{id}` | stops a run |
//! | `GET /runs` | the runs of this user, as JSON |
//!
//! The user is the bearer token, as OpenAI's clients send it, or the cookie that the page sets.

use std::error::Error;
use std::future::Future;
use std::io;
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
    Dialect, DrainPlan, Endpoint, Gate, Listener, Run, RunId, RunOutcome, StartError, StreamConfig,
};
use serde_json::{Value, json};

use crate::completion::{self, Completion, Question};
use crate::model::Model;
use crate::shutdown;

/// Where the runs are: in this process, or in Redis.
pub(crate) trait Store: Clone + Send + Sync + 'static {
    /// Starts the run of an answer, or returns the one that there is.
    fn start(
        &self,
        completion: Completion,
        model: Model,
        user: &str,
    ) -> impl Future<Output = Result<Run, Refusal>> + Send;

    fn get(
        &self,
        id: &str,
        user: &str,
    ) -> impl Future<Output = Result<Option<Run>, Refusal>> + Send;

    /// Returns whether there is this run.
    fn stop(&self, id: &str, user: &str) -> impl Future<Output = Result<bool, Refusal>> + Send;

    fn list(
        &self,
        user: &str,
    ) -> impl Future<Output = Result<Vec<(RunId, Option<RunOutcome>)>, Refusal>> + Send;

    /// Starts no more runs here, and returns when the runs of this process have ended.
    fn shut_down(&self, grace: Duration) -> impl Future<Output = ()> + Send;
}

/// Serves the requests until the program should stop.
pub(crate) async fn serve(listener: Listener, runs: impl Store) -> io::Result<()> {
    let gate = Gate::default();
    let chat = Chat::new(runs.clone(), Model::start().await?, &gate);
    axum::serve(listener, chat.into_router())
        .with_graceful_shutdown(async move {
            drop(shutdown::signalled().await);
            gate.drain(&DrainPlan::new().with_notice(Duration::ZERO));
            // Readers move to another server; the model may finish what it has begun.
            runs.shut_down(Duration::from_secs(10)).await;
        })
        .await
}

/// What all requests share.
#[derive(Clone)]
struct Chat<S> {
    runs: S,
    model: Model,
    /// For OpenAI's clients, which take every event for a chunk of an answer.
    answers: Endpoint,
    /// For pages, and clients that resume.
    resumed: Endpoint,
}

impl<S: Store> Chat<S> {
    fn new(runs: S, model: Model, gate: &Gate) -> Self {
        let answers = StreamConfig::new()
            .with_post(true)
            .with_dialect(Dialect::DataOnly)
            .with_last_event(completion::interrupted);
        let resumed = StreamConfig::new().with_dialect(Dialect::Auto);
        let [answers, resumed] =
            [answers, resumed].map(|config| Endpoint::new(config).with_gate(gate));
        Self { runs, model, answers, resumed }
    }

    fn into_router(self) -> Router {
        Router::new()
            .route("/", get(async || Html(include_str!("chat.html"))))
            .route("/v1/chat/completions", post(complete::<S>))
            .route("/runs", get(list::<S>))
            .route("/runs/{id}", get(resume::<S>).delete(stop::<S>))
            .with_state(self)
    }
}

/// Starts a run and streams it, or waits for its end if the client does not want a stream.
async fn complete<S: Store>(
    State(chat): State<Chat<S>>,
    request: Parts,
    question: Result<Json<Question>, JsonRejection>,
) -> Result<Response, Refusal> {
    let Json(question) = question.map_err(|error| Refusal::BadRequest(error.body_text()))?;
    let completion = Completion::new(new_id(&request.headers)?, question);
    if !completion.is_streamed() {
        return Ok(Json(completion.collect(&chat.model).await?).into_response());
    }
    let run = chat.runs.start(completion, chat.model.clone(), &user(&request.headers)).await?;
    Ok(run.set_header(subscribe(&request, &chat.answers, run.channel())).into_response())
}

async fn resume<S: Store>(
    State(chat): State<Chat<S>>,
    Path(id): Path<String>,
    request: Parts,
) -> Result<Response, Refusal> {
    let run = chat.runs.get(&id, &user(&request.headers)).await?.ok_or(Refusal::NotFound)?;
    Ok(run.set_header(subscribe(&request, &chat.resumed, run.channel())).into_response())
}

async fn stop<S: Store>(
    State(chat): State<Chat<S>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    match chat.runs.stop(&id, &user(&headers)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refusal::NotFound),
    }
}

async fn list<S: Store>(
    State(chat): State<Chat<S>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    let runs = chat.runs.list(&user(&headers)).await?;
    let run = |(id, outcome): &(RunId, Option<RunOutcome>)| json!({ "id": id.as_str(), "state": state(outcome.as_ref()) });
    Ok(Json(runs.iter().map(run).collect()))
}

fn state(outcome: Option<&RunOutcome>) -> &'static str {
    match outcome {
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
pub(crate) enum Refusal {
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
