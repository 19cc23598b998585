//! The rules of the client, each with a literal time.

#![cfg(feature = "http")]

mod once;
mod redirects;
mod requests;
mod responses;
mod waits;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use lasse_core::{Client, ClientClosed, ClientOutput, Decoded, Instant};

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * 1_000_000_000)
}

fn get(uri: &str) -> Request<Bytes> {
    Request::get(uri).body(Bytes::new()).unwrap()
}

fn client() -> Client {
    Client::new(get("http://a/events"))
}

fn head(status: u16, headers: &[(&str, &str)]) -> Response<()> {
    let head = Response::builder().status(status);
    headers.iter().fold(head, |head, (name, value)| head.header(*name, *value)).body(()).unwrap()
}

fn stream() -> Response<()> {
    head(200, &[("content-type", "text/event-stream")])
}

/// Polls without jitter.
fn poll(client: &mut Client, now: Instant) -> ClientOutput {
    client.poll_output(now, 0)
}

#[track_caller]
fn connect(client: &mut Client, now: Instant) -> Request<Bytes> {
    match poll(client, now) {
        ClientOutput::Connect(request) => request,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn open(client: &mut Client, now: Instant) -> Request<Bytes> {
    let request = connect(client, now);
    client.handle_head(&stream(), now);
    assert!(matches!(poll(client, now), ClientOutput::Listen(_)));
    request
}

#[track_caller]
fn waits_until(client: &mut Client, now: Instant) -> Instant {
    match poll(client, now) {
        ClientOutput::Wait(until) => until,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn closed(client: &mut Client, now: Instant) -> ClientClosed {
    match poll(client, now) {
        ClientOutput::Closed(reason) => reason,
        other => panic!("{other:?}"),
    }
}

/// The data of the messages in `bytes`.
fn receive(client: &mut Client, bytes: &[u8], now: Instant) -> Vec<String> {
    let mut input = bytes;
    let mut messages = Vec::new();
    while let Some(decoded) = client.handle_bytes(&mut input, now).unwrap() {
        if let Decoded::Message(message) = decoded {
            messages.push(message.data().to_string());
        }
    }
    messages
}

fn last_event_id(request: &Request<Bytes>) -> Option<&[u8]> {
    request.headers().get("last-event-id").map(HeaderValue::as_bytes)
}
