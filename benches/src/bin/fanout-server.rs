//! A server to be put under load: one channel, or one mailbox a client.
//!
//! ```text
//! GET  /events                             live events, replay after Last-Event-ID
//! POST /publish?rate=R&events=E&size=S     answers at once, then publishes; R 0: unthrottled
//! GET  /stream?events=E&size=S             E events of this response's own, then the end
//! ```
//!
//! An event is `id: <seq>`, `data: <seq> <ns> <padding>`: `seq` counts up from 1 over
//! the server's life, `ns` is `CLOCK_MONOTONIC` at publication, `size` is the length
//! of the data. `GET /cost` tells how long the publications took, in nanoseconds:
//! their number, and the median.

use std::convert::Infallible;
use std::error::Error;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body as AxumBody;
use axum::extract::{Request as AxumRequest, State};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::service::service_fn;
use lasse_benches::feed::{Feed, Hub, Question};
use lasse_hyper::EventBody;
use lasse_tokio::{Body, Endpoint, Listener, ServeConfig, dispatch, respond_with};
use tokio::runtime::{Builder, Runtime};

#[derive(Clone, Copy, PartialEq)]
enum Adapter {
    Tokio,
    Hyper,
    Axum,
    Handler,
}

struct Options {
    port: u16,
    adapter: Adapter,
    threads: usize,
    linger: Duration,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    runtime(options.threads)?.block_on(run(options))
}

fn options() -> Result<Options, Box<dyn Error>> {
    let (port, adapter, threads, linger) = (7000, Adapter::Tokio, 1, Duration::ZERO);
    let mut options = Options { port, adapter, threads, linger };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} wants a value"))?;
        match name.as_str() {
            "--port" => options.port = value.parse()?,
            "--threads" => options.threads = value.parse()?,
            "--linger" => options.linger = Duration::from_micros(value.parse()?),
            "--adapter" => {
                options.adapter = match value.as_str() {
                    "tokio" => Adapter::Tokio,
                    "hyper" => Adapter::Hyper,
                    "axum" => Adapter::Axum,
                    "handler" => Adapter::Handler,
                    _ => return Err("--adapter is tokio, hyper, axum or handler".into()),
                }
            }
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(options)
}

fn runtime(threads: usize) -> std::io::Result<Runtime> {
    match threads {
        1 => Builder::new_current_thread().enable_all().build(),
        _ => Builder::new_multi_thread().worker_threads(threads).enable_all().build(),
    }
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let listener = Listener::bind(("127.0.0.1", options.port)).await?;
    let hub = Arc::new(Hub::new(options.linger));
    let endpoint = Endpoint::default();
    match options.adapter {
        Adapter::Tokio => {
            tokio::spawn(dispatch(&hub.channel));
            let server = lasse_tokio::serve(listener, ServeConfig::new(), move |request| {
                ready(match Question::of(&request) {
                    Question::Other => hub.command(&request).map(Body::from),
                    question => respond_with(&request, &endpoint, |request| {
                        hub.subscribe(question, request)
                    }),
                })
            });
            server.await;
        }
        Adapter::Handler => {
            let server = lasse_tokio::serve(listener, ServeConfig::new(), move |request| {
                ready(match Question::of(&request) {
                    Question::Other => hub.command(&request).map(Body::from),
                    question => respond_with(&request, &endpoint, |_| hub.enlist(question)),
                })
            });
            server.await;
        }
        Adapter::Hyper => {
            tokio::spawn(dispatch(&hub.channel));
            let service = service_fn(move |request| {
                ready(Ok::<_, Infallible>(answer_by_hyper(&hub, &endpoint, &request)))
            });
            lasse_hyper::serve(listener, ServeConfig::new(), service).await;
        }
        Adapter::Axum => {
            tokio::spawn(dispatch(&hub.channel));
            let router = router(hub, endpoint);
            lasse_hyper::serve_router(listener, ServeConfig::new(), router).await;
        }
    }
    Ok(())
}

fn router(hub: Arc<Hub>, endpoint: Endpoint) -> Router {
    let answer = async |State((hub, endpoint)): State<(Arc<Hub>, Endpoint)>,
                        request: AxumRequest| {
        answer_by_hyper(&hub, &endpoint, &request).map(AxumBody::new)
    };
    Router::new()
        .route("/events", get(answer))
        .route("/stream", get(answer))
        .route("/publish", post(answer))
        .route("/cost", get(answer))
        .with_state((hub, endpoint))
}

type HyperBody = Either<EventBody<Feed>, Full<Bytes>>;

fn answer_by_hyper<B>(
    hub: &Arc<Hub>,
    endpoint: &Endpoint,
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
