//! The server's side of an HTTP/1.1 connection, with any sizes of reads and writes.
#![cfg(feature = "http1")]

mod ends;
mod requests;
mod responses;
mod shutdown;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use lasse_core::http1::{ServeConfig, ServerConnection, ServerOutput};
use lasse_core::*;

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

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n";
const GET_WHOLE: &[u8] = b"GET /whole HTTP/1.1\r\nhost: here\r\n\r\n";
const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole";
