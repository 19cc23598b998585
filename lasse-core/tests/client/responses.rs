//! What the client does with responses.

use http::{HeaderValue, StatusCode};
use lasse_core::{ClientClosed, Decoder};

use crate::{at, client, closed, connect, head, last_event_id, open, receive, stream, waits_until};

#[test]
fn the_client_is_open_from_the_head_to_the_failure() {
    let mut client = client();
    assert!(!client.is_open());
    connect(&mut client, at(0));
    assert!(!client.is_open());
    client.handle_head(&stream(), at(1));
    assert!(client.is_open());
    client.handle_error(at(2));
    assert!(!client.is_open());
}

#[test]
fn a_204_closes_the_client() {
    let mut client = client();
    connect(&mut client, at(0));
    client.handle_head(&head(204, &[]), at(0));
    assert_eq!(closed(&mut client, at(0)), ClientClosed::NoContent);
    client.handle_error(at(1));
    assert_eq!(closed(&mut client, at(1_000_000)), ClientClosed::NoContent);
}

#[test]
fn any_other_status_closes_the_client_as_in_browsers() {
    for status in [201, 205, 304, 400, 401, 404, 429, 500, 503] {
        let mut client = client();
        connect(&mut client, at(0));
        client.handle_head(&head(status, &[("content-type", "text/event-stream")]), at(0));
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(closed(&mut client, at(0)), ClientClosed::Status(status));
    }
}

#[test]
fn statuses_503_and_429_can_be_retried() {
    let mut client = client().with_retried_statuses();
    connect(&mut client, at(0));
    client.handle_head(&head(503, &[("retry-after", "40")]), at(0));
    assert_eq!(waits_until(&mut client, at(0)), at(40));
    connect(&mut client, at(40));
    client.handle_head(&head(429, &[]), at(40));
    assert_eq!(waits_until(&mut client, at(40)), at(46), "the second failure");
    connect(&mut client, at(46));
    client.handle_head(&head(404, &[]), at(46));
    assert_eq!(closed(&mut client, at(46)), ClientClosed::Status(StatusCode::NOT_FOUND));
}

#[test]
fn a_response_of_another_type_closes_the_client() {
    let mut client = client();
    connect(&mut client, at(0));
    client.handle_head(&head(200, &[("content-type", "text/html")]), at(0));
    let reason = closed(&mut client, at(0));
    assert_eq!(
        reason.to_string(),
        "the content type is \"text/html\"; it must be text/event-stream"
    );
}

#[test]
fn a_compressed_stream_is_refused_with_its_encoding() {
    for encoding in ["gzip", "identity, br", "X-UNKNOWN"] {
        let mut client = client();
        connect(&mut client, at(0));
        let fields = [("content-type", "text/event-stream"), ("content-encoding", encoding)];
        client.handle_head(&head(200, &fields), at(0));
        let reason = ClientClosed::ContentEncoding(HeaderValue::from_static(encoding));
        assert_eq!(closed(&mut client, at(0)), reason);
        assert!(reason.to_string().contains(encoding), "{reason}");
    }
    for encoding in ["", "identity", " Identity ,identity"] {
        let mut client = client();
        connect(&mut client, at(0));
        let fields = [("content-type", "text/event-stream"), ("content-encoding", encoding)];
        client.handle_head(&head(200, &fields), at(0));
        assert!(client.is_open(), "{encoding:?}");
    }
}

#[test]
fn an_event_that_is_cut_off_is_dropped() {
    let mut client = client();
    open(&mut client, at(0));
    receive(&mut client, b"id: 1\ndata: a\n\nid: 2\ndata: b\n", at(1));
    client.handle_error(at(1));
    assert_eq!(last_event_id(&open(&mut client, at(4))), Some(b"1".as_slice()));
    assert_eq!(receive(&mut client, b"\xef\xbb\xbfdata: c\n\n", at(5)), ["c"]);
}

#[test]
fn an_event_that_is_too_large_does_not_end_the_stream() {
    let mut client = client().with_decoder(Decoder::new().with_limit(8));
    open(&mut client, at(0));
    let mut input = b"data: 123456789\n\ndata: b\n\n".as_slice();
    assert!(client.handle_bytes(&mut input, at(0)).is_err());
    assert_eq!(receive(&mut client, input, at(0)), ["b"]);
}

#[test]
fn five_megabytes_are_one_event() {
    let mut client = client().with_decoder(Decoder::new().with_limit(6 << 20));
    open(&mut client, at(0));
    let mut stream = Vec::from(b"data: ".as_slice());
    stream.resize(5 << 20, b'x');
    stream.extend_from_slice(b"\n\n");
    let messages: Vec<_> =
        stream.chunks(1 << 16).flat_map(|chunk| receive(&mut client, chunk, at(0))).collect();
    assert_eq!(messages.iter().map(String::len).collect::<Vec<_>>(), [(5 << 20) - 6]);
}

#[test]
fn input_at_the_wrong_time_is_ignored() {
    let mut client = client();
    client.handle_end(at(0));
    client.handle_head(&head(204, &[]), at(0));
    assert_eq!(receive(&mut client, b"data: a\n\n", at(0)), [""; 0]);
    open(&mut client, at(0));
    client.handle_head(&head(204, &[]), at(0));
    assert_eq!(receive(&mut client, b"id: 1\ndata: a\n\n", at(0)), ["a"]);
    client.handle_end(at(0));
    client.handle_end(at(2));
    assert_eq!(waits_until(&mut client, at(2)), at(3));
}
