//! A client as the tests use it: impatient, and with the last word on time.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lasse_hyper::lasse_core::{Backoff, Client, ClientClosed};
use lasse_hyper::{ClientEvent, DisconnectReason, EventSource, EventSourceError};
use tokio::time::timeout;
use tokio_stream::StreamExt;

use crate::support::PATIENCE;

pub type Http = legacy::Client<HttpConnector, Full<Bytes>>;

/// A client for an URI, that comes back at once.
pub fn client(uri: &str) -> Client {
    from(Request::get(uri).body(Bytes::new()).unwrap())
}

/// A client for a request, that comes back at once.
pub fn from(request: Request<Bytes>) -> Client {
    let soon = Duration::from_millis(20);
    let backoff = Backoff::new().with_floor(soon).with_ceiling(2 * soon).with_jitter(0);
    Client::new(request).with_retry(soon).with_backoff(backoff)
}

pub fn http1() -> Http {
    legacy::Client::builder(TokioExecutor::new()).build_http()
}

pub fn http2() -> Http {
    legacy::Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

/// Listens over HTTP/1.1.
pub fn listen(client: Client) -> EventSource<Http> {
    EventSource::new(client, http1())
}

/// The next thing heard, which there must be.
pub async fn next_event(source: &mut EventSource<Http>) -> ClientEvent {
    timeout(PATIENCE, source.next_event())
        .await
        .expect("nothing is heard")
        .expect("the end")
        .unwrap()
}

/// The data of the next event, which there must be.
pub async fn event(source: &mut EventSource<Http>) -> String {
    let event = timeout(PATIENCE, source.next()).await.expect("no event is heard");
    event.expect("the end").unwrap().into_data()
}

/// The data of the next few events.
pub async fn events<const N: usize>(source: &mut EventSource<Http>) -> [String; N] {
    let mut events = [const { String::new() }; N];
    for data in &mut events {
        *data = event(source).await;
    }
    events
}

/// Why the stream is lost, which is the next thing heard.
pub async fn loss(source: &mut EventSource<Http>) -> DisconnectReason {
    match next_event(source).await {
        ClientEvent::Lost { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

/// Why the client ends, before any event.
pub async fn end(source: &mut EventSource<Http>) -> Option<ClientClosed> {
    let end = timeout(PATIENCE, source.next()).await.expect("it goes on");
    assert!(timeout(PATIENCE, source.next()).await.expect("it goes on").is_none());
    match end? {
        Err(EventSourceError::Closed { reason, .. }) => Some(reason),
        other => panic!("{other:?}"),
    }
}
