//! When a connection polls its source, and how drivers write its frames.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use lasse_core::*;

/// A source that returns prepared steps, and counts its polls.
#[derive(Default)]
struct Script {
    /// The last step comes first. Without any, it waits.
    steps: Vec<Next>,
    has_more: bool,
    polls: usize,
    unsent: Vec<Frame>,
    reasons: Vec<EndReason>,
}

impl Script {
    fn new(steps: impl IntoIterator<Item = Next>) -> Self {
        let mut steps: Vec<_> = steps.into_iter().collect();
        steps.reverse();
        Self { steps, ..Self::default() }
    }
}

impl Source for Script {
    fn poll_next(&mut self, _: Instant, _: &mut Context<'_>) -> Next {
        self.polls += 1;
        self.steps.pop().unwrap_or(Next::Wait(None))
    }
    fn has_more(&self) -> bool {
        self.has_more
    }
    fn handle_error(&mut self, unsent: &[Frame], _: &SendError) {
        self.unsent = unsent.to_vec();
    }
    fn terminate(&mut self, reason: EndReason) {
        self.reasons.push(reason);
    }
}

/// A waker that counts.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn at(secs: u64) -> Instant {
    Instant::from_nanos(secs * 1_000_000_000)
}

fn send(text: &'static str) -> Next {
    Next::send(Event::new(text))
}

fn open<S: Source>(source: S) -> Connection<S> {
    Connection::open(source, [], &StreamConfig::new().with_first_byte(false), at(0))
}

fn poll<S: Source>(connection: &mut Connection<S>, now: Instant) -> Output {
    connection.poll_output(now, &mut Context::from_waker(Waker::noop()))
}

fn write(text: &str) -> Output {
    Output::Write(text.to_owned().into())
}

#[test]
fn a_source_is_not_polled_while_its_frame_is_unsent() {
    let mut connection = open(Script::new([send("one"), send("two")]));
    for _ in 0..3 {
        assert_eq!(poll(&mut connection, at(0)), write("data: one\n\n"));
    }
    connection.handle_written(10, at(0));
    assert_eq!(poll(&mut connection, at(0)), write("\n"));
    assert_eq!(connection.source().polls, 1);
    connection.handle_written(1, at(0));
    assert_eq!(poll(&mut connection, at(0)), write("data: two\n\n"));
    assert_eq!(connection.source().polls, 2);
}

#[test]
fn a_source_that_has_more_is_polled_until_it_waits_or_fills_a_write() {
    let mut script = Script::new([send("one"), send("two"), send("three")]);
    script.has_more = true;
    let mut connection = open(script);
    assert_eq!(poll(&mut connection, at(0)), write("data: one\n\ndata: two\n\ndata: three\n\n"));

    let large = Event::new("x".repeat(10 * 1024)).encode();
    let mut script = Script::new((0..9).map(|_| Next::Send(large.clone())));
    script.has_more = true;
    let mut connection = open(script);
    let _ = poll(&mut connection, at(0));
    assert_eq!((connection.source().polls, connection.queued()), (2, 2 * large.len()));
}

#[test]
fn a_source_has_a_deadline_only_while_it_waits() {
    let wait = Next::Wait(Some(at(5)));
    let mut connection = open(Script::new([wait.clone(), send("one"), wait]));
    assert_eq!(poll(&mut connection, at(0)), Output::Wait);
    assert_eq!(connection.deadline(), Some(at(5)));
    connection.handle_timeout(at(5));
    assert_eq!(poll(&mut connection, at(5)), write("data: one\n\n"));
    assert_eq!(connection.deadline(), Some(at(35)), "the write timeout");
    connection.handle_written(11, at(5));
    assert_eq!(connection.deadline(), Some(at(20)), "the keep-alive");
}

#[test]
fn a_source_of_empty_frames_does_not_block_its_thread() {
    struct Empty;
    impl Source for Empty {
        fn poll_next(&mut self, _: Instant, _: &mut Context<'_>) -> Next {
            Next::Send(Frame::concat([]))
        }
    }
    let counter = Arc::new(Counter::default());
    let waker = Waker::from(counter.clone());
    let mut connection = open(Empty);
    let output = connection.poll_output(at(0), &mut Context::from_waker(&waker));
    assert_eq!((output, counter.0.load(Ordering::Relaxed)), (Output::Wait, 1));
}

#[test]
fn an_empty_frame_does_not_end_the_polls_before_the_source_waits() {
    let empty = Next::Send(Frame::concat([]));
    let mut connection = open(Script::new([empty.clone(), empty, send("one")]));
    assert_eq!(poll(&mut connection, at(0)), write("data: one\n\n"));
}

#[test]
fn a_boxed_source_is_a_source() {
    let script: Box<dyn Source> = Box::new(Script::new([Next::last(Event::new("bye"))]));
    let mut connection = open(script);
    assert_eq!(poll(&mut connection, at(0)), write("data: bye\n\n"));
    connection.handle_written(11, at(0));
    assert_eq!(poll(&mut connection, at(0)), Output::Close(Close::Clean));
}

#[test]
fn events_frames_and_results_convert_into_steps() {
    let frame = Event::new("one").encode();
    assert_eq!(Next::from(Event::new("one")), Next::Send(frame.clone()));
    assert_eq!(Next::from(Ok::<_, ()>(frame.clone())), Next::Send(frame));
    assert_eq!(Next::from(Err::<Event<'_>, _>("lost")), Next::Abort);
    assert_eq!(Next::from(Ok::<_, ()>(Next::Stop)), Next::Stop);
}

/// A kernel that completes writes: it holds the bytes of one write, and completes
/// any part of them later.
#[derive(Default)]
struct Kernel {
    in_flight: Option<Bytes>,
    received: Vec<u8>,
}

impl Kernel {
    fn submit(&mut self, bytes: Bytes) {
        assert!(self.in_flight.replace(bytes).is_none(), "one write at a time");
    }

    /// Completes the write with `n` bytes, and returns how many were written.
    fn complete(&mut self, n: usize) -> usize {
        let bytes = self.in_flight.take().expect("a write is in flight");
        let n = n.min(bytes.len());
        self.received.extend_from_slice(&bytes[..n]);
        n
    }
}

/// Submits what the connection offers, unless a write is in flight.
fn drive(connection: &mut Connection<Script>, kernel: &mut Kernel, now: Instant) -> Option<Close> {
    match poll(connection, now) {
        Output::Write(bytes) => {
            if kernel.in_flight.is_none() {
                kernel.submit(bytes);
            }
            None
        }
        Output::Wait => None,
        Output::Close(close) => Some(close),
    }
}

#[test]
fn a_driver_can_complete_writes_late_and_in_parts() {
    let steps = [send("one"), send("two"), Next::last(Event::new("three"))];
    let (mut connection, mut kernel) = (open(Script::new(steps)), Kernel::default());
    let (mut now, mut closed) = (at(0), None);
    for secs in 1.. {
        closed = drive(&mut connection, &mut kernel, now).or(closed);
        closed = drive(&mut connection, &mut kernel, now).or(closed);
        now = at(secs * 20);
        connection.handle_timeout(now);
        if kernel.in_flight.is_none() {
            break;
        }
        let n = kernel.complete(5);
        connection.handle_written(n, now);
    }
    assert_eq!(closed, Some(Close::Clean));
    assert_eq!(kernel.received, b"data: one\n\ndata: two\n\ndata: three\n\n");
}

#[test]
fn the_bytes_of_a_write_outlive_a_connection_that_is_aborted_and_dropped() {
    let (mut connection, mut kernel) = (open(Script::new([send("one")])), Kernel::default());
    assert_eq!(drive(&mut connection, &mut kernel, at(0)), None);
    connection.handle_timeout(at(30));
    assert_eq!(drive(&mut connection, &mut kernel, at(30)), Some(Close::Abort));
    connection.handle_written(4, at(30));
    assert_eq!(connection.source().unsent, [Event::new("one").encode()]);
    assert_eq!(connection.source().reasons, [EndReason::Stalled]);
    drop(connection);
    assert_eq!(kernel.complete(99), 11);
    assert_eq!(kernel.received, b"data: one\n\n");
}

#[test]
fn a_write_in_flight_is_not_extended_by_a_keep_alive_or_a_shutdown() {
    let (mut connection, mut kernel) = (open(Script::new([send("one")])), Kernel::default());
    assert_eq!(drive(&mut connection, &mut kernel, at(0)), None);
    let retry = Duration::from_secs(1);
    let stall_timeout = Duration::from_secs(30);
    connection.handle_drain(Drain { end_at: at(16), retry, stall_timeout, abort_at: at(99) });
    connection.handle_timeout(at(16));
    assert_eq!(poll(&mut connection, at(16)), write("data: one\n\n"));
    let n = kernel.complete(99);
    connection.handle_written(n, at(17));
    assert_eq!(poll(&mut connection, at(17)), write("retry: 1000\n"));
    connection.handle_written(12, at(17));
    assert_eq!(poll(&mut connection, at(17)), Output::Close(Close::Clean));
}
