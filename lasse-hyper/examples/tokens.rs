//! The tokens of a language model as they come: to an `EventSource` by GET, to
//! `fetch` by POST.
//!
//! ```text
//! cargo run --release --example tokens
//! curl -N 'http://127.0.0.1:4000/?prompt=tea'
//! curl -N -d 'tea' http://127.0.0.1:4000/
//! ```
//!
//! Whoever leaves cancels the model's work. A browser that comes back after the
//! end is answered 204, which tells it to stay away.

use std::error::Error;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse_hyper::lasse_core::{Config, Event, EventId, EventName, Init};
use lasse_hyper::{
    EventBody, Events, Listener, Relay, Route, Said, ServeConfig, respond_with, serve,
};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;

const DONE: EventName = EventName::from_static("done");
const END: EventId = EventId::from_static("end");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "4000".into()).parse::<u16>()?;
    let listener = Listener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/?prompt=tea", listener.local_addr()?);

    let route = Route::new(Config::new().with_post(true).with_finite(true));
    let service = service_fn(move |request| answer(route.clone(), request));
    serve(listener, ServeConfig::new(), service)
        .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .await;
    Ok(())
}

async fn answer(
    route: Route,
    request: Request<Incoming>,
) -> Result<Response<EventBody<Relay, Events<Tokens>>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let posted = body.collect().await?.to_bytes();
    let asked = head.uri.query().and_then(|query| query.strip_prefix("prompt="));
    let prompt = asked.map_or_else(|| String::from_utf8_lossy(&posted).into(), str::to_owned);

    Ok(respond_with(&head, &route, |request| {
        let (model, tokens) = mpsc::channel(8);
        let events = Events::new(ReceiverStream::new(tokens));
        if request.last_event_id().id() == Some(&END) {
            return (Init::NoContent, events);
        }
        tokio::spawn(generate(prompt, model));
        (Init::Stream(Relay, vec![]), events)
    }))
}

/// The model. It stops when no one listens any more.
async fn generate(prompt: String, client: mpsc::Sender<Said>) {
    let text = format!("You said {prompt:?}. I have nothing to add, but I shall say it slowly.");
    for token in text.split_inclusive(' ') {
        sleep(Duration::from_millis(150)).await;
        if client.send(Event::new(token).into()).await.is_err() {
            return eprintln!("cancelled before {token:?}");
        }
    }
    let done = Event::new("").with_name(DONE).with_id(END);
    let _ = client.send(Said::last(done)).await;
}

type Tokens = ReceiverStream<Said>;
