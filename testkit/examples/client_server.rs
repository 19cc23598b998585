//! A server for the suite of foreign clients, `testkit/clients`: one log, behind an endpoint for
//! each dialect.
//!
//! ```text
//! client_server [--replay EVENTS] [--refuse]
//! ```
//!
//! | path | dialect |
//! |---|---|
//! | `/event-source` | `Dialect::EventSource` |
//! | `/fetch` | `Dialect::Fetch` |
//! | `/data-only` | `Dialect::DataOnly` |
//! | `/auto` | `Dialect::Auto` |
//!
//! Clients of OpenAI's API request `/chat/completions` below each of them, by POST.
//!
//! Each line of its standard input is a command as JSON: `{"publish": {"data": "1"}}`, `"refuse"`,
//! `"admit"`, `"finish"`, `"drain"`. With `--replay`, as many events are read before the server
//! listens: a restarted server has the events of the one before, under the same ids. The program ends
//! with its input.
//!
//! The first line of the output is its URL, and each later one is a request: the dialect that the
//! client gets, the milliseconds since the server was started, and the last event id.

use std::convert::Infallible;
use std::error::Error;
use std::future::ready;
use std::io::{self, BufRead};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse_hyper::lasse_core::{
    Accept, Channel, ChannelConfig, Dialect, Epoch, Event, EventName, Init, RequestHead, Retention,
    StartAt, StreamConfig, Subscriber,
};
use lasse_hyper::{
    ChannelBody, DrainPlan, Endpoint, Gate, GateConfig, Listener, ServeConfig, respond_with, serve,
};
use serde::Deserialize;
use tokio::sync::Notify;
use tokio::time::Instant;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_args()?;
    let retention = Retention::new().with_bytes(64 << 20);
    let config = ChannelConfig::new().with_start(StartAt::Oldest).with_retention(retention);
    let channel = Channel::with_epoch(&config, Epoch::new("suite")?);
    let is_refusing = AtomicBool::new(options.refuse);
    let start = Instant::now();
    let app = Arc::new(App { channel, is_refusing, drain: Notify::new(), start });
    app.read_commands(options.replay)?;

    let port = std::env::var("PORT").unwrap_or_else(|_| "0".into()).parse::<u16>()?;
    let listener = Listener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/", listener.local_addr()?);
    let (service, endpoint) = (app.clone(), Endpoint::new(stream_config()));
    let service = service_fn(move |request: Request<Incoming>| {
        ready(Ok::<_, Infallible>(service.answer(&request, &endpoint)))
    });
    let gate = Gate::new(GateConfig::new().with_drain_plan(drain_plan()));
    let server = serve(listener, ServeConfig::new(), service).with_gate(&gate);
    let commands = app.clone();
    std::thread::spawn(move || {
        match commands.read_commands(usize::MAX) {
            // The suite has ended.
            Ok(()) => std::process::exit(0),
            Err(error) => {
                eprintln!("{error}");
                std::process::exit(1);
            }
        }
    });
    server.with_graceful_shutdown(async move { app.drain.notified().await }).await;
    Ok(())
}

struct App {
    channel: Channel,
    is_refusing: AtomicBool,
    drain: Notify,
    start: Instant,
}

impl App {
    fn answer(&self, request: &Request<Incoming>, endpoint: &Endpoint) -> Response<ChannelBody> {
        let path = request.uri().path();
        let dialect = match path.strip_suffix("/chat/completions").unwrap_or(path) {
            "/event-source" => Dialect::EventSource,
            "/fetch" => Dialect::Fetch,
            "/data-only" => Dialect::DataOnly,
            "/auto" => Dialect::Auto,
            _ => return respond_with(request, endpoint, |_| Init::Respond(page())),
        };
        let endpoint = endpoint.clone().with_dialect(dialect);
        respond_with(request, &endpoint, |head| {
            let time = self.start.elapsed().as_millis();
            println!("{:?} {time} {:?}", dialect.resolve(head), head.last_event_id());
            self.init(head)
        })
    }

    fn init(&self, head: &RequestHead<'_>) -> Init<Subscriber> {
        if self.is_refusing.load(Ordering::Relaxed) {
            return Init::refuse(Duration::from_secs(3));
        }
        Subscriber::init(self.channel.clone(), head)
    }

    /// Obeys so many lines of the standard input, or all.
    fn read_commands(&self, count: usize) -> Result<(), Box<dyn Error>> {
        for line in io::stdin().lock().lines().take(count) {
            match serde_json::from_str(&line?)? {
                Command::Publish { data, event, retry } => {
                    let mut message = Event::new(data);
                    if let Some(name) = event {
                        message = message.with_name(EventName::new(name)?);
                    }
                    if let Some(millis) = retry {
                        message = message.with_retry(Duration::from_millis(millis));
                    }
                    self.channel.publish(message)?;
                }
                Command::Refuse => self.is_refusing.store(true, Ordering::Relaxed),
                Command::Admit => self.is_refusing.store(false, Ordering::Relaxed),
                Command::Finish => self.channel.finish(),
                Command::Drain => self.drain.notify_one(),
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Command {
    Publish {
        data: String,
        event: Option<String>,
        /// In milliseconds.
        retry: Option<u64>,
    },
    Refuse,
    Admit,
    Finish,
    Drain,
}

/// An empty page, in which a browser opens streams.
fn page() -> Response<Bytes> {
    let page = Bytes::from_static(b"<!doctype html><link rel=icon href='data:,'><body></body>");
    let mut response = Response::new(page);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

/// Keep-alives are frequent, so that a client which takes one for an event does so soon.
fn stream_config() -> StreamConfig {
    StreamConfig::new().with_post(true).with_keep_alive(Duration::from_millis(200))
}

/// Clients reconnect when the next server listens, since some do not try again.
fn drain_plan() -> DrainPlan {
    DrainPlan::new()
        .with_notice(Duration::ZERO)
        .with_window(Duration::from_millis(500))
        .with_retry(Duration::from_millis(3_000)..=Duration::from_millis(3_400))
}

struct Options {
    replay: usize,
    refuse: bool,
}

impl Options {
    fn from_args() -> Result<Self, Box<dyn Error>> {
        let mut options = Self { replay: 0, refuse: false };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--refuse" => options.refuse = true,
                "--replay" => {
                    options.replay = args.next().ok_or("--replay takes a number")?.parse()?;
                }
                _ => return Err(format!("{arg} is not an option").into()),
            }
        }
        Ok(options)
    }
}
