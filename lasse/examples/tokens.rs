//! A proxy for the tokens of a language model.
//!
//! ```text
//! cargo run --release --example tokens
//! curl -N -d tea http://127.0.0.1:4000/
//! curl -N 'http://127.0.0.1:4000/?prompt=tea&run=1'
//! ```
//!
//! A prompt is sent to the model once. A page that loses its connection, or is loaded again,
//! continues with the next token; after the end of the answer, a 204 stops its `EventSource`. If
//! nobody reads for ten seconds, the request to the model is cancelled.
//!
//! `MODEL` is the URL of a model that answers a POST with a stream of events. Without it, the
//! program plays the model, too. `PORT` changes the port.

#[path = "support/shutdown.rs"]
mod shutdown;

use std::env;
use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lasse::axum::{SseRequest, serve_router};
use lasse::hyper::{BodyError, collect_body};
use lasse::{
    Client, ClientClosed, DrainPlan, Endpoint, Event, EventName, EventSource, EventSourceError,
    Gate, GateConfig, InvalidRunId, Listener, RunId, RunWriter, Runs, RunsConfig, ServeConfig,
    StartError, StreamConfig,
};
use serde::Deserialize;
use tokio::time::sleep;
use tokio_stream::StreamExt;

const DONE: EventName = EventName::from_static("done");

/// What all requests share.
#[derive(Clone)]
struct Proxy {
    runs: Runs,
    model: Uri,
    http: HttpClient<HttpConnector, Full<Bytes>>,
}

/// The query of a GET. A page keeps the id of its run, so that it finds the answer again.
#[derive(Deserialize)]
struct Question {
    prompt: String,
    run: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").unwrap_or_else(|_| "4000".into()).parse::<u16>()?;
    let listener = Listener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    println!("http://{address}/?prompt=tea&run=1");

    let runs = Runs::new(RunsConfig::new().with_idle_timeout(Duration::from_secs(10)));
    let model = env::var("MODEL").unwrap_or_else(|_| format!("http://{address}/model")).parse()?;
    let http = HttpClient::builder(TokioExecutor::new()).build_http();
    let endpoint = Endpoint::new(StreamConfig::new().with_post(true).with_finite(true));
    let router = Router::new()
        .route("/", get(answer_get).post(answer_post))
        .route("/model", post(answer_as_model))
        .with_state(Proxy { runs: runs.clone(), model, http })
        .layer(Extension(endpoint));

    // No load balancer needs time to notice a shutdown.
    let plan = DrainPlan::new().with_notice(Duration::ZERO);
    let gate = Gate::new(GateConfig::new().with_drain_plan(plan));
    serve_router(listener, ServeConfig::new(), router)
        .with_gate(&gate)
        .with_graceful_shutdown(async move {
            drop(shutdown::signalled().await);
            // No new runs start. Started runs may finish, and their readers with them.
            runs.shut_down(Duration::from_secs(10)).await;
        })
        .await;
    Ok(())
}

async fn answer_get(
    request: SseRequest,
    State(proxy): State<Proxy>,
    Query(question): Query<Question>,
) -> Result<Response, Refusal> {
    let id = question.run.map_or_else(|| Ok(RunId::random()), RunId::new)?;
    proxy.answer(request, id, question.prompt).await
}

async fn answer_post(
    request: SseRequest,
    State(proxy): State<Proxy>,
    body: Body,
) -> Result<Response, Refusal> {
    let prompt = read(body).await?;
    proxy.answer(request, RunId::random(), prompt).await
}

impl Proxy {
    /// Starts the run, or finds the one that another request has started.
    async fn answer(
        self,
        request: SseRequest,
        id: RunId,
        prompt: String,
    ) -> Result<Response, Refusal> {
        // A service with accounts passes the user here: another user's run is not found.
        let user = "";
        let Self { runs, model, http } = self;
        let run =
            runs.start(id, user, async move |writer| relay(prompt, model, http, writer).await)?;
        Ok(run.set_header(request.subscribe(run.channel()).await))
    }
}

/// Sends the prompt to the model, and publishes its tokens. If the run is stopped or abandoned,
/// this is dropped, and the request with it.
async fn relay(
    prompt: String,
    model: Uri,
    http: HttpClient<HttpConnector, Full<Bytes>>,
    writer: RunWriter,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut request = http::Request::new(Bytes::from(prompt));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = model;
    // A request that costs money is not repeated when its connection is lost.
    let client = Client::once(request).with_read_timeout(Duration::from_secs(30));
    let mut tokens = EventSource::new(client, http);
    loop {
        match tokens.next().await {
            Some(Ok(token)) => drop(writer.publish(Event::new(token.data()))?),
            Some(Err(EventSourceError::Closed { reason: ClientClosed::Ended, .. })) | None => break,
            Some(Err(error)) => return Err(error.into()),
        }
    }
    writer.publish(Event::new("").with_name(DONE))?;
    Ok(())
}

/// Plays the model.
async fn answer_as_model(request: SseRequest, body: Body) -> Result<Response, Refusal> {
    let prompt = read(body).await?;
    let text = format!("You said {prompt:?}. I have nothing to add, but I shall say it slowly.");
    let words: Vec<_> = text.split_inclusive(' ').map(str::to_owned).collect();
    let tokens = tokio_stream::iter(words).then(async |word| {
        sleep(Duration::from_millis(150)).await;
        Event::new(word)
    });
    Ok(request.stream(tokens))
}

async fn read(body: Body) -> Result<String, Refusal> {
    let bytes = collect_body(body, LONGEST_PROMPT, Duration::from_secs(10)).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A response without a stream.
struct Refusal(StatusCode, String);

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        Self(error.status(), error.to_string())
    }
}

impl From<InvalidRunId> for Refusal {
    fn from(error: InvalidRunId) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<StartError> for Refusal {
    fn from(error: StartError) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, format!("{}\n", self.1)).into_response()
    }
}

/// In bytes.
const LONGEST_PROMPT: usize = 64 * 1024;
