//! Answers on the wire, from head to end, however little the client takes at once.
#![cfg(feature = "http1")]

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use lasse_core::http1::{BadRequest, Head, Limits, Reply, Step, parse_request};
use lasse_core::*;

/// A handler that repeats what it is told, and stops at the empty word.
struct Echo;

impl Handler for Echo {
    type Notify = &'static str;
    type Info = ();
    fn handle_notify(&mut self, word: &'static str) -> Next {
        if word.is_empty() { Next::Stop } else { Next::send(Event::new(word)) }
    }
}

impl Accept for Echo {
    type Args = ();
    fn init((): (), request: &RequestHead<'_>) -> Init<Self> {
        match request.uri().path() {
            "/whole" => Init::Respond(Response::new(Bytes::from_static(b"whole"))),
            _ => Init::Stream(Self, vec![]),
        }
    }
}

fn at(secs: u64) -> Instant {
    Instant::from_nanos(secs * 1_000_000_000)
}

fn config() -> Config {
    Config::new().with_first_byte(false).with_write_timeout(Duration::from_secs(7)).unwrap()
}

/// The answer, at zero, to a request.
fn reply(request: &str) -> Reply<Echo> {
    let request = format!("{request}\r\nhost: here\r\n\r\n");
    let Head { request, terms, .. } =
        parse_request(request.as_bytes(), &Limits::default()).unwrap().unwrap();
    let config = config();
    Reply::new(Connection::accept(&request, || (), &config, at(0)), terms, &config)
}

/// Writes all there is to write, `step` bytes at once; what was written, and
/// what is to be done then.
fn flush(reply: &mut Reply<Echo>, step: usize) -> (String, Option<Close>) {
    let mut written = Vec::new();
    loop {
        let bytes = match reply.poll_output(at(0)) {
            Step::Write(wire) => wire.concat(),
            Step::Wait => return (String::from_utf8(written).unwrap(), None),
            Step::Close(close) => return (String::from_utf8(written).unwrap(), Some(close)),
        };
        let some = &bytes[..step.min(bytes.len())];
        written.extend_from_slice(some);
        reply.handle_written(some.len(), at(0));
    }
}

#[test]
fn a_stream_is_framed_the_same_however_little_is_written_at_once() {
    for step in [1, 2, 3, 7, 1000] {
        let mut reply = reply("GET / HTTP/1.1");
        let (head, next) = flush(&mut reply, step);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"));
        assert_eq!(next, None, "the head goes out alone, with nothing to follow");
        reply.connection().unwrap().handle_notify("hello");
        assert_eq!(flush(&mut reply, step), ("d\r\ndata: hello\n\n\r\n".into(), None));
        reply.connection().unwrap().handle_notify("");
        assert_eq!(flush(&mut reply, step), ("0\r\n\r\n".into(), Some(Close::Clean)));
        assert_eq!(reply.reason(), Some(Reason::Stopped));
    }
}

#[test]
fn a_whole_answer_is_written_by_the_same_loop() {
    for step in [1, 1000] {
        let whole = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        let get = flush(&mut reply("GET /whole HTTP/1.1"), step);
        assert_eq!(get, (format!("{whole}whole"), Some(Close::Clean)));
        let head = flush(&mut reply("HEAD /whole HTTP/1.1"), step);
        assert_eq!(head, (whole.into(), Some(Close::Clean)));
        let mut refusal = Reply::refuse(BadRequest::Timeout, &config());
        assert!(flush(&mut refusal, step).0.starts_with("HTTP/1.1 408 Request Timeout\r\n"));
    }
}

#[test]
fn the_deadline_covers_the_head() {
    let mut reply = reply("GET / HTTP/1.1");
    assert!(matches!(reply.poll_output(at(0)), Step::Write(_)));
    assert_eq!(reply.deadline(), Some(at(7)));
    reply.handle_written(1, at(5));
    assert!(matches!(reply.poll_output(at(5)), Step::Write(_)));
    assert_eq!(reply.deadline(), Some(at(12)));
    reply.handle_timeout(at(12));
    assert_eq!(reply.poll_output(at(12)), Step::Close(Close::Abort));
    assert_eq!(reply.reason(), Some(Reason::Stalled));
}

#[test]
fn the_deadline_covers_the_end() {
    let mut reply = reply("GET / HTTP/1.1");
    flush(&mut reply, 1000);
    reply.connection().unwrap().handle_notify("");
    assert!(matches!(reply.poll_output(at(1)), Step::Write(_)));
    assert_eq!(reply.deadline(), Some(at(8)));
    reply.handle_timeout(at(8));
    assert_eq!(reply.poll_output(at(8)), Step::Close(Close::Abort));
}

#[test]
fn a_client_that_leaves_ends_the_reply() {
    let mut reply = reply("GET / HTTP/1.1");
    reply.handle_peer_closed();
    assert_eq!(reply.poll_output(at(0)), Step::Close(Close::Abort));
    assert_eq!(reply.reason(), Some(Reason::PeerClosed));
    assert_eq!(reply.deadline(), None);
}
