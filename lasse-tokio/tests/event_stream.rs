//! `Stream`s of events as sources.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use lasse_tokio::{
    Close, Connection, EndReason, Event, EventStream, Frame, Instant, Next, Output, Source,
    StreamConfig,
};

/// A stream that is always ready.
struct Ready<T>(VecDeque<T>);

impl<T: Unpin> Stream for Ready<T> {
    type Item = T;
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Ready(self.0.pop_front())
    }
}

fn open<S: Source>(source: S) -> Connection<S> {
    let config = StreamConfig::new().with_first_byte(false);
    Connection::open(source, [], &config, NOW)
}

/// Writes everything, and returns the written bytes and how the stream ended.
fn run<T: Into<Next> + Unpin>(
    items: impl IntoIterator<Item = T>,
) -> (Vec<String>, Option<(Close, EndReason)>) {
    let mut connection = open(EventStream::new(Ready(items.into_iter().collect())));
    let mut writes = Vec::new();
    loop {
        match connection.poll_output(NOW, &mut Context::from_waker(Waker::noop())) {
            Output::Write(bytes) => {
                writes.push(String::from_utf8_lossy(&bytes).into_owned());
                connection.handle_written(bytes.len(), NOW);
            }
            Output::Wait => return (writes, None),
            Output::Close(close) => {
                return (writes, connection.reason().map(|reason| (close, reason)));
            }
        }
    }
}

const NOW: Instant = Instant::from_nanos(0);

#[test]
fn events_that_are_ready_go_out_in_one_write_and_the_response_ends_with_the_stream() {
    let (writes, end) = run(["a", "b", "c"].map(Event::new));
    assert_eq!(writes, ["data: a\n\ndata: b\n\ndata: c\n\n"]);
    assert_eq!(end, Some((Close::Clean, EndReason::Stopped)));
}

#[test]
fn an_error_aborts_the_response_after_the_events_before_it() {
    let (writes, end) = run([Ok(Event::new("a")), Err("the model is gone"), Ok(Event::new("b"))]);
    assert_eq!(writes, ["data: a\n\n"]);
    assert_eq!(end, Some((Close::Abort, EndReason::Aborted)));
}

#[test]
fn an_item_can_be_the_last_event() {
    let last = Next::last(Event::new("the model is gone"));
    let (writes, end) = run([Event::new("a").into(), last, Event::new("b").into()]);
    assert_eq!(writes, ["data: a\n\ndata: the model is gone\n\n"]);
    assert_eq!(end, Some((Close::Clean, EndReason::Stopped)));
}

#[test]
fn an_item_that_waits_lets_other_tasks_run() {
    let (writes, end) = run([Next::Wait(None), Event::new("a").into()]);
    assert_eq!((writes.len(), end), (0, None));
}

#[test]
fn the_stream_is_dropped_when_the_response_ends() {
    struct Pending(#[expect(dead_code, reason = "it is only dropped")] mpsc::Sender<()>);
    impl Stream for Pending {
        type Item = Frame;
        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Frame>> {
            Poll::Pending
        }
    }
    let (sender, receiver) = mpsc::channel();
    let mut connection = open(EventStream::new(Pending(sender)));
    assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Empty));
    connection.handle_peer_closed();
    assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Disconnected));
}
