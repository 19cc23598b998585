//! The requests that the client sends.

use bytes::Bytes;
use http::{Method, Request};
use lasse_core::{Client, EventId};

use crate::{at, client, connect, last_event_id, open, receive, waits_until};

#[test]
fn the_first_request_accepts_a_stream_and_no_cached_answer() {
    let request = connect(&mut client(), at(0));
    assert_eq!(request.method(), Method::GET);
    assert_eq!(request.headers()["accept"], "text/event-stream");
    assert_eq!(request.headers()["cache-control"], "no-cache");
    assert_eq!(last_event_id(&request), None);
}

#[test]
fn method_headers_and_body_are_sent_with_each_request() {
    let template = Request::builder()
        .method("REPORT")
        .uri("http://a/")
        .header("x-key", "1")
        .header("accept", "*/*");
    let mut client = Client::new(template.body(Bytes::from_static(b"{}")).unwrap());
    let first = open(&mut client, at(0));
    client.handle_end(at(1));
    let second = connect(&mut client, at(4));
    for request in [first, second] {
        assert_eq!(request.method().as_str(), "REPORT");
        assert_eq!(request.headers()["x-key"], "1");
        assert_eq!(request.headers()["accept"], "*/*");
        assert_eq!(request.body(), "{}");
    }
}

#[test]
fn the_client_reconnects_with_the_last_event_id() {
    let mut client = client();
    open(&mut client, at(0));
    assert_eq!(receive(&mut client, b"id: 1\ndata: a\n\n", at(1)), ["a"]);
    client.handle_end(at(10));
    assert_eq!(waits_until(&mut client, at(10)), at(13));
    assert_eq!(last_event_id(&open(&mut client, at(13))), Some(b"1".as_slice()));
}

#[test]
fn an_id_is_kept_when_later_events_have_none() {
    let mut client = client();
    open(&mut client, at(0));
    receive(&mut client, b"id: 1\ndata: a\n\ndata: b\n\n", at(1));
    client.handle_end(at(1));
    assert_eq!(last_event_id(&open(&mut client, at(4))), Some(b"1".as_slice()));
    receive(&mut client, b"data: c\n\n", at(5));
    client.handle_end(at(40));
    assert_eq!(last_event_id(&connect(&mut client, at(43))), Some(b"1".as_slice()));
}

#[test]
fn an_empty_id_sends_no_header() {
    let mut client = client().with_last_event_id(&EventId::from(1));
    assert_eq!(last_event_id(&open(&mut client, at(0))), Some(b"1".as_slice()));
    receive(&mut client, b"id\ndata: a\n\n", at(1));
    client.handle_end(at(1));
    assert_eq!(last_event_id(&connect(&mut client, at(4))), None);
}

#[test]
fn an_id_in_utf_8_is_sent_unchanged() {
    let mut client = client();
    open(&mut client, at(0));
    receive(&mut client, "id: Zürich, 🦀\n\n".as_bytes(), at(1));
    client.handle_end(at(1));
    let request = connect(&mut client, at(4));
    assert_eq!(last_event_id(&request), Some("Zürich, 🦀".as_bytes()));
}

#[test]
fn an_id_that_http_cannot_carry_is_not_sent() {
    let mut client = client();
    open(&mut client, at(0));
    receive(&mut client, b"id: a\x01b\n\n", at(1));
    client.handle_end(at(1));
    assert_eq!(last_event_id(&connect(&mut client, at(4))), None);
}

#[test]
fn the_last_event_id_of_the_given_request_is_sent_and_replaced() {
    let template = Request::get("http://a/").header("last-event-id", "7");
    let mut client = Client::new(template.body(Bytes::new()).unwrap());
    assert_eq!(client.last_event_id(), "7");
    assert_eq!(last_event_id(&open(&mut client, at(0))), Some(b"7".as_slice()));
    receive(&mut client, b"id: 8\n\n", at(1));
    client.handle_end(at(1));
    assert_eq!(last_event_id(&connect(&mut client, at(4))), Some(b"8".as_slice()));
}
