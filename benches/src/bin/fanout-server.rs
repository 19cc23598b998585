//! A server to measure: one channel for all clients, or a mailbox for each.
//!
//! ```text
//! GET  /events                           live events, after Last-Event-ID
//! GET  /events?topic=N                   those of the topic `user.N`, and of `notices`
//! POST /publish?rate=R&events=E&size=S   answers at once, then publishes; R events a
//!                                        second, or as fast as possible if R is 0
//! POST /publish?...&topics=N             the same, E events to each of N topics in turn,
//!                                        which are numbered for each topic
//! GET  /stream?events=E&size=S           E events for this response, then the end
//! GET  /cost                             how many publications there were, and the
//!                                        median of their times in nanoseconds
//! ```
//!
//! An event is `id: <id>` and `data: <number> <time> <padding>`. The number counts from
//! 1 over the life of the server, the time is `CLOCK_MONOTONIC` in nanoseconds when the
//! event was published, and the data has S bytes. Every server that keeps this contract
//! can be measured; only `/events` and `/publish` are needed, without topics. Events of topics
//! have ids of the channel, which refuses events of the other kind from then on.
//!
//! With `--feed stdin`, the server publishes each line of its input as the data of an event,
//! and ends with the input: several servers with the same input are nodes of one channel.
//! With `--redis URL`, the channel is the stream `events` of that server.
//! `--keep-alive 0` sends no comments to idle clients.

use std::convert::Infallible;
use std::error::Error;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::any;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::service::service_fn;
use lasse_benches::feed::{Feed, Hub};
use lasse_benches::question::Question;
use lasse_hyper::EventBody;
use lasse_redis::RedisServer;
use lasse_tokio::lasse_core::{Init, RequestHead, StreamConfig};
use lasse_tokio::{Body, Endpoint, Listener, ServeConfig, SessionBody, dispatch, respond_with};
use tokio::runtime::{Builder, Runtime};

/// What serves the events.
#[derive(Clone, Copy)]
enum Adapter {
    /// A channel over `lasse-tokio`.
    Tokio,
    /// A channel over `lasse-hyper`.
    Hyper,
    /// A channel in an axum router, over `lasse-hyper`.
    Axum,
    /// A handler with a mailbox for each client, over `lasse-tokio`.
    Handler,
}

struct Options {
    port: u16,
    adapter: Adapter,
    threads: usize,
    linger: Duration,
    keep_alive: Option<Duration>,
    has_feed: bool,
    redis: Option<RedisServer>,
}

/// What all requests share.
#[derive(Clone)]
struct Shared {
    hub: Arc<Hub>,
    endpoint: Endpoint,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    runtime(options.threads)?.block_on(run(options))
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        port: 7000,
        adapter: Adapter::Tokio,
        threads: 1,
        linger: Duration::ZERO,
        keep_alive: Some(Duration::from_secs(15)),
        has_feed: false,
        redis: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--port" => options.port = value.parse()?,
            "--threads" => options.threads = value.parse()?,
            "--linger" => options.linger = Duration::from_micros(value.parse()?),
            "--keep-alive" => {
                let time = Duration::from_secs(value.parse()?);
                options.keep_alive = Some(time).filter(|time| !time.is_zero());
            }
            "--feed" if value == "stdin" => options.has_feed = true,
            "--redis" => options.redis = Some(RedisServer::new(value)?),
            "--adapter" => options.adapter = adapter_of(&value)?,
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(options)
}

fn adapter_of(name: &str) -> Result<Adapter, &'static str> {
    match name {
        "tokio" => Ok(Adapter::Tokio),
        "hyper" => Ok(Adapter::Hyper),
        "axum" => Ok(Adapter::Axum),
        "handler" => Ok(Adapter::Handler),
        _ => Err("--adapter is tokio, hyper, axum or handler"),
    }
}

fn runtime(threads: usize) -> std::io::Result<Runtime> {
    match threads {
        1 => Builder::new_current_thread().enable_all().build(),
        _ => Builder::new_multi_thread().worker_threads(threads).enable_all().build(),
    }
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let listener = Listener::bind(("127.0.0.1", options.port)).await?;
    let streams = StreamConfig::new().with_keep_alive(options.keep_alive);
    // The dispatcher of a channel on Redis runs already.
    let has_dispatcher = options.redis.is_some();
    let hub = match options.redis {
        Some(server) => Hub::on_redis(server, options.linger)?,
        None => Hub::new(options.linger),
    };
    let shared = Shared { hub: Arc::new(hub), endpoint: Endpoint::new(streams) };
    if options.has_feed {
        let hub = shared.hub.clone();
        std::thread::spawn(move || hub.relay(std::io::stdin().lock()));
    }
    if !has_dispatcher && !matches!(options.adapter, Adapter::Handler) {
        tokio::spawn(dispatch(&shared.hub.channel));
    }
    serve(options.adapter, listener, shared).await;
    Ok(())
}

async fn serve(adapter: Adapter, listener: Listener, shared: Shared) {
    let config = ServeConfig::new();
    match adapter {
        Adapter::Tokio => {
            lasse_tokio::serve(listener, config, move |request| {
                ready(answer_by_tokio(&shared, &request, Hub::subscribe))
            })
            .await;
        }
        Adapter::Handler => {
            lasse_tokio::serve(listener, config, move |request| {
                ready(answer_by_tokio(&shared, &request, |hub, question, _| hub.enlist(question)))
            })
            .await;
        }
        Adapter::Hyper => {
            let service = service_fn(move |request| {
                ready(Ok::<_, Infallible>(answer_by_hyper(&shared, &request)))
            });
            lasse_hyper::serve(listener, config, service).await;
        }
        Adapter::Axum => {
            let router = Router::new()
                .route("/events", any(answer_by_axum))
                .route("/stream", any(answer_by_axum))
                .route("/publish", any(answer_by_axum))
                .route("/cost", any(answer_by_axum))
                .with_state(shared);
            lasse_hyper::serve_router(listener, config, router).await;
        }
    }
}

fn answer_by_tokio(
    Shared { hub, endpoint }: &Shared,
    request: &Request<()>,
    init: impl FnOnce(&Hub, Question, &RequestHead<'_>) -> Init<Feed>,
) -> Response<SessionBody<Feed>> {
    match Question::of(request) {
        Question::Other => hub.command(request).map(Body::from),
        question => respond_with(request, endpoint, |request| init(hub, question, request)),
    }
}

type HyperBody = Either<EventBody<Feed>, Full<Bytes>>;

fn answer_by_hyper<B>(
    Shared { hub, endpoint }: &Shared,
    request: &Request<B>,
) -> Response<HyperBody> {
    match Question::of(request) {
        Question::Other => hub.command(request).map(|body| Either::Right(Full::new(body))),
        question => {
            lasse_hyper::respond_with(request, endpoint, |request| hub.subscribe(question, request))
                .map(Either::Left)
        }
    }
}

async fn answer_by_axum(
    State(shared): State<Shared>,
    request: axum::extract::Request,
) -> axum::response::Response {
    answer_by_hyper(&shared, &request).map(axum::body::Body::new)
}
