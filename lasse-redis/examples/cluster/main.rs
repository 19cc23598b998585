//! News on several nodes: post on one, see it on all. A client that reconnects to another node
//! resumes there.
//!
//! ```text
//! cargo run --release -p lasse-redis --example cluster -- --port 4000
//! cargo run --release -p lasse-redis --example cluster -- --port 4001 --redis URL
//! curl -N http://127.0.0.1:4000/news
//! curl -d '{"title":"Tea","content":"It is ready."}' http://127.0.0.1:4001/news
//! curl http://127.0.0.1:4000/health
//! ```
//!
//! The first node starts a `redis-server` of its own, if that is installed, and prints its URL for
//! the others. With `--redis URL` a node uses that server, which can still be missing.

#[path = "../../../lasse/examples/support/plain_http.rs"]
mod plain_http;
#[path = "../../../lasse/examples/support/shutdown.rs"]
mod shutdown;
#[path = "../support/start.rs"]
mod start;

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse_hyper::{
    ChannelBody, ChannelConfig, Dialect, DrainPlan, Endpoint, Event, Gate, GateConfig, RequestHead,
    Retention, ServeConfig, StartAt, StreamConfig, collect_body, respond_with, serve,
};
use lasse_redis::{Backplane, BackplaneConfig, PublishError, RedisChannel};
use serde::{Deserialize, Serialize};

use plain_http::{failure, is_cross_origin, not_allowed, reply};

/// One piece of news.
#[derive(Deserialize, Serialize)]
struct Item {
    title: String,
    content: String,
}

/// What all requests share.
struct Node {
    name: String,
    backplane: Backplane,
    news: RedisChannel,
    endpoint: Endpoint,
}

type Body = Either<ChannelBody, Full<Bytes>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (listener, server, _own_redis) = start::start().await?;
    let name = listener.local_addr()?.to_string();
    let backplane = Backplane::start(server, &BackplaneConfig::new());
    let retention = Retention::new().with_bytes(16 << 20);
    let config = ChannelConfig::new().with_start(StartAt::Last(20)).with_retention(retention);
    let news = backplane.channel("lasse:example:news", &config)?;
    // Only GET and HEAD reach the endpoint, but a 405 must allow POST too. Browsers read the stream,
    // and so do programs.
    let streams = StreamConfig::new().with_post(true).with_dialect(Dialect::Auto);
    let endpoint = Endpoint::new(streams);
    let node = Node { name, backplane: backplane.clone(), news, endpoint };
    let node = Arc::new(node);

    // A load balancer reads /health, and no balancer needs time here.
    let plan = DrainPlan::new().with_notice(Duration::ZERO);
    let gate = Gate::new(GateConfig::new().with_drain_plan(plan));
    let stopped = async move {
        drop(shutdown::signalled().await);
        backplane.drain();
    };
    let service = service_fn(move |request| answer(node.clone(), request));
    let server = serve(listener, ServeConfig::new(), service).with_gate(&gate);
    server.with_graceful_shutdown(stopped).await;
    Ok(())
}

async fn answer(node: Arc<Node>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::POST, "/news") => post(&node, request).await.map(Either::Right),
        (_, "/news") => node.subscribe(&request).await.map(Either::Left),
        (&Method::GET | &Method::HEAD, "/") => node.page().map(Either::Right),
        (&Method::GET | &Method::HEAD, "/health") => node.health().map(Either::Right),
        (_, "/" | "/health") => not_allowed().map(Either::Right),
        _ => {
            failure(StatusCode::NOT_FOUND, "the paths are /, /news and /health").map(Either::Right)
        }
    })
}

/// Publishes the posted text, and answers with its id.
async fn post(node: &Node, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if is_cross_origin(&request) {
        return failure(StatusCode::FORBIDDEN, "pages of other origins cannot post here");
    }
    let body = match collect_body(request.into_body(), LONGEST_POST, TIME_TO_POST).await {
        Ok(body) => body,
        Err(error) => return failure(error.status(), &error.to_string()),
    };
    let item = serde_json::from_slice::<Item>(&body).and_then(|item| serde_json::to_string(&item));
    let json = match item {
        Ok(json) => json,
        Err(error) => return failure(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    match node.news.publish(Event::new(json)).await {
        Ok(id) => reply(StatusCode::CREATED, JSON, format!("{{\"id\":\"{id}\"}}\n")),
        Err(error) => {
            let mut response = failure(status(&error), &error.to_string());
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
    }
}

fn status(error: &PublishError) -> StatusCode {
    match error {
        PublishError::NotReachable(_) => StatusCode::SERVICE_UNAVAILABLE,
        PublishError::OutcomeUnknown(_) => StatusCode::GATEWAY_TIMEOUT,
        PublishError::Ended(_) => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Node {
    /// Answers with the news, from where the client left off at any node.
    async fn subscribe(&self, request: &Request<Incoming>) -> Response<ChannelBody> {
        let last = RequestHead::from(request).last_event_id().clone();
        let subscription = self.news.subscribe(&last).await;
        respond_with(request, &self.endpoint, |head| subscription.into_init(head, |events| events))
    }

    fn page(&self) -> Response<Full<Bytes>> {
        let page = PAGE.replacen("</span>", &format!("{}</span>", self.name), 1);
        reply(StatusCode::OK, "text/html; charset=utf-8", page)
    }

    /// 200 if the node can take clients, and 503 otherwise.
    fn health(&self) -> Response<Full<Bytes>> {
        let health = self.backplane.health();
        let json = serde_json::json!({
            "node": self.name,
            "ready": health.is_ready,
            "connected": health.is_connected,
            "lag_ms": health.lag.map(|lag| u64::try_from(lag.as_millis()).unwrap_or(u64::MAX)),
            "problem": health.problem,
            "last_id": self.news.local().last_id().map(|id| id.to_string()),
        });
        let status = if health.is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let mut response = reply(status, JSON, format!("{json}\n"));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// The page of `news`, whose first span is for the address of the node.
const PAGE: &str = include_str!("../../../lasse/examples/news/news.html");

const JSON: &str = "application/json";

/// In bytes.
const LONGEST_POST: usize = 64 * 1024;

/// How long a post can take to arrive.
const TIME_TO_POST: Duration = Duration::from_secs(10);
