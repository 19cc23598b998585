//! A client that sends its request once.

use std::time::Duration;

use http::StatusCode;
use lasse_core::{Client, ClientClosed};

use crate::redirects::redirect;
use crate::{at, closed, connect, get, head, open, receive};

#[test]
fn a_client_that_runs_once_ends_with_its_stream() {
    let mut client = Client::once(get("http://a/events"));
    open(&mut client, at(0));
    assert_eq!(receive(&mut client, b"id: 1\ndata: a\n\n", at(1)), ["a"]);
    client.handle_end(at(2));
    assert_eq!(closed(&mut client, at(2)), ClientClosed::Ended);
    assert_eq!(client.last_event_id(), "1");
}

#[test]
fn a_client_that_runs_once_never_sends_its_request_again() {
    let once = || Client::once(get("http://a/events")).with_retried_statuses();
    let mut client = once();
    connect(&mut client, at(0));
    client.handle_error(at(1));
    assert_eq!(closed(&mut client, at(1)), ClientClosed::Disconnected);
    let mut client = once();
    open(&mut client, at(0));
    client.handle_error(at(1));
    assert_eq!(closed(&mut client, at(1)), ClientClosed::Disconnected);
    let mut client = once().with_read_timeout(Duration::from_secs(5));
    open(&mut client, at(0));
    assert_eq!(closed(&mut client, at(5)), ClientClosed::Disconnected);
    let mut client = once();
    connect(&mut client, at(0));
    client.handle_head(&head(503, &[("retry-after", "1")]), at(0));
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    assert_eq!(closed(&mut client, at(0)), ClientClosed::Status(unavailable));
    let mut client = once();
    connect(&mut client, at(0));
    assert_eq!(redirect(&mut client, 307, "/b").uri(), "http://a/b", "a redirect is followed");
}
