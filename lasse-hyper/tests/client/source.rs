//! An event source for the tests: it reconnects soon, and each wait has a timeout.

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

use crate::support::TIME_LIMIT;

pub type Http = legacy::Client<HttpConnector, Full<Bytes>>;

/// A client of a URI, which reconnects soon.
pub fn client(uri: &str) -> Client {
    client_of(Request::get(uri).body(Bytes::new()).unwrap())
}

/// A client with a request, which reconnects soon.
pub fn client_of(request: Request<Bytes>) -> Client {
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

/// An event source over HTTP/1.1.
pub fn source(client: Client) -> EventSource<Http> {
    EventSource::new(client, http1())
}

/// The next event or notice, which must exist.
pub async fn next_event(source: &mut EventSource<Http>) -> ClientEvent {
    timeout(TIME_LIMIT, source.next_event())
        .await
        .expect("nothing arrives")
        .expect("the source is over")
        .unwrap()
}

/// The data of the next event, which must exist.
pub async fn event(source: &mut EventSource<Http>) -> String {
    let event = timeout(TIME_LIMIT, source.next()).await.expect("no event arrives");
    event.expect("the source is over").unwrap().into_data()
}

/// The data of the next few events.
pub async fn events<const N: usize>(source: &mut EventSource<Http>) -> [String; N] {
    let mut events = [const { String::new() }; N];
    for data in &mut events {
        *data = event(source).await;
    }
    events
}

/// Why the connection is lost, which must be the next notice.
pub async fn disconnect_reason(source: &mut EventSource<Http>) -> DisconnectReason {
    match next_event(source).await {
        ClientEvent::Lost { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

/// Why the client is closed, before any event. `None` if it ends without an error.
pub async fn close_reason(source: &mut EventSource<Http>) -> Option<ClientClosed> {
    let end = timeout(TIME_LIMIT, source.next()).await.expect("the source goes on");
    let next = timeout(TIME_LIMIT, source.next()).await.expect("the source goes on");
    assert!(next.is_none());
    match end? {
        Err(EventSourceError::Closed { reason, .. }) => Some(reason),
        other => panic!("{other:?}"),
    }
}
