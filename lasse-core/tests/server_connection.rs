//! The server's side of an HTTP/1.1 connection, with any sizes of reads and writes.
#![cfg(feature = "http1")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::mem::size_of;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use lasse_core::http1::{ServeConfig, ServerConnection, ServerOutput};
use lasse_core::*;
use proptest::prelude::*;

thread_local! {
    /// What the stream of this test still has to send.
    static TEXTS: RefCell<VecDeque<&'static str>> = RefCell::default();
}

/// A source of texts. `""` stops the stream, `"abort"` aborts it.
struct Echo;

impl Source for Echo {
    fn poll_next(&mut self, _: Instant, _: &mut Context<'_>) -> Next {
        match TEXTS.with_borrow_mut(VecDeque::pop_front) {
            None => Next::Wait(None),
            Some("") => Next::Stop,
            Some("abort") => Next::Abort,
            Some(text) => Next::send(Event::new(text)),
        }
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

type Server = ServerConnection<Echo>;

fn at(secs: u64) -> Instant {
    at_ms(secs * 1000)
}

fn at_ms(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// The write timeout of a stream is 7 s.
fn streams() -> StreamConfig {
    StreamConfig::new().with_first_byte(false).with_write_timeout(secs(7))
}

/// A head has 3 s, a response 5 s, a client 4 s to take a byte.
fn config() -> ServeConfig {
    let config = ServeConfig::new().with_head_timeout(secs(3)).unwrap();
    config.with_response_timeout(secs(5)).unwrap().with_write_timeout(secs(4)).unwrap()
}

/// A connection that is opened at 0 s.
fn open(config: ServeConfig) -> Server {
    ServerConnection::new(&Arc::new(config), at(0))
}

/// A connection that has received `input` at 0 s.
fn receive(input: &[u8]) -> Server {
    let mut server = open(config());
    server.handle_input(input);
    server
}

fn accept(request: &Request<()>, now: Instant) -> Response<Body<Connection<Echo>>> {
    Connection::accept(request, || (), &streams(), now)
}

/// How [`run`] ended.
#[derive(Debug, PartialEq)]
enum Then {
    Waits,
    HalfClosed,
    Closed(Close),
}
use Then::{Closed, HalfClosed, Waits};

/// Responds to each request and acknowledges `step` bytes at a time, until there is nothing more to
/// do. Returns the written bytes.
fn run_by(server: &mut Server, step: usize, now: Instant) -> (String, Then) {
    let mut written = Vec::new();
    let then = loop {
        match poll(server, now) {
            ServerOutput::Request(request) => server.respond(accept(&request, now)),
            ServerOutput::Write(wire) => {
                let bytes = wire.concat();
                let bytes = &bytes[..step.min(bytes.len())];
                written.extend_from_slice(bytes);
                server.handle_written(bytes.len(), now);
            }
            ServerOutput::HalfClose => break HalfClosed,
            ServerOutput::Wait => break Waits,
            ServerOutput::Close(close) => break Closed(close),
        }
    };
    (String::from_utf8(written).unwrap(), then)
}

fn run(server: &mut Server, now: Instant) -> (String, Then) {
    run_by(server, usize::MAX, now)
}

/// As [`run`], at 0 s, of a connection that waits then.
fn write(server: &mut Server) -> String {
    let (written, then) = run(server, at(0));
    assert_eq!(then, Waits);
    written
}

fn send(server: &mut Server, text: &'static str) {
    assert!(server.stream().is_some());
    TEXTS.with_borrow_mut(|texts| texts.push_back(text));
}

fn poll(server: &mut Server, now: Instant) -> ServerOutput {
    server.poll_output(now, &mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_stream_is_framed_the_same_whatever_the_size_of_writes() {
    for step in [1, 2, 3, 7, 1000] {
        let mut server = receive(GET);
        let (head, _) = run_by(&mut server, step, at(0));
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        send(&mut server, "hello");
        let chunk = run_by(&mut server, step, at(0));
        assert_eq!(chunk, ("d\r\ndata: hello\n\n\r\n".into(), Waits));
        send(&mut server, "");
        assert_eq!(run_by(&mut server, step, at(0)), ("0\r\n\r\n".into(), Waits));
        server.handle_input(GET_WHOLE);
        assert_eq!(run_by(&mut server, step, at(0)), (WHOLE.into(), Waits));
    }
}

#[test]
fn pipelined_requests_arrive_in_any_pieces() {
    let both = [GET_WHOLE, GET].concat();
    for step in [1, 2, 3, 7, 1000] {
        let mut server = open(config());
        let mut written = String::new();
        for piece in both.chunks(step) {
            server.handle_input(piece);
            written += &write(&mut server);
        }
        assert!(written.starts_with(&format!("{WHOLE}HTTP/1.1 200 OK\r\n")));
        assert!(server.stream().is_some());
    }
}

#[test]
fn empty_lines_between_requests_are_ignored() {
    let mut server = receive(&[b"\r\n\n", GET_WHOLE, b"\r\n\r\n\n", GET_WHOLE, b"\r\n"].concat());
    assert_eq!(write(&mut server), WHOLE.repeat(2));
    assert_eq!(run(&mut server, at(3)), (String::new(), Closed(Close::Clean)));
}

#[test]
fn a_head_that_is_late_is_refused() {
    let mut server = open(config());
    assert_eq!(server.deadline(), Some(at(3)));
    server.handle_input(b"GET / HT");
    assert_eq!(run(&mut server, at(2)), (String::new(), Waits));
    let (written, then) = run(&mut server, at(3));
    assert!(written.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{written}");
    assert_eq!(then, HalfClosed);
}

#[test]
fn an_idle_connection_is_closed_without_a_response() {
    let mut server = receive(GET_WHOLE);
    assert_eq!(run(&mut server, at(2)), (WHOLE.into(), Waits));
    assert_eq!(server.deadline(), Some(at(5)));
    assert_eq!(run(&mut server, at(5)), (String::new(), Closed(Close::Clean)));
}

#[test]
fn a_bad_request_is_refused_and_nothing_after_it_is_read() {
    for bad in ["hello\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
        let mut server = receive(&[bad.as_bytes(), GET_WHOLE].concat());
        let (written, then) = run_by(&mut server, 1, at(0));
        assert!(written.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{written}");
        assert_eq!((written.matches("HTTP/1.1 ").count(), then), (1, HalfClosed));
    }
}

#[test]
fn the_body_of_a_request_is_never_a_request() {
    for framing in ["content-length: 38", "transfer-encoding: chunked"] {
        let mut server =
            receive(format!("GET /whole HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n").as_bytes());
        server.handle_input(GET_WHOLE);
        let (written, then) = run(&mut server, at(0));
        assert!(written.contains("connection: close\r\n"), "{written}");
        assert_eq!((written.matches("whole").count(), then), (1, HalfClosed));
        server.handle_input(GET_WHOLE);
        assert_eq!(run(&mut server, at(0)), (String::new(), Waits));
    }
}

#[test]
fn a_client_that_leaves_is_noticed_behind_a_body_of_any_length() {
    let mut server = receive(b"POST / HTTP/1.0\r\ncontent-length: 99999999\r\n\r\n");
    let ServerOutput::Request(_) = poll(&mut server, at(0)) else { panic!("a request") };
    for _ in 0..100 {
        assert!(server.wants_input());
        server.handle_input(&[b'x'; 64 * 1024]);
    }
    server.handle_peer_closed();
    assert!(!server.wants_input());
    assert_eq!(run(&mut server, at(0)).1, Closed(Close::Abort));
}

#[test]
fn pipelined_input_is_bounded_by_the_size_of_a_head() {
    let mut server = receive(GET);
    write(&mut server);
    assert!(server.wants_input());
    server.handle_input(&[b'x'; 16 * 1024]);
    assert!(!server.wants_input());
    send(&mut server, "still here");
    assert!(write(&mut server).contains("data: still here\n\n"));
}

#[test]
fn a_response_that_takes_too_long_is_replaced() {
    let mut server = receive(&[GET, GET_WHOLE].concat());
    let ServerOutput::Request(request) = poll(&mut server, at(1)) else { panic!("a request") };
    assert!(server.awaits_response());
    assert_eq!(server.deadline(), Some(at(6)));
    assert_eq!(run(&mut server, at(5)), (String::new(), Waits));
    let (written, then) = run(&mut server, at(6));
    assert!(written.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{written}");
    assert!(written.contains("connection: close\r\n"), "{written}");
    assert_eq!((server.awaits_response(), then), (false, HalfClosed));
    server.respond(accept(&request, at(7)));
    assert_eq!(run(&mut server, at(7)), (String::new(), Waits));
}

#[test]
fn a_client_that_leaves_before_the_response_gets_none() {
    let mut server = receive(GET);
    let ServerOutput::Request(_) = poll(&mut server, at(0)) else { panic!("a request") };
    assert!(server.wants_input());
    server.handle_peer_closed();
    assert_eq!(run(&mut server, at(0)), (String::new(), Closed(Close::Abort)));
    assert!(!server.awaits_response());
}

#[test]
fn a_client_that_half_closes_gets_a_whole_body_but_no_stream() {
    let mut server = receive(&[GET_WHOLE, GET_WHOLE].concat());
    server.handle_peer_closed();
    assert_eq!(run(&mut server, at(0)), (WHOLE.repeat(2), Closed(Close::Clean)));
    let mut server = receive(GET);
    server.handle_peer_closed();
    assert_eq!(run(&mut server, at(0)), (String::new(), Closed(Close::Abort)));
}

#[test]
fn a_client_that_leaves_ends_its_stream() {
    let mut server = receive(GET);
    write(&mut server);
    server.handle_peer_closed();
    assert_eq!(server.end_reason(), Some(EndReason::PeerClosed));
    assert_eq!(run(&mut server, at(0)), (String::new(), Closed(Close::Abort)));
    assert_eq!(server.deadline(), None);
}

#[test]
fn the_reason_of_a_stream_is_known_until_the_next_response() {
    let mut server = receive(GET);
    write(&mut server);
    assert_eq!(server.end_reason(), None);
    send(&mut server, "");
    write(&mut server);
    assert!(server.stream().is_none());
    assert_eq!(server.end_reason(), Some(EndReason::Stopped));
    server.handle_input(GET_WHOLE);
    write(&mut server);
    assert_eq!(server.end_reason(), None);
}

#[test]
fn the_write_timeout_of_a_stream_covers_its_head() {
    let mut server = receive(GET);
    let ServerOutput::Request(request) = poll(&mut server, at(0)) else { panic!("a request") };
    server.respond(accept(&request, at(0)));
    assert!(matches!(poll(&mut server, at(0)), ServerOutput::Write(_)));
    assert_eq!(server.deadline(), Some(at(7)));
    server.handle_written(1, at(5));
    assert!(matches!(poll(&mut server, at(5)), ServerOutput::Write(_)));
    assert_eq!(server.deadline(), Some(at(12)));
    server.handle_timeout(at(12));
    assert_eq!(server.end_reason(), Some(EndReason::Stalled));
    assert_eq!(run(&mut server, at(12)), (String::new(), Closed(Close::Abort)));
}

#[test]
fn each_byte_of_the_head_restarts_the_write_timeout_of_the_first_event() {
    let mut server = receive(GET);
    let ServerOutput::Request(request) = poll(&mut server, at(0)) else { panic!("a request") };
    server.respond(accept(&request, at(0)));
    send(&mut server, "hello");
    for second in [0, 5, 10] {
        server.handle_timeout(at(second));
        assert!(matches!(poll(&mut server, at(second)), ServerOutput::Write(_)));
        server.handle_written(1, at(second));
        assert!(matches!(poll(&mut server, at(second)), ServerOutput::Write(_)));
        assert_eq!(server.deadline(), Some(at(second + 7)));
    }
    assert_eq!(server.end_reason(), None);
}

#[test]
fn the_write_timeout_of_a_stream_covers_its_end() {
    let mut server = receive(GET);
    write(&mut server);
    send(&mut server, "");
    assert!(matches!(poll(&mut server, at(1)), ServerOutput::Write(_)));
    assert_eq!(server.deadline(), Some(at(8)));
    server.handle_timeout(at(8));
    assert_eq!(run(&mut server, at(8)).1, Closed(Close::Abort));
}

#[test]
fn the_write_timeout_of_other_responses_is_that_of_the_server() {
    let mut server = receive(GET_WHOLE);
    let ServerOutput::Request(request) = poll(&mut server, at(0)) else { panic!("a request") };
    server.respond(accept(&request, at(0)));
    assert!(matches!(poll(&mut server, at(1)), ServerOutput::Write(_)));
    assert_eq!(server.deadline(), Some(at(5)));
    server.handle_timeout(at(5));
    assert_eq!(run(&mut server, at(5)).1, Closed(Close::Abort));
}

#[test]
fn an_acknowledgement_that_times_out_is_a_stalled_client() {
    for timed_out in [true, false] {
        let kind = if timed_out { io::ErrorKind::TimedOut } else { io::ErrorKind::BrokenPipe };
        let mut server = receive(GET);
        write(&mut server);
        server.handle_read_error(&kind.into());
        let expected = if timed_out { EndReason::Stalled } else { EndReason::PeerClosed };
        assert_eq!(server.end_reason(), Some(expected));
        let mut server = receive(GET);
        write(&mut server);
        server.handle_write_error(io::Error::from(kind));
        let expected = if timed_out { EndReason::Stalled } else { EndReason::WriteFailed };
        assert_eq!(server.end_reason(), Some(expected));
        assert_eq!(run(&mut server, at(0)), (String::new(), Closed(Close::Abort)));
    }
}

#[test]
fn the_last_response_is_followed_by_a_half_close_and_then_by_the_clients_close() {
    let mut server = receive(b"GET /whole HTTP/1.0\r\n\r\n");
    let (written, then) = run(&mut server, at(0));
    assert!(written.ends_with("whole"), "{written}");
    assert_eq!(then, HalfClosed);
    server.handle_input(b"more");
    assert_eq!(run(&mut server, at(1)).1, Waits);
    assert_eq!(server.deadline(), Some(at(2)));
    server.handle_peer_closed();
    assert_eq!(run(&mut server, at(1)).1, Closed(Close::Clean));
}

#[test]
fn what_a_client_sends_after_the_last_response_is_bounded_in_time_and_bytes() {
    let lingering = || {
        let mut server = receive(b"GET /whole HTTP/1.0\r\n\r\n");
        assert_eq!(run(&mut server, at(0)).1, HalfClosed);
        server
    };
    assert_eq!(run(&mut lingering(), at(2)).1, Closed(Close::Clean));
    let mut server = lingering();
    for _ in 0..255 {
        server.handle_input(&[b'x'; 1024]);
    }
    assert_eq!(run(&mut server, at(1)).1, Waits);
    server.handle_input(&[b'x'; 1024]);
    assert_eq!(run(&mut server, at(1)).1, Closed(Close::Clean));
}

#[test]
fn an_aborted_stream_ends_without_its_last_chunk_or_with_a_reset() {
    let mut server = receive(GET);
    send_at_once(&mut server, "abort");
    let (written, then) = run(&mut server, at(0));
    assert!(written.ends_with("transfer-encoding: chunked\r\n\r\n"), "{written}");
    assert_eq!(then, HalfClosed);

    let mut server = receive(b"GET / HTTP/1.0\r\n\r\n");
    write(&mut server);
    send(&mut server, "hello");
    send(&mut server, "abort");
    assert_eq!(run(&mut server, at(0)), ("data: hello\n\n".into(), Closed(Close::Abort)));
}

/// Responds to the request with a stream, and sends before anything is written.
fn send_at_once(server: &mut Server, text: &'static str) {
    let ServerOutput::Request(request) = poll(server, at(0)) else { panic!("a request") };
    server.respond(accept(&request, at(0)));
    send(server, text);
}

#[test]
fn an_idle_connection_waits_half_a_second_for_a_request_when_the_server_shuts_down() {
    for input in [b"".as_slice(), GET_WHOLE] {
        let mut server = receive(input);
        write(&mut server);
        server.handle_shutdown(at(1));
        assert_eq!(run(&mut server, at(1)).1, Waits);
        assert_eq!(server.deadline(), Some(at_ms(1500)));
        assert_eq!(run(&mut server, at_ms(1500)), (String::new(), Closed(Close::Clean)));
    }
    let mut server = receive(b"GET / HTTP/1.1\r\n");
    server.handle_shutdown(at(1));
    assert!(run(&mut server, at_ms(1500)).0.starts_with("HTTP/1.1 408 "));
    let mut server = open(config());
    server.handle_shutdown(at_ms(2900));
    assert_eq!(server.deadline(), Some(at(3)), "the head timeout holds, too");
}

#[test]
fn a_request_that_arrives_during_the_shutdown_is_the_last_one() {
    let mut server = open(config());
    server.handle_shutdown(at(0));
    server.handle_input(&[GET_WHOLE, GET_WHOLE].concat());
    let (written, then) = run(&mut server, at_ms(400));
    assert!(written.contains("connection: close\r\n"), "{written}");
    assert_eq!((written.matches("whole").count(), then), (1, HalfClosed));
}

#[test]
fn a_response_that_is_prepared_during_the_shutdown_is_the_last_one() {
    let mut server = receive(GET_WHOLE);
    let ServerOutput::Request(request) = poll(&mut server, at(0)) else { panic!("a request") };
    server.handle_shutdown(at(0));
    server.respond(accept(&request, at(1)));
    let (written, then) = run(&mut server, at(1));
    assert!(written.contains("connection: close\r\n"), "{written}");
    assert_eq!(then, HalfClosed);
}

#[test]
fn a_response_that_is_written_during_the_shutdown_is_the_last_one() {
    let mut server = receive(&[GET_WHOLE, GET_WHOLE].concat());
    let ServerOutput::Request(request) = poll(&mut server, at(0)) else { panic!("a request") };
    server.respond(accept(&request, at(0)));
    server.handle_shutdown(at(0));
    assert_eq!(run(&mut server, at(0)), (WHOLE.into(), HalfClosed));
}

#[test]
fn a_connection_that_is_aborted_ends_its_stream_for_that_reason() {
    let mut server = receive(GET);
    write(&mut server);
    assert!(server.wants_input() && !server.is_closed());
    server.abort(EndReason::Shutdown);
    assert_eq!(server.end_reason(), Some(EndReason::Shutdown));
    assert_eq!(run(&mut server, at(0)), (String::new(), Closed(Close::Abort)));
    assert!(server.is_closed() && !server.wants_input());

    let mut server = open(config());
    assert_eq!(run(&mut server, at(3)).1, Closed(Close::Clean));
    server.abort(EndReason::Shutdown);
    assert_eq!(run(&mut server, at(3)).1, Closed(Close::Clean), "it was closed before");
}

#[test]
fn a_stream_goes_on_during_the_shutdown_until_it_is_drained() {
    let mut server = receive(&[GET, GET_WHOLE].concat());
    write(&mut server);
    server.handle_shutdown(at(0));
    send(&mut server, "hello");
    assert_eq!(write(&mut server), "d\r\ndata: hello\n\n\r\n");
    let drain = Drain { end_at: at(1), retry: secs(2), stall_timeout: secs(3), abort_at: at(3) };
    server.stream().unwrap().handle_drain(drain);
    server.handle_timeout(at(1));
    assert_eq!(run(&mut server, at(1)), ("c\r\nretry: 2000\n\r\n0\r\n\r\n".into(), HalfClosed));
}

#[test]
fn a_stream_that_is_drained_is_the_last_response() {
    let mut server = receive(&[GET, GET_WHOLE].concat());
    write(&mut server);
    let drain = Drain { end_at: at(1), retry: secs(2), stall_timeout: secs(3), abort_at: at(3) };
    server.stream().unwrap().handle_drain(drain);
    server.handle_timeout(at(1));
    assert_eq!(run(&mut server, at(1)).1, HalfClosed);
}

#[test]
fn each_response_has_a_date_if_the_driver_has_a_clock() {
    let date = || Some(HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
    for input in [GET, GET_WHOLE, b"hello\r\n\r\n"] {
        let mut server = open(config().with_date(date));
        server.handle_input(input);
        let (written, _) = run(&mut server, at(0));
        assert!(written.contains("date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), "{written}");
    }
    let mut server = open(config().with_date(date));
    server.handle_input(GET);
    let ServerOutput::Request(_) = poll(&mut server, at(0)) else { panic!("a request") };
    let own = Response::builder().header("date", "today").body(Body::Full(Bytes::new())).unwrap();
    server.respond(own);
    let (written, _) = run(&mut server, at(0));
    assert_eq!(written.matches("date: ").count(), 1, "{written}");
    let mut server = open(config().with_date(|| None));
    server.handle_input(GET_WHOLE);
    assert_eq!(write(&mut server), WHOLE);
}

#[test]
fn timeouts_and_limits_can_be_one_or_the_maximum_but_not_zero() {
    let (one, max) = (Duration::from_nanos(1), Duration::MAX);
    assert!(config().with_head_timeout(Duration::ZERO).is_err());
    assert!(config().with_response_timeout(Duration::ZERO).is_err());
    assert!(config().with_write_timeout(Duration::ZERO).is_err());
    assert!(config().with_head_limits(0, 1).is_err());
    assert!(config().with_head_limits(1, 0).is_err());
    let with = |timeout| {
        let config = config().with_head_timeout(timeout).unwrap();
        config.with_response_timeout(timeout).unwrap().with_write_timeout(timeout).unwrap()
    };
    let mut server = open(with(max).with_head_limits(usize::MAX, usize::MAX).unwrap());
    assert_eq!(server.deadline(), None);
    server.handle_input(GET_WHOLE);
    assert!(server.wants_input());
    assert_eq!(write(&mut server), WHOLE);
    let mut server = open(with(one));
    assert_eq!(server.deadline(), Some(Instant::from_nanos(1)));
    server.handle_input(GET_WHOLE);
    assert_eq!(write(&mut server), WHOLE);
    let mut server = open(config().with_head_limits(1, 1).unwrap());
    server.handle_input(b"GET");
    assert!(write_refusal(&mut server).starts_with("HTTP/1.1 431 "));
}

fn write_refusal(server: &mut Server) -> String {
    let (written, then) = run(server, at(0));
    assert_eq!(then, HalfClosed);
    written
}

#[test]
fn a_connection_takes_little_more_room_than_its_stream() {
    let stream = size_of::<Connection<Echo>>();
    let size = size_of::<Server>();
    assert!(size <= stream + 64, "{size} bytes for a stream of {stream}");
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n";
const GET_WHOLE: &[u8] = b"GET /whole HTTP/1.1\r\nhost: here\r\n\r\n";
const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole";

/// A piece of a client's input: random bytes are hardly ever a request.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "GET / HTTP/1.1\r\n",
        "GET /whole HTTP/1.1\r\n",
        "HEAD /whole HTTP/1.0\r\n",
        "POST /whole HTTP/1.1\r\n",
        "GET http://b/whole HTTP/1.1\r\n",
        "host: here\r\n",
        "host: a b\r\n",
        "connection: close\r\n",
        "content-length: 5\r\n",
        "transfer-encoding: chunked\r\n",
        "\r\n",
        "\n",
    ];
    let filler = (0..400_usize).prop_map(|len| format!("x: {}\r\n", "x".repeat(len)));
    prop_oneof![
        8 => proptest::sample::select(pieces.to_vec()).prop_map(String::from),
        2 => Just("GET /whole HTTP/1.1\r\nhost: here\r\n\r\n".to_owned()),
        1 => filler,
    ]
}

/// Reads `input` and writes everything, in steps. Each stream stops at once.
fn run_in_steps(mut input: &[u8], read: usize, step: usize) -> (String, Then) {
    let mut server = open(config().with_head_limits(1024, 8).unwrap());
    let mut written = String::new();
    loop {
        TEXTS.with_borrow_mut(|texts| *texts = ["hello", ""].into());
        let (more, then) = run_by(&mut server, step, at(0));
        written += &more;
        if then != Waits || input.is_empty() {
            return (written, then);
        }
        assert!(server.wants_input(), "it waits for input that it does not want");
        let (bytes, rest) = input.split_at(read.min(input.len()));
        server.handle_input(bytes);
        input = rest;
    }
}

proptest! {
    #[test]
    fn the_sizes_of_reads_and_writes_change_nothing(
        pieces in proptest::collection::vec(piece(), 0..40),
        read in 1..200_usize,
        step in 1..200_usize,
    ) {
        let input = pieces.concat();
        let whole = run_in_steps(input.as_bytes(), usize::MAX, usize::MAX);
        prop_assert_eq!(run_in_steps(input.as_bytes(), read, step), whole);
    }
}
