//! Requests and answers on the wire, however little comes and goes at once.
#![cfg(feature = "http1")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use lasse_core::http1::{Limits, ServerConnection, ServerOutput};
use lasse_core::*;

thread_local! {
    /// The words that the stream of this test still has to send.
    static WORDS: RefCell<VecDeque<&'static str>> = RefCell::default();
}

/// A source that sends all words, and stops at the empty one.
struct Echo;

impl Source for Echo {
    fn poll_next(&mut self, _: Instant, _: &mut Context<'_>) -> Next {
        match WORDS.with_borrow_mut(VecDeque::pop_front) {
            None => Next::Wait(None),
            Some("") => Next::Stop,
            Some(word) => Next::send(Event::new(word)),
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

fn at(secs: u64) -> Instant {
    Instant::from_nanos(secs * 1_000_000_000)
}

fn config() -> StreamConfig {
    StreamConfig::new().with_first_byte(false).with_write_timeout(Duration::from_secs(7)).unwrap()
}

/// A conversation that begins at zero. A head may take three seconds.
fn start() -> ServerConnection<Echo> {
    ServerConnection::new(&config(), Limits::default(), Duration::from_secs(3), at(0))
}

/// A conversation in which a stream was asked for.
fn stream() -> ServerConnection<Echo> {
    let mut conversation = start();
    conversation.handle_input(GET);
    conversation
}

/// Answers and writes all there is, `most` bytes at once; what was written, and
/// whether the connection is closed then.
fn flush(
    conversation: &mut ServerConnection<Echo>,
    most: usize,
    now: Instant,
) -> (String, Option<Close>) {
    let mut written = Vec::new();
    let closed = loop {
        let bytes = match poll(conversation, now) {
            ServerOutput::Answer(request) => {
                conversation.answer(Connection::accept(&request, || (), &config(), now));
                continue;
            }
            ServerOutput::Write(wire) => wire.concat(),
            ServerOutput::Wait => break None,
            ServerOutput::Close(close) => break Some(close),
        };
        let some = &bytes[..most.min(bytes.len())];
        written.extend_from_slice(some);
        conversation.handle_written(some.len(), now);
    };
    (String::from_utf8(written).unwrap(), closed)
}

/// As [`flush`], at zero, of a conversation that goes on.
fn say(conversation: &mut ServerConnection<Echo>, most: usize) -> String {
    let (said, closed) = flush(conversation, most, at(0));
    assert_eq!(closed, None);
    said
}

fn notify(conversation: &mut ServerConnection<Echo>, word: &'static str) {
    assert!(conversation.stream().is_some());
    WORDS.with_borrow_mut(|words| words.push_back(word));
}

fn poll(conversation: &mut ServerConnection<Echo>, now: Instant) -> ServerOutput<'_> {
    conversation.poll_output(now, &mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_stream_is_framed_the_same_however_little_is_written_at_once() {
    for most in [1, 2, 3, 7, 1000] {
        let mut conversation = stream();
        let head = say(&mut conversation, most);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        notify(&mut conversation, "hello");
        assert_eq!(say(&mut conversation, most), "d\r\ndata: hello\n\n\r\n");
        notify(&mut conversation, "");
        assert_eq!(say(&mut conversation, most), "0\r\n\r\n");
        conversation.handle_input(b"GET /whole HTTP/1.1\r\nhost: here\r\n\r\n");
        assert_eq!(say(&mut conversation, most), WHOLE);
    }
}

#[test]
fn requests_may_come_in_any_pieces_and_ahead_of_their_turn() {
    let whole = b"GET /whole HTTP/1.1\r\nhost: here\r\n\r\n";
    let both = [whole.as_slice(), GET].concat();
    for most in [1, 2, 3, 7, 1000] {
        let mut conversation = start();
        let mut said = String::new();
        for piece in both.chunks(most) {
            conversation.handle_input(piece);
            said += &say(&mut conversation, 1000);
        }
        assert!(said.starts_with(&format!("{WHOLE}HTTP/1.1 200 OK\r\n")));
        assert!(conversation.stream().is_some());
    }
}

#[test]
fn a_head_must_come_in_time() {
    let mut conversation = start();
    assert_eq!(conversation.deadline(), Some(at(3)));
    conversation.handle_input(b"GET / HT");
    assert_eq!(flush(&mut conversation, 1000, at(2)), (String::new(), None));
    let (said, closed) = flush(&mut conversation, 1000, at(3));
    assert!(said.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{said}");
    assert_eq!(closed, Some(Close::Clean));
}

#[test]
fn a_client_that_asks_nothing_more_is_left_in_silence() {
    let mut conversation = start();
    conversation.handle_input(b"GET /whole HTTP/1.1\r\nhost: here\r\n\r\n");
    assert_eq!(flush(&mut conversation, 1000, at(2)), (WHOLE.into(), None));
    assert_eq!(conversation.deadline(), Some(at(5)));
    assert_eq!(flush(&mut conversation, 1000, at(5)), (String::new(), Some(Close::Clean)));
}

#[test]
fn what_is_no_request_is_refused_and_the_connection_closed() {
    let mut conversation = start();
    conversation.handle_input(b"hello\r\n\r\n");
    let (said, closed) = flush(&mut conversation, 1, at(0));
    assert!(said.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{said}");
    assert_eq!(closed, Some(Close::Clean));
}

#[test]
fn the_deadline_covers_the_head_of_the_answer() {
    let mut conversation = stream();
    let ServerOutput::Answer(request) = poll(&mut conversation, at(0)) else { panic!("a request") };
    conversation.answer(Connection::accept(&request, || (), &config(), at(0)));
    assert!(matches!(poll(&mut conversation, at(0)), ServerOutput::Write(_)));
    assert_eq!(conversation.deadline(), Some(at(7)));
    conversation.handle_written(1, at(5));
    assert!(matches!(poll(&mut conversation, at(5)), ServerOutput::Write(_)));
    assert_eq!(conversation.deadline(), Some(at(12)));
    conversation.handle_timeout(at(12));
    assert_eq!(conversation.stream().unwrap().reason(), Some(EndReason::Stalled));
    assert!(matches!(poll(&mut conversation, at(12)), ServerOutput::Close(Close::Abort)));
}

#[test]
fn the_deadline_covers_the_end_of_the_answer() {
    let mut conversation = stream();
    say(&mut conversation, 1000);
    notify(&mut conversation, "");
    assert!(matches!(poll(&mut conversation, at(1)), ServerOutput::Write(_)));
    assert_eq!(conversation.deadline(), Some(at(8)));
    conversation.handle_timeout(at(8));
    assert!(matches!(poll(&mut conversation, at(8)), ServerOutput::Close(Close::Abort)));
}

#[test]
fn a_client_that_leaves_ends_its_stream() {
    let mut conversation = stream();
    say(&mut conversation, 1000);
    conversation.handle_peer_closed();
    assert_eq!(conversation.stream().unwrap().reason(), Some(EndReason::PeerClosed));
    assert!(matches!(poll(&mut conversation, at(0)), ServerOutput::Close(Close::Abort)));
    assert_eq!(conversation.deadline(), None);
}

#[test]
fn a_client_that_left_before_its_stream_began_has_none() {
    let mut conversation = stream();
    conversation.handle_peer_closed();
    assert_eq!(flush(&mut conversation, 1000, at(0)), (String::new(), Some(Close::Abort)));
}

#[test]
fn no_more_is_read_ahead_than_a_head_may_have() {
    let mut conversation = stream();
    say(&mut conversation, 1000);
    assert!(conversation.wants_input());
    conversation.handle_input(&[b'x'; 16 * 1024]);
    assert!(!conversation.wants_input());
    notify(&mut conversation, "still here");
    assert!(say(&mut conversation, 1000).contains("data: still here\n\n"));
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n";
const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole";
