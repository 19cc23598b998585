//! Whatever a client sends, the requests, the responses and the end of the connection do
//! not depend on the sizes of reads and writes.

#![no_main]

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use arbitrary::Arbitrary;
use http::Response;
use lasse_core::http1::{ServeConfig, ServerConnection, ServerOutput};
use lasse_core::{
    Accept, Close, Connection, Event, Init, Instant, Next, RequestHead, Source, StreamConfig,
};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    parts: Vec<Part<'a>>,
    read_size: u8,
    write_size: u8,
}

/// A piece of a request: random bytes are hardly ever one.
#[derive(Arbitrary, Debug)]
enum Part<'a> {
    Get,
    Line(Method, u8, bool),
    Host,
    Close,
    Length(u8),
    Coding(u8),
    Target(u8),
    End,
    Filler(u16),
    Bytes(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
enum Method {
    Get,
    Head,
    Post,
}

/// A source for each kind of response.
struct Responder;

impl Accept for Responder {
    type Args = ();

    fn init((): (), request: &RequestHead<'_>) -> Init<Self> {
        match request.uri().path().len() % 4 {
            0 => Init::Complete,
            1 => Init::Respond(Response::new("whole".into())),
            2 => Init::refuse(Duration::from_secs(1)),
            _ => Init::Stream(Self, vec![Event::new("hello").encode()]),
        }
    }
}

impl Source for Responder {
    fn poll_next(&mut self, _: Instant, _: &mut Context<'_>) -> Next {
        Next::last(Event::new("bye"))
    }
}

fuzz_target!(|case: Case<'_>| {
    // A connection that lingers ends early after more than this.
    let input: Vec<u8> = case.parts.iter().flat_map(Part::text).take(128 * 1024).collect();
    let [read_size, write_size] = [case.read_size, case.write_size].map(|n| usize::from(n) + 1);
    assert_eq!(run(&input, read_size, write_size), run(&input, usize::MAX, usize::MAX));
});

/// The requests, the written bytes, and how the connection was closed, if it was.
type Outcome = (Vec<String>, String, Option<Close>);

fn run(mut input: &[u8], read_size: usize, write_size: usize) -> Outcome {
    let config = ServeConfig::new().with_head_limits(1024, 8).unwrap();
    let (streams, now) = (StreamConfig::new(), Instant::from_nanos(0));
    let mut server = ServerConnection::<Responder>::new(&Arc::new(config), now);
    let mut cx = Context::from_waker(Waker::noop());
    let (mut requests, mut written, mut is_half_closed) = (Vec::new(), Vec::new(), false);
    let close = loop {
        match server.poll_output(now, &mut cx) {
            ServerOutput::Request(request) => {
                assert!(!is_half_closed, "a request after the last response");
                requests.push(format!("{request:?}"));
                server.respond(Connection::accept(&request, || (), &streams, now));
            }
            ServerOutput::Write(wire) => {
                assert!(!is_half_closed && !wire.is_empty());
                let bytes = wire.concat();
                let n = bytes.len().min(write_size);
                written.extend_from_slice(&bytes[..n]);
                server.handle_written(n, now);
            }
            ServerOutput::HalfClose => {
                assert!(!is_half_closed);
                is_half_closed = true;
            }
            ServerOutput::Wait if input.is_empty() => break None,
            ServerOutput::Wait => {
                assert!(server.wants_input(), "it waits for input that it does not want");
                let (read, rest) = input.split_at(input.len().min(read_size));
                server.handle_input(read);
                input = rest;
            }
            ServerOutput::Close(close) => break Some(close),
        }
    };
    (requests, String::from_utf8_lossy(&written).into_owned(), close)
}

impl Part<'_> {
    fn text(&self) -> Vec<u8> {
        match self {
            Self::Get => b"GET / HTTP/1.1\r\nhost: here\r\n\r\n".to_vec(),
            Self::Line(method, path, is_1_0) => {
                let path = "x".repeat(usize::from(path % 4));
                format!("{method:?} /{path} HTTP/1.{}\r\n", u8::from(!is_1_0))
                    .to_uppercase()
                    .into_bytes()
            }
            Self::Host => b"host: here\r\n".to_vec(),
            Self::Close => b"connection: close\r\n".to_vec(),
            Self::Length(length) => format!("content-length: {length}\r\n").into_bytes(),
            Self::Coding(n) => {
                let codings = ["chunked", "gzip, chunked", "chunked, gzip", "identity"];
                let coding = codings[usize::from(*n) % codings.len()];
                format!("transfer-encoding: {coding}\r\n").into_bytes()
            }
            Self::Target(n) => {
                let targets =
                    ["*", "http://a/x", "http://u@a/", "a:80", "//a", "/#", "http://[::1]/"];
                let target = targets[usize::from(*n) % targets.len()];
                format!("GET {target} HTTP/1.1\r\n").into_bytes()
            }
            Self::End => b"\r\n".to_vec(),
            Self::Filler(len) => format!("x: {}\r\n", "x".repeat(usize::from(*len))).into_bytes(),
            Self::Bytes(bytes) => bytes.to_vec(),
        }
    }
}
