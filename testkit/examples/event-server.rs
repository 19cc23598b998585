//! A server for the browser tests: each line of JSON on stdin is an event for all clients
//! of `/events`. When stdin ends, so does the stream.
//!
//! ```text
//! event-server [--tls] [--keep EVENTS] [--keep-alive SECONDS]
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::future::ready;
use std::io::{self, BufRead};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse_hyper::lasse_core::{
    Accept, Channel, ChannelConfig, Event, EventId, EventName, Init, Retention, StreamConfig,
    Subscriber,
};
use lasse_hyper::{Endpoint, Listener, ServeConfig, respond_with, serve};
use serde::Deserialize;
use tokio_rustls::rustls::{self, pki_types::PrivatePkcs8KeyDer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Options { tls, keep, keep_alive } = Options::from_args()?;
    let retention = Retention::new().with_events(keep).with_bytes(64 << 20);
    let channel = Channel::new(&ChannelConfig::new().with_retention(retention));
    let endpoint = Endpoint::new(StreamConfig::new().with_keep_alive(keep_alive));
    let port = std::env::var("PORT").unwrap_or_else(|_| "0".into()).parse::<u16>()?;
    let listener = Listener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;

    let readers = channel.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let response = respond_with(&request, &endpoint, |head| match head.uri().path() {
            "/events" => Subscriber::init(readers.clone(), head),
            _ => Init::Respond(page()),
        });
        ready(Ok::<_, Infallible>(response))
    });
    let server = serve(listener, ServeConfig::new(), service);
    std::thread::spawn(move || {
        if let Err(error) = publish_lines(&channel) {
            eprintln!("{error}");
            std::process::exit(1);
        }
    });
    if tls {
        println!("https://{address}/");
        server.with_tls(test_certificate()?).await;
    } else {
        println!("http://{address}/");
        server.await;
    }
    Ok(())
}

/// An empty page, in which a test opens streams.
fn page() -> Response<Bytes> {
    let mut page = Response::new("<!doctype html><title>test</title>".into());
    page.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    page
}

/// An event, as a test writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    data: String,
    event: Option<String>,
    id: Option<String>,
    retry: Option<u64>,
}

/// Publishes the events of stdin, and prints the id of each on stdout.
fn publish_lines(channel: &Channel) -> Result<(), Box<dyn Error>> {
    for line in io::stdin().lock().lines() {
        let Line { data, event: name, id, retry } = serde_json::from_str(&line?)?;
        let mut event = Event::new(data);
        if let Some(name) = name {
            event = event.with_name(EventName::new(name)?);
        }
        if let Some(id) = id {
            event = event.with_id(EventId::new(id)?);
        }
        if let Some(millis) = retry {
            event = event.with_retry(Duration::from_millis(millis));
        }
        println!("{}", channel.publish(&event)?);
    }
    channel.finish();
    Ok(())
}

struct Options {
    tls: bool,
    keep: u64,
    keep_alive: Duration,
}

impl Options {
    fn from_args() -> Result<Self, Box<dyn Error>> {
        let mut options = Self { tls: false, keep: 100_000, keep_alive: Duration::from_secs(15) };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} takes a number"));
            match arg.as_str() {
                "--tls" => options.tls = true,
                "--keep" => options.keep = value()?.parse()?,
                "--keep-alive" => {
                    options.keep_alive = Duration::try_from_secs_f64(value()?.parse()?)?;
                }
                _ => return Err(format!("{arg} is not an option").into()),
            }
        }
        Ok(options)
    }
}

fn test_certificate() -> Result<rustls::ServerConfig, Box<dyn Error>> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".into()])?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    Ok(rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())?)
}
