//! One stream, step by step, without a clock and a socket.

mod ends;
mod frames;
mod shutdown;

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use lasse_core::*;

/// A handler that obeys orders, and keeps a journal.
#[derive(Default)]
struct TestHandler {
    journal: Records,
    /// Orders to obey without a message, the last one first.
    supply: Vec<&'static str>,
    tick_every: Option<u64>,
    ticked: u64,
}

/// A source that sends nothing.
struct Silent;

impl Source for Silent {
    fn poll_next(&mut self, _: Instant, _: &mut Context<'_>) -> Next {
        Next::Wait(None)
    }
}

type Records = Rc<RefCell<Vec<String>>>;

type Stream = Connection<HandlerSource<TestHandler>>;

impl TestHandler {
    fn note(&self, line: impl Into<String>) {
        self.journal.borrow_mut().push(line.into());
    }

    fn obey(&mut self, order: &'static str) -> Next {
        match order {
            "stop" => Next::Stop,
            "lag" => Next::Lagged,
            "abort" => Next::Abort,
            "wait" => Next::Wait(None),
            "panic" => panic!("as ordered"),
            text => match text.strip_prefix("last ") {
                Some(text) => Next::last(Event::new(text)),
                None => Next::send(Event::new(text)),
            },
        }
    }
}

impl Handler for TestHandler {
    type Notify = &'static str;
    type Info = &'static str;

    fn handle_notify(&mut self, order: &'static str) -> Next {
        self.obey(order)
    }
    fn handle_info(&mut self, order: &'static str) -> Next {
        self.note(format!("info {order}"));
        self.obey(order)
    }
    fn handle_tick(&mut self, now: Instant) -> Next {
        if let Some(order) = self.supply.pop() {
            return self.obey(order);
        }
        let Some(every) = self.tick_every else { return Next::Wait(None) };
        let next = at(every * (self.ticked + 1));
        if now < next {
            return Next::Wait(Some(next));
        }
        self.ticked += 1;
        Next::send(Event::new(format!("tick {}", self.ticked)))
    }
    fn handle_end(&mut self) -> Next {
        self.note("end");
        Next::Stop
    }
    fn handle_error(&mut self, unsent: &[Frame], error: &SendError) {
        let unsent: Vec<_> =
            unsent.iter().map(|frame| String::from_utf8_lossy(frame.as_bytes())).collect();
        self.note(format!("lost {unsent:?}: {error}"));
    }
    fn terminate(&mut self, reason: EndReason) {
        self.note(reason.as_str());
        assert_ne!(self.supply.last(), Some(&"panic in terminate"), "as ordered");
    }
}

fn at(secs: u64) -> Instant {
    Instant::from_nanos(secs * 1_000_000_000)
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A stream without a first byte, opened at zero.
fn open(handler: TestHandler) -> (Records, Notifier<TestHandler>, Stream) {
    open_with(handler, &quiet())
}

fn open_with(
    handler: TestHandler,
    config: &StreamConfig,
) -> (Records, Notifier<TestHandler>, Stream) {
    let (notifier, mailbox) = mailbox(64);
    let journal = handler.journal.clone();
    let source = HandlerSource::new(handler, mailbox);
    (journal, notifier, Connection::open(source, [], config, at(0)))
}

fn quiet() -> StreamConfig {
    StreamConfig::new().with_first_byte(false)
}

fn poll<S: Source>(connection: &mut Connection<S>, now: Instant) -> Output {
    connection.poll_output(now, &mut Context::from_waker(Waker::noop()))
}

fn write(text: &str) -> Output {
    Output::Write(text.to_owned().into())
}

/// Writes everything that can be written, and returns it.
fn flush<S: Source>(connection: &mut Connection<S>, now: Instant) -> String {
    let mut written = Vec::new();
    while let Output::Write(bytes) = poll(connection, now) {
        written.extend_from_slice(&bytes);
        connection.handle_written(bytes.len(), now);
    }
    String::from_utf8(written).unwrap()
}
