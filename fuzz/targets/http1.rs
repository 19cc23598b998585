//! Whatever a client says, and however little comes and goes at once, a conversation
//! goes the same way.

#![no_main]

use std::task::{Context, Waker};
use std::time::Duration;

use arbitrary::Arbitrary;
use http::Response;
use lasse_core::http1::{Limits, ServerConnection, ServerOutput};
use lasse_core::{
    Accept, Close, Connection, Event, Init, Instant, Next, RequestHead, Source, StreamConfig,
};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Story<'a> {
    said: Vec<Part<'a>>,
    /// How much comes, and goes, at once.
    most: [u8; 2],
}

/// A piece of a request: whole bytes at random would hardly ever be one.
#[derive(Arbitrary, Debug)]
enum Part<'a> {
    Get,
    Line(Method, u8, bool),
    Host,
    Close,
    Length(u8),
    Chunked,
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

/// A handler that answers in all the ways there are.
struct Puppet;

impl Accept for Puppet {
    type Args = ();

    fn init((): (), request: &RequestHead<'_>) -> Init<Self> {
        match request.uri().path().len() % 4 {
            0 => Init::NoContent,
            1 => Init::Respond(Response::new("whole".into())),
            2 => Init::Refuse { retry_after: Duration::from_secs(1) },
            _ => Init::Stream(Self, vec![Event::new("hello").encode()]),
        }
    }
}

impl Source for Puppet {
    fn poll_next(&mut self, _: Instant, _: &mut Context<'_>) -> Next {
        Next::last(Event::new("bye"))
    }
}

fuzz_target!(|story: Story<'_>| {
    let said: Vec<u8> = story.said.iter().flat_map(Part::text).collect();
    let [heard, written] = story.most.map(|most| usize::from(most) + 1);
    assert_eq!(converse(&said, heard, written), converse(&said, usize::MAX, usize::MAX));
});

/// What was asked and answered, and how the connection was closed, if it was.
type ResumeOutcome = (Vec<String>, String, Option<Close>);

fn converse(mut said: &[u8], most_heard: usize, most_written: usize) -> ResumeOutcome {
    let (config, now) = (StreamConfig::new(), Instant::from_nanos(0));
    let mut conversation =
        ServerConnection::<Puppet>::new(&config, LIMITS, Duration::from_secs(10), now);
    let mut cx = Context::from_waker(Waker::noop());
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    let close = loop {
        match conversation.poll_output(now, &mut cx) {
            ServerOutput::Answer(request) => {
                asked.push(format!("{request:?}"));
                conversation.answer(Connection::accept(&request, || (), &config, now));
            }
            ServerOutput::Write(wire) => {
                let bytes = wire.concat();
                assert!(!bytes.is_empty());
                let n = bytes.len().min(most_written);
                answered.extend_from_slice(&bytes[..n]);
                conversation.handle_written(n, now);
            }
            ServerOutput::Wait if said.is_empty() => break None,
            ServerOutput::Wait => {
                assert!(conversation.wants_input(), "it waits for what it does not want");
                let (heard, rest) = said.split_at(said.len().min(most_heard));
                conversation.handle_input(heard);
                said = rest;
            }
            ServerOutput::Close(close) => break Some(close),
        }
    };
    (asked, String::from_utf8_lossy(&answered).into_owned(), close)
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
            Self::Chunked => b"transfer-encoding: chunked\r\n".to_vec(),
            Self::End => b"\r\n".to_vec(),
            Self::Filler(len) => format!("x: {}\r\n", "x".repeat(usize::from(*len))).into_bytes(),
            Self::Bytes(bytes) => bytes.to_vec(),
        }
    }
}

/// Small, so that they are met.
const LIMITS: Limits = Limits { head_bytes: 1024, headers: 8 };
