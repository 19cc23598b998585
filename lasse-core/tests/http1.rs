//! Heads and chunks, as they stand on the wire.

#![cfg(feature = "http1")]

use bytes::Bytes;
use http::{Method, Response, Version};
use lasse_core::http1::{
    BadRequest, Framer, Head, Limits, Persistence, ResponseContext, parse_request,
};

fn parse(input: &str) -> Result<Option<Head>, BadRequest> {
    parse_request(input.as_bytes(), &Limits::default())
}

fn whole(input: &str) -> Head {
    parse(input).unwrap().unwrap()
}

#[test]
fn a_head_is_read_when_it_is_whole() {
    let input = "GET /events?x=1 HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: Zürich\r\n\r\nrest";
    let len = input.len() - 4;
    for cut in 0..len {
        assert!(parse_request(&input.as_bytes()[..cut], &Limits::default()).unwrap().is_none());
    }
    let head = whole(input);
    assert_eq!(head.len, len);
    assert_eq!(head.request.method(), Method::GET);
    assert_eq!(head.request.uri(), "/events?x=1");
    assert_eq!(head.request.version(), Version::HTTP_11);
    assert_eq!(head.request.headers()["last-event-id"].as_bytes(), "Zürich".as_bytes());
    assert_eq!(head.context.persistence, Persistence::KeepAlive);
}

#[test]
fn a_connection_persists_unless_something_speaks_against_it() {
    for (input, persistence) in [
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", Persistence::KeepAlive),
        ("GET / HTTP/1.1\nhost: a\n\n", Persistence::KeepAlive),
        ("\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", Persistence::KeepAlive),
        ("GET / HTTP/1.1\r\nhost: a\r\nconnection: te, Close\r\n\r\n", Persistence::Close),
        ("GET / HTTP/1.0\r\n\r\n", Persistence::Close),
        ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n", Persistence::Close),
        ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n", Persistence::KeepAlive),
        ("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", Persistence::Close),
    ] {
        assert_eq!(whole(input).context.persistence, persistence, "{input:?}");
    }
}

#[test]
fn a_bad_head_is_refused_with_a_reason() {
    for (input, error, status) in [
        ("hello\r\n\r\n", BadRequest::Syntax, 400),
        ("GET / HTTP/1.1\r\nho st: a\r\n\r\n", BadRequest::Syntax, 400),
        ("GET / HTTP/3.0\r\nhost: a\r\n\r\n", BadRequest::Version, 505),
        ("GET / HTTP/1.1\r\n\r\n", BadRequest::Host, 400),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", BadRequest::Host, 400),
        ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n", BadRequest::Length, 400),
        (
            "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            BadRequest::Length,
            400,
        ),
        (
            "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            BadRequest::Length,
            400,
        ),
    ] {
        let refused = parse(input).unwrap_err();
        assert_eq!(refused, error, "{input:?}");
        let response = refused.response();
        assert_eq!(response.status(), status);
        assert_eq!(response.into_body(), format!("{error}\n"));
    }
}

#[test]
fn a_head_may_be_so_large_and_no_larger() {
    let limits = Limits { head_bytes: 64, headers: 2 };
    let bytes = |n: usize| format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(n));
    let fits = bytes(64 - bytes(0).len());
    assert!(parse_request(fits.as_bytes(), &limits).unwrap().is_some());
    let larger = bytes(65 - bytes(0).len());
    assert_eq!(parse_request(larger.as_bytes(), &limits).unwrap_err(), BadRequest::HeadTooLarge);
    assert_eq!(parse_request(&[b'x'; 64], &limits).unwrap_err(), BadRequest::HeadTooLarge);
    let many = "GET / HTTP/1.1\r\nhost: a\r\nb: c\r\nd: e\r\n\r\n";
    let refused = parse_request(many.as_bytes(), &limits).unwrap_err();
    assert_eq!((refused, refused.response().status().as_u16()), (BadRequest::TooManyHeaders, 431));
}

fn context(input: &str) -> ResponseContext {
    whole(input).context
}

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const GET_1_0: &str = "GET / HTTP/1.0\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Writes to the wire `step` bytes at a time, as a slow socket would take them.
fn send(framer: &mut Framer, payload: &[u8], step: usize) -> Vec<u8> {
    let (mut sent, mut acknowledged) = (Vec::new(), 0);
    while acknowledged < payload.len() || !framer.wire(&[]).is_empty() {
        let wire = framer.wire(&payload[acknowledged..]).concat();
        let part = &wire[..step.min(wire.len())];
        sent.extend_from_slice(part);
        acknowledged += framer.handle_written(part.len());
    }
    sent
}

fn end(framer: &mut Framer, step: usize) -> Vec<u8> {
    let mut sent = Vec::new();
    loop {
        let wire = framer.end().concat();
        let part = &wire[..step.min(wire.len())];
        if part.is_empty() {
            return sent;
        }
        sent.extend_from_slice(part);
        assert_eq!(framer.handle_written(part.len()), 0);
    }
}

#[test]
fn a_stream_is_chunked_whichever_way_the_socket_takes_it() {
    for step in 1..60 {
        let mut framer = Framer::of_stream(context(GET), &Response::new(()));
        let mut sent = send(&mut framer, b":\n", step);
        sent.extend(send(&mut framer, b"data: a long event\n\n", step));
        sent.extend(end(&mut framer, step));
        assert_eq!(
            String::from_utf8(sent).unwrap(),
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
             2\r\n:\n\r\n14\r\ndata: a long event\n\n\r\n0\r\n\r\n",
        );
    }
}

#[test]
fn a_chunk_keeps_its_size_though_more_is_offered() {
    let mut framer = Framer::of_stream(context(GET), &Response::new(()));
    let head = framer.wire(&[]).len();
    framer.handle_written(head);
    assert_eq!(framer.wire(b"abc").concat(), b"3\r\nabc\r\n");
    assert_eq!(framer.handle_written(4), 1);
    assert_eq!(framer.wire(b"bcdef").concat(), b"bc\r\n");
}

#[test]
fn http_1_0_gets_the_bare_stream_and_then_the_end_of_the_connection() {
    let mut framer = Framer::of_stream(context(GET_1_0), &Response::new(()));
    let mut sent = send(&mut framer, b"data: a\n\n", 7);
    sent.extend(end(&mut framer, 7));
    assert_eq!(
        String::from_utf8(sent).unwrap(),
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\ndata: a\n\n"
    );
}

#[test]
fn a_head_request_gets_the_head_alone() {
    let mut framer = Framer::of_stream(context(HEAD), &Response::new(()));
    let mut sent = send(&mut framer, b"", 99);
    sent.extend(end(&mut framer, 99));
    assert!(sent.ends_with(b"chunked\r\n\r\n"));
    let response = Response::new(Bytes::from_static(b"hello"));
    let (mut framer, payload) = Framer::of_body(context(HEAD), response);
    assert!(payload.is_empty());
    assert!(framer.wire(&payload).concat().ends_with(b"content-length: 5\r\n\r\n"));
}

#[test]
fn what_the_application_says_of_framing_is_passed_over() {
    let response = |status: u16| {
        let response = Response::builder().status(status).header("content-length", "99");
        let response = response.header("transfer-encoding", "chunked").header("connection", "x");
        response.body(Bytes::from_static(b"body")).unwrap()
    };
    let sent = |status| {
        let (mut framer, payload) = Framer::of_body(context(GET), response(status));
        let mut sent = send(&mut framer, &payload, 5);
        sent.extend(end(&mut framer, 5));
        String::from_utf8(sent).unwrap()
    };
    assert_eq!(sent(200), "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody");
    assert_eq!(sent(204), "HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(sent(304), "HTTP/1.1 304 Not Modified\r\n\r\n");
}
