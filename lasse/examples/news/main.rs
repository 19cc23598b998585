//! News: a page, a feed that misses nothing, and a form to post.
//!
//! ```text
//! cargo run --release --example news    # http://127.0.0.1:4000/
//! curl -N http://127.0.0.1:4000/news
//! curl -d '{"title":"Tea","content":"It is ready."}' http://127.0.0.1:4000/news
//! ```
//!
//! `PORT` changes the port. `NEWS` names a file in which the news outlive the
//! server; readers then resume as if it had never been away.

use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse::hyper::{EventBody, serve, subscribe};
use lasse::{
    Channel, ChannelConfig, Endpoint, Epoch, Event, Listener, ServeConfig, Silence, StartAt,
    StreamConfig, Subscriber,
};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

/// One piece of news.
#[derive(Deserialize, Serialize)]
struct Item {
    title: String,
    content: String,
}

/// All of them.
struct News {
    channel: Channel,
    file: Mutex<Option<File>>,
    endpoint: Endpoint,
}

type Body = Either<EventBody<Subscriber, Silence<Subscriber>>, Full<Bytes>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").unwrap_or_else(|_| "4000".into()).parse::<u16>()?;
    let news = Arc::new(News::open(env::var("NEWS").ok())?);
    let listener = Listener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/", listener.local_addr()?);

    let service = service_fn(move |request| answer(news.clone(), request));
    let mut terminate = signal(SignalKind::terminate())?;
    let told_to_stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    serve(listener, ServeConfig::new(), service).with_graceful_shutdown(told_to_stop).await;
    Ok(())
}

async fn answer(news: Arc<News>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::POST, "/news") => post(&news, request).await.map(Either::Right),
        (_, "/news") => subscribe(&request, &news.endpoint, &news.channel).map(Either::Left),
        (&Method::GET | &Method::HEAD, "/") => page().map(Either::Right),
        (_, "/") => not_allowed().map(Either::Right),
        _ => refusal(StatusCode::NOT_FOUND, "there is / and /news").map(Either::Right),
    })
}

/// Publishes what is posted, and tells its id.
async fn post(news: &News, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let body = match Limited::new(request.into_body(), 64 * 1024).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return refusal(StatusCode::PAYLOAD_TOO_LARGE, &error.to_string()),
    };
    let item = match serde_json::from_slice(&body) {
        Ok(item) => item,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    match news.publish(&item) {
        Ok(id) => reply(StatusCode::CREATED, "application/json", format!("{{\"id\":\"{id}\"}}\n")),
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

impl News {
    /// The news of `file`, under the ids that they had before.
    fn open(file: Option<String>) -> Result<Self, Box<dyn Error>> {
        // Posts do not reach the stream's endpoint, but whoever is refused should know.
        let endpoint = Endpoint::new(StreamConfig::new().with_post(true));
        let config = ChannelConfig::new().with_start(StartAt::Last(20));
        let Some(path) = file else {
            return Ok(Self { channel: Channel::new(&config), file: None.into(), endpoint });
        };
        let channel = Channel::with_epoch(&config, Epoch::new("news")?);
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        for line in BufReader::new(&file).lines() {
            channel.publish(&Event::new(line?))?;
        }
        Ok(Self { channel, file: Some(file).into(), endpoint })
    }

    fn publish(&self, item: &Item) -> Result<String, Box<dyn Error>> {
        let line = serde_json::to_string(item).map_err(io::Error::from)?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &mut *file {
            writeln!(file, "{line}")?;
        }
        Ok(self.channel.publish(&Event::new(line))?.to_string())
    }
}

fn page() -> Response<Full<Bytes>> {
    reply(StatusCode::OK, "text/html; charset=utf-8", include_str!("news.html"))
}

fn not_allowed() -> Response<Full<Bytes>> {
    let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "this is a page to GET");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn refusal(status: StatusCode, what_is_wrong: &str) -> Response<Full<Bytes>> {
    reply(status, "text/plain; charset=utf-8", format!("{what_is_wrong}\n"))
}

fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
