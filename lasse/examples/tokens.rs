//! The tokens of a language model as they come: to an `EventSource` by GET, to
//! `fetch` by POST.
//!
//! ```text
//! cargo run --release --example tokens
//! curl -N 'http://127.0.0.1:4000/?prompt=tea'
//! curl -N -d 'tea' http://127.0.0.1:4000/
//! ```
//!
//! There is one answer to a prompt, kept in a channel of its own. Reload in the
//! middle of it, or lose the connection, and it goes on where it was; come back
//! after the end, and a 204 tells the browser to stay away. When no one has listened
//! for ten seconds, the model is stopped.

use std::convert::Infallible;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse::hyper::{BodyError, ChannelBody, collect_body, respond_with, serve};
use lasse::{
    AppendError, Channel, ChannelConfig, Channels, Endpoint, Event, EventName, Listener, Publisher,
    ServeConfig, StartAt, StreamConfig, idle, sweep,
};
use tokio::time::sleep;

const DONE: EventName = EventName::from_static("done");

/// In bytes.
const LONGEST_PROMPT: usize = 64 * 1024;

/// The answers that have been begun, by prompt.
struct Answers {
    channels: Channels<String>,
    beginning: Mutex<()>,
    endpoint: Endpoint,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "4000".into()).parse::<u16>()?;
    let listener = Listener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/?prompt=tea", listener.local_addr()?);

    let answers = Arc::new(Answers {
        channels: Channels::new(&ChannelConfig::new().with_start(StartAt::Oldest)),
        beginning: Mutex::default(),
        endpoint: Endpoint::new(StreamConfig::new().with_post(true).with_finite(true)),
    });
    tokio::spawn(sweep(&answers.channels));
    let service = service_fn(move |request| answer(answers.clone(), request));
    serve(listener, ServeConfig::new(), service)
        .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .await;
    Ok(())
}

type Body = Either<ChannelBody, Full<Bytes>>;

async fn answer(
    answers: Arc<Answers>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let posted = match collect_body(body, LONGEST_PROMPT, Duration::from_secs(10)).await {
        Ok(posted) => posted,
        Err(error) => return Ok(refuse(&error).map(Either::Right)),
    };
    let query = head.uri.query().and_then(|query| query.strip_prefix("prompt="));
    let prompt = query.map_or_else(|| String::from_utf8_lossy(&posted).into(), str::to_owned);

    let response = respond_with(&head, &answers.endpoint, |request| {
        let subscription = answers.to(prompt).subscribe(request.last_event_id());
        subscription.into_init(|subscriber| subscriber)
    });
    Ok(response.map(Either::Left))
}

fn refuse(error: &BodyError) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(format!("{error}\n").into()));
    *response.status_mut() = error.status();
    response
}

impl Answers {
    /// The answer to a prompt, begun if it was not.
    fn to(self: &Arc<Self>, prompt: String) -> Channel {
        let _once = self.beginning.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(begun) = self.channels.get(&prompt) {
            return begun;
        }
        let channel = self.channels.open(prompt.clone());
        tokio::spawn(self.clone().give(prompt, channel.publisher()));
        channel
    }

    /// Has the model answer, unless all who listened are gone.
    async fn give(self: Arc<Self>, prompt: String, publisher: Publisher) {
        let abandoned = idle(publisher.channel(), Duration::from_secs(10));
        tokio::select! {
            given = generate(&prompt, publisher) => given.unwrap_or_else(|error| eprintln!("{error}")),
            () = abandoned => {
                eprintln!("no one listens any more to {prompt:?}");
                self.channels.remove(&prompt);
            }
        }
    }
}

/// The model.
async fn generate(prompt: &str, publisher: Publisher) -> Result<(), AppendError> {
    let text = format!("You said {prompt:?}. I have nothing to add, but I shall say it slowly.");
    for token in text.split_inclusive(' ') {
        sleep(Duration::from_millis(150)).await;
        publisher.publish(Event::new(token))?;
    }
    publisher.finish_with(Event::new("").with_name(DONE)).map(drop)
}
