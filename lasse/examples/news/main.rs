//! News: a page, a stream that resumes after a reconnect, and a form to post.
//!
//! ```text
//! cargo run --release --example news    # http://127.0.0.1:4000/
//! curl -N http://127.0.0.1:4000/news
//! curl -d '{"title":"Tea","content":"It is ready."}' http://127.0.0.1:4000/news
//! ```
//!
//! `PORT` changes the port. `NEWS` names a file that keeps the news over a restart:
//! clients then resume as if the server had not stopped.

#[path = "../support/plain_http.rs"]
mod plain_http;
#[path = "../support/shutdown.rs"]
mod shutdown;
mod store;

use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse::hyper::{ChannelBody, collect_body, serve, subscribe};
use lasse::{
    Channel, ChannelConfig, Dialect, DrainPlan, Endpoint, Epoch, Event, EventId, Gate, GateConfig,
    Listener, ServeConfig, StartAt, StreamConfig,
};
use plain_http::{failure, is_cross_origin, not_allowed, reply};
use serde::{Deserialize, Serialize};
use store::Store;

/// One piece of news.
#[derive(Deserialize, Serialize)]
struct Item {
    title: String,
    content: String,
}

/// What all requests share.
struct News {
    channel: Channel,
    posts: Mutex<Posts>,
    endpoint: Endpoint,
}

/// Where posts go before they are published.
struct Posts {
    store: Option<Store>,
    /// The number of the newest event.
    newest: u64,
}

type Body = Either<ChannelBody, Full<Bytes>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").unwrap_or_else(|_| "4000".into()).parse::<u16>()?;
    let news = Arc::new(News::open(env::var_os("NEWS").as_ref().map(Path::new))?);
    let listener = Listener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/", listener.local_addr()?);

    let service = service_fn(move |request| answer(news.clone(), request));
    // No load balancer needs time to notice a shutdown.
    let plan = DrainPlan::new().with_notice(Duration::ZERO);
    let gate = Gate::new(GateConfig::new().with_drain_plan(plan));
    let server = serve(listener, ServeConfig::new(), service).with_gate(&gate);
    server.with_graceful_shutdown(async { drop(shutdown::signalled().await) }).await;
    Ok(())
}

async fn answer(news: Arc<News>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::POST, "/news") => post(news, request).await.map(Either::Right),
        (_, "/news") => subscribe(&request, &news.endpoint, &news.channel).map(Either::Left),
        (&Method::GET | &Method::HEAD, "/") => page().map(Either::Right),
        (_, "/") => not_allowed().map(Either::Right),
        _ => failure(StatusCode::NOT_FOUND, "the paths are / and /news").map(Either::Right),
    })
}

/// Publishes the posted text, and answers with its id.
async fn post(news: Arc<News>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if is_cross_origin(&request) {
        return failure(StatusCode::FORBIDDEN, "pages of other origins cannot post here");
    }
    let body = match collect_body(request.into_body(), LONGEST_POST, TIME_TO_POST).await {
        Ok(body) => body,
        Err(error) => return failure(error.status(), &error.to_string()),
    };
    let item = match serde_json::from_slice::<Item>(&body) {
        Ok(item) => item,
        Err(error) => return failure(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    // A sync of the file blocks, so it has a thread of its own.
    let published =
        tokio::task::spawn_blocking(move || news.publish(&item).map_err(|error| error.to_string()));
    match published.await.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(id) => reply(StatusCode::CREATED, "application/json", format!("{{\"id\":\"{id}\"}}\n")),
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, &error),
    }
}

impl News {
    /// The news of `file`, under the ids that they had before.
    fn open(file: Option<&Path>) -> Result<Self, Box<dyn Error>> {
        // Only GET and HEAD reach the endpoint, but a 405 must allow POST too. Browsers read the
        // stream, and so do programs.
        let streams = StreamConfig::new().with_post(true).with_dialect(Dialect::Auto);
        let endpoint = Endpoint::new(streams);
        let config = ChannelConfig::new().with_start(StartAt::Last(20));
        let (mut channel, mut newest) = (None, 0);
        let store = file.map(|path| {
            Store::open(path, |line| {
                let (epoch, number, id, json) = parse(line)?;
                let channel = channel.get_or_insert_with(|| Channel::with_epoch(&config, epoch));
                if channel.epoch() != epoch {
                    return Err(format!("{id} follows ids of {}", channel.epoch()).into());
                }
                channel.publish_as(&id, Event::new(json))?;
                newest = number;
                Ok(())
            })
        });
        let posts = Mutex::new(Posts { store: store.transpose()?, newest });
        let channel = channel.unwrap_or_else(|| Channel::new(&config));
        Ok(Self { channel, posts, endpoint })
    }

    /// Stores an item, then publishes it under the next id.
    fn publish(&self, item: &Item) -> Result<EventId, Box<dyn Error>> {
        let json = serde_json::to_string(item)?;
        let mut posts = self.posts();
        let Posts { store, newest } = &mut *posts;
        let number = *newest + 1;
        let id = EventId::new(format!("{}-{number}", self.channel.epoch()))?;
        let line = format!("{id} {json}");
        let publish = || Ok(self.channel.publish_as(&id, Event::new(json))?);
        let id = match store {
            Some(store) => store.append(&line, publish)?,
            None => publish()?,
        };
        *newest = number;
        Ok(id)
    }

    fn posts(&self) -> MutexGuard<'_, Posts> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a line of the file: an id, a space, and an item as JSON.
fn parse(line: &str) -> Result<(Epoch, u64, EventId, &str), Box<dyn Error>> {
    let (id, json) = line.split_once(' ').ok_or("there is no space")?;
    let (epoch, number) = id.rsplit_once('-').ok_or("the id has no number")?;
    serde_json::from_str::<Item>(json)?;
    Ok((Epoch::new(epoch)?, number.parse()?, EventId::new(id.to_owned())?, json))
}

fn page() -> Response<Full<Bytes>> {
    reply(StatusCode::OK, "text/html; charset=utf-8", include_str!("news.html"))
}

/// In bytes.
const LONGEST_POST: usize = 64 * 1024;

/// How long a post can take to arrive.
const TIME_TO_POST: Duration = Duration::from_secs(10);
