//! The heads of requests, and the framing of responses.

#![cfg(feature = "http1")]

use bytes::Bytes;
use http::{Method, Response, Version};
use lasse_core::http1::{
    BadRequest, Framer, Head, Limits, Persistence, ResponseContext, parse_request,
};

fn parse(input: &str) -> Result<Option<Head>, BadRequest> {
    parse_request(input.as_bytes(), &Limits::default())
}

fn parse_whole(input: &str) -> Head {
    parse(input).unwrap().unwrap()
}

#[test]
fn a_head_is_parsed_when_it_is_complete() {
    let input = "GET /events?x=1 HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: Zürich\r\n\r\nrest";
    let len = input.len() - 4;
    for cut in 0..len {
        assert!(parse_request(&input.as_bytes()[..cut], &Limits::default()).unwrap().is_none());
    }
    let head = parse_whole(input);
    assert_eq!(head.len, len);
    assert_eq!(head.request.method(), Method::GET);
    assert_eq!(head.request.uri(), "/events?x=1");
    assert_eq!(head.request.version(), Version::HTTP_11);
    assert_eq!(head.request.headers()["last-event-id"].as_bytes(), "Zürich".as_bytes());
    assert_eq!(head.context.persistence, Persistence::KeepAlive);
}

#[test]
fn a_connection_persists_unless_the_request_prevents_it() {
    for (input, persistence) in [
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", Persistence::KeepAlive),
        ("GET / HTTP/1.1\nhost: a\n\n", Persistence::KeepAlive),
        ("\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", Persistence::KeepAlive),
        ("\n\nGET / HTTP/1.0\n\n", Persistence::Close),
        ("\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", Persistence::KeepAlive),
        ("GET / HTTP/1.1\r\nhost: a\r\nconnection: te, Close\r\n\r\n", Persistence::Close),
        ("GET / HTTP/1.0\r\n\r\n", Persistence::Close),
        ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n", Persistence::Close),
        ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n", Persistence::KeepAlive),
        ("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", Persistence::Close),
    ] {
        assert_eq!(parse_whole(input).context.persistence, persistence, "{input:?}");
    }
}

/// The status for a request of these lines, 200 if it is accepted.
fn status(lines: &[&str]) -> u16 {
    let head: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
    match parse(&(head + "\r\n")) {
        Ok(head) => head.map_or(0, |_| 200),
        Err(bad) => bad.response().status().as_u16(),
    }
}

fn check_statuses(cases: &[(u16, &[&str])]) {
    for (expected, lines) in cases {
        assert_eq!(status(lines), *expected, "{lines:?}");
    }
}

#[test]
fn http_1_1_needs_one_valid_host() {
    const GET: &str = "GET / HTTP/1.1";
    check_statuses(&[
        (400, &[GET]),
        (400, &[GET, "host: a", "host: b"]),
        (400, &[GET, "host: a", "host: a"]),
        (400, &["GET / HTTP/1.0", "host: a", "host: a"]),
        (400, &["GET / HTTP/1.0", "host: a b"]),
        (200, &["GET / HTTP/1.0"]),
        (200, &[GET, "host:"]),
        (200, &[GET, "host: "]),
    ]);
    let accepted = [
        "a",
        "example.com",
        "example.com:",
        "example.com:8080",
        "127.0.0.1:80",
        "[::1]",
        "[::1]:80",
        "[v1.a:b]",
        "under_score~-.!$&'()*+,;=",
        "%41b",
        "xn--bcher-kva.example",
        "a:99999",
    ];
    let refused = [
        "a b", "a/b", "u@h", "u:p@h", "a?b", "a#b", "a\\b", "a:80:80", "a:x", "a:+1", "a:-1",
        ":80", "%4", "%zz", "[::1", "::1", "[::1]x", "[::1]:x", "[]", "[g::1]", "[v.a]", "[v1.]",
        "[v1.a/b]", "\"a\"", "a\tb", "<a>", "zürich",
    ];
    for host in accepted {
        assert_eq!(status(&[GET, &format!("host: {host}")]), 200, "{host:?}");
    }
    for host in refused {
        assert_eq!(status(&[GET, &format!("host: {host}")]), 400, "{host:?}");
    }
}

#[test]
fn a_target_has_one_of_the_four_forms() {
    let status = |line: &str| status(&[line, "host: a"]);
    for (expected, line) in [
        (200, "GET /?a=b HTTP/1.1"),
        (200, "GET //b/c HTTP/1.1"),
        (200, "GET http://b/c HTTP/1.1"),
        (200, "GET HTTPS://[::1]:80/c?d HTTP/1.1"),
        (200, "OPTIONS * HTTP/1.1"),
        (400, "GET * HTTP/1.1"),
        (400, "GET b HTTP/1.1"),
        (400, "GET b:80 HTTP/1.1"),
        (400, "GET ?a HTTP/1.1"),
        (400, "GET http:// HTTP/1.1"),
        (400, "GET http:/c HTTP/1.1"),
        (400, "GET http://:80/ HTTP/1.1"),
        (400, "GET http://u@b/ HTTP/1.1"),
        (400, "GET http://u:p@b/ HTTP/1.1"),
        (400, "GET ftp://b/ HTTP/1.1"),
        (400, "GET /a#b HTTP/1.1"),
        (400, "GET /a b HTTP/1.1"),
        (400, "GET  / HTTP/1.1"),
        (400, "GET /\tb HTTP/1.1"),
        (501, "CONNECT b:80 HTTP/1.1"),
        (501, "CONNECT /b HTTP/1.1"),
    ] {
        assert_eq!(status(line), expected, "{line:?}");
    }
}

#[test]
fn the_host_of_an_absolute_target_replaces_the_field() {
    for line in ["GET http://b:80/c HTTP/1.1\r\nhost: a\r\n", "GET http://b:80/c HTTP/1.0\r\n"] {
        let head = parse_whole(&format!("{line}\r\n"));
        assert_eq!(head.request.headers()["host"], "b:80");
        assert_eq!(head.request.uri().path(), "/c");
    }
}

#[test]
fn a_length_that_two_readers_could_read_in_two_ways_is_refused() {
    const POST: &str = "POST / HTTP/1.1\r\nhost: a";
    check_statuses(&[
        (200, &[POST, "content-length: 5"]),
        (200, &[POST, "content-length: 0"]),
        (200, &[POST, "content-length: 00005"]),
        (200, &[POST, "content-length: 5", "content-length: 5"]),
        (400, &[POST, "content-length: 5, 5"]),
        (400, &[POST, "content-length: 99999999999999999999999999"]),
        (200, &[POST, "transfer-encoding: chunked"]),
        (200, &[POST, "transfer-encoding: , ChunkeD ,"]),
        (400, &[POST, "content-length: x"]),
        (400, &[POST, "content-length:"]),
        (400, &[POST, "content-length: +5"]),
        (400, &[POST, "content-length: -5"]),
        (400, &[POST, "content-length: 0x5"]),
        (400, &[POST, "content-length: 5 5"]),
        (400, &[POST, "content-length: 5, 6"]),
        (400, &[POST, "content-length: 5, "]),
        (400, &[POST, "content-length: 5", "content-length: 6"]),
        (200, &[POST, "content-length: 5", "content-length: 05"]),
        (400, &[POST, "content-length: 5", "transfer-encoding: chunked"]),
        (400, &[POST, "transfer-encoding: chunked", "content-length: 0"]),
        (400, &[POST, "transfer-encoding: gzip", "content-length: 5"]),
        (400, &[POST, "transfer-encoding:"]),
        (400, &[POST, "transfer-encoding: ,"]),
        (400, &[POST, "transfer-encoding: chunked, chunked"]),
        (400, &[POST, "transfer-encoding: chunked", "transfer-encoding: chunked"]),
        (400, &[POST, "transfer-encoding: chunked, gzip"]),
        (400, &[POST, "transfer-encoding: chunked", "transfer-encoding: identity"]),
        (400, &[POST, "transfer-encoding: chunked;a=b"]),
        (400, &[POST, "transfer-encoding: \"chunked\""]),
        (400, &[POST, "transfer-encoding: chun ked"]),
        (400, &[POST, "transfer-encoding: \u{b}chunked"]),
        (400, &["POST / HTTP/1.0", "transfer-encoding: chunked"]),
        (501, &[POST, "transfer-encoding: gzip"]),
        (501, &[POST, "transfer-encoding: identity"]),
        (501, &[POST, "transfer-encoding: xchunked"]),
        (501, &[POST, "transfer-encoding: gzip, chunked"]),
        (501, &[POST, "transfer-encoding: gzip;q=1", "transfer-encoding: chunked"]),
    ]);
}

#[test]
fn a_field_has_one_line_and_no_space_in_its_name() {
    const GET: &str = "GET / HTTP/1.1\r\nhost: a";
    check_statuses(&[
        (400, &["hello"]),
        (400, &["GET / HTTP/1.1", " host: a"]),
        (400, &[GET, "x : y"]),
        (400, &[GET, "x\t: y"]),
        (400, &[GET, "x: y", " folded"]),
        (400, &[GET, "x: y", "\tfolded"]),
        (400, &[GET, "x"]),
        (400, &[GET, ": y"]),
        (400, &[GET, "x: y\rz"]),
        (400, &[GET, "x: y\0z"]),
        (400, &[GET, "transfer-encoding : chunked"]),
        (400, &[GET, "transfer encoding: chunked"]),
        (400, &[GET, "content-length\u{a0}: 5"]),
        (200, &[GET, "x:y"]),
        (200, &[GET, "x: \t y \t "]),
    ]);
}

#[test]
fn a_lone_line_feed_ends_a_line_and_a_lone_carriage_return_does_not() {
    for (input, len) in [
        ("GET / HTTP/1.1\nhost: a\n\nrest", 24),
        ("GET / HTTP/1.1\r\nhost: a\n\r\nrest", 26),
        ("\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\nrest", 29),
    ] {
        assert_eq!(parse_whole(input).len, len, "{input:?}");
    }
    for input in [
        "GET / HTTP/1.1\rhost: a\r\r",
        "GET / HTTP/1.1\r\nhost: a\r\r\n\r\n",
        "\rGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\rGET / HTTP/1.1\r\n\r\n",
    ] {
        assert!(!matches!(parse(input), Ok(Some(_))), "{input:?}");
    }
}

#[test]
fn a_version_is_1_0_or_1_1() {
    for (expected, version) in [
        (200, "HTTP/1.1"),
        (505, "HTTP/1.2"),
        (505, "HTTP/2.0"),
        (505, "HTTP/0.9"),
        (505, "HTTP/3.0"),
        (505, "HTTP/9.9"),
        (400, "http/1.1"),
        (400, "HTTP/1.1 "),
        (400, "HTTP/11"),
        (400, "HTCPCP/1.0"),
        (400, ""),
    ] {
        assert_eq!(status(&[&format!("GET / {version}"), "host: a"]), expected, "{version:?}");
    }
    assert_eq!(status(&["PRI * HTTP/2.0"]), 505);
}

#[test]
fn a_bad_request_names_its_error() {
    for (lines, error) in [
        (&["GET / HTTP/1.1"][..], BadRequest::Host),
        (&["GET / HTTP/1.0", "content-length: x"], BadRequest::Length),
        (&["GET / HTTP/1.1", "host: a", "transfer-encoding: br"], BadRequest::TransferCoding),
        (&["GET * HTTP/1.1", "host: a"], BadRequest::Target),
        (&["CONNECT a:80 HTTP/1.1", "host: a"], BadRequest::Connect),
    ] {
        let head: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
        let bad = parse(&(head + "\r\n")).unwrap_err();
        assert_eq!(bad, error, "{lines:?}");
        assert_eq!(bad.response().into_body(), format!("{error}\n"));
    }
    let text = "the head of the request took too long\n";
    assert_eq!(BadRequest::Timeout.response().into_body(), text);
}

#[test]
fn a_head_can_be_as_large_as_its_limits() {
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

#[test]
fn limits_can_be_zero_one_or_the_maximum() {
    let fields = |n| {
        let fields: String = (0..n).map(|n| format!("x{n}:\n")).collect();
        format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n")
    };
    for (head_bytes, headers, n, expected) in [
        (usize::MAX, usize::MAX, 20_000, None),
        (usize::MAX, usize::MAX, 40_000, Some(BadRequest::TooManyHeaders)),
        (usize::MAX, 1, 0, None),
        (usize::MAX, 1, 1, Some(BadRequest::TooManyHeaders)),
        (usize::MAX, 0, 0, Some(BadRequest::TooManyHeaders)),
        (1, usize::MAX, 0, Some(BadRequest::HeadTooLarge)),
        (0, usize::MAX, 0, Some(BadRequest::HeadTooLarge)),
    ] {
        let parsed = parse_request(fields(n).as_bytes(), &Limits { head_bytes, headers });
        assert_eq!(parsed.err(), expected, "{head_bytes} bytes, {headers} fields, {n} sent");
    }
}

fn context(input: &str) -> ResponseContext {
    parse_whole(input).context
}

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const GET_1_0: &str = "GET / HTTP/1.0\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Writes to the wire `step` bytes at a time, as a slow socket would take them.
fn send(framer: &mut Framer, payload: &[u8], step: usize) -> Vec<u8> {
    let (mut sent, mut acknowledged) = (Vec::new(), 0);
    while acknowledged < payload.len() || !framer.wire(Bytes::new()).is_empty() {
        let wire = framer.wire(Bytes::copy_from_slice(&payload[acknowledged..])).concat();
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
fn a_stream_is_chunked_the_same_whatever_the_size_of_writes() {
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
    let head = framer.wire(Bytes::new()).len();
    framer.handle_written(head);
    assert_eq!(framer.wire("abc".into()).concat(), b"3\r\nabc\r\n");
    assert_eq!(framer.handle_written(4), 1);
    assert_eq!(framer.wire("bcdef".into()).concat(), b"bc\r\n");
}

#[test]
fn a_stream_over_http_1_0_ends_with_the_connection() {
    let mut framer = Framer::of_stream(context(GET_1_0), &Response::new(()));
    let mut sent = send(&mut framer, b"data: a\n\n", 7);
    sent.extend(end(&mut framer, 7));
    assert_eq!(
        String::from_utf8(sent).unwrap(),
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\ndata: a\n\n"
    );
}

#[test]
fn the_response_to_a_head_request_has_no_body() {
    let mut framer = Framer::of_stream(context(HEAD), &Response::new(()));
    let mut sent = send(&mut framer, b"", 99);
    sent.extend(end(&mut framer, 99));
    assert!(sent.ends_with(b"chunked\r\n\r\n"));
    let response = Response::new(Bytes::from_static(b"hello"));
    let (mut framer, payload) = Framer::of_body(context(HEAD), response);
    assert!(payload.is_empty());
    assert!(framer.wire(payload).concat().ends_with(b"content-length: 5\r\n\r\n"));
}

#[test]
fn framing_fields_of_the_application_are_left_out() {
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
