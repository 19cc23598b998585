//! No sequence of calls panics, except for the source's own panics; everything that is
//! sent is received, in order, or reported as unsent; a connection waits only if its source
//! waits; and each source terminates once.

#![no_main]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use arbitrary::Arbitrary;
use lasse_core::{
    Close, Connection, Dialect, Drain, EndReason, Event, Frame, Instant, Next, Output, SendError,
    Source, StreamConfig,
};
use lasse_testkit::{Received, Recorder};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Call {
    Order(Order),
    Stop,
    Poll,
    Written(u16),
    Sleep(u16),
    Timeout,
    PeerClosed,
    WriteError,
    Drain { end: u16, stall: u16, abort: u16 },
    End { reason: u8, retry: Option<u16> },
    ExpireAt(u16),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Order {
    Send(u16),
    SendNothing,
    Last(u16),
    WaitFor(u16),
    Stop,
    Lagged,
    Abort,
    Panic,
}

#[derive(Arbitrary, Debug)]
struct Case {
    first: u8,
    first_byte: bool,
    max_age: Option<u16>,
    finite: bool,
    has_more: bool,
    dialect: u8,
    orders: Vec<Order>,
    calls: Vec<Call>,
}

/// A source that obeys orders, and numbers what it sends.
struct TestHandler {
    has_more: bool,
    journal: Rc<RefCell<Records>>,
}

#[derive(Debug, Default)]
struct Records {
    orders: VecDeque<Order>,
    sent: usize,
    largest: usize,
    is_waiting: bool,
    unsent: Option<usize>,
    reasons: Vec<EndReason>,
}

impl TestHandler {
    fn frame(&self, len: u16) -> Frame {
        let mut journal = self.journal.borrow_mut();
        journal.sent += 1;
        let frame = Event::new(format!("{} {}", journal.sent, "x".repeat(len.into()))).encode();
        journal.largest = journal.largest.max(frame.len());
        frame
    }
}

impl Source for TestHandler {
    fn poll_next(&mut self, now: Instant, _: &mut Context<'_>) -> Next {
        assert!(self.journal.borrow().reasons.is_empty(), "it is polled after its end");
        let order = self.journal.borrow_mut().orders.pop_front();
        self.journal.borrow_mut().is_waiting = matches!(order, None | Some(Order::WaitFor(_)));
        match order {
            Some(Order::Send(len)) => Next::Send(self.frame(len)),
            Some(Order::SendNothing) => Next::Send(Frame::concat([])),
            Some(Order::Last(len)) => Next::Last(self.frame(len)),
            Some(Order::WaitFor(millis)) => {
                Next::Wait(Some(now + Duration::from_millis(u64::from(millis) + 1)))
            }
            Some(Order::Stop) => Next::Stop,
            Some(Order::Lagged) => Next::Lagged,
            Some(Order::Abort) => Next::Abort,
            // Unlike `panic!`, this does not run the panic hook, which would abort.
            Some(Order::Panic) => resume_unwind(Box::new("as ordered")),
            None => Next::Wait(None),
        }
    }
    fn has_more(&self) -> bool {
        self.has_more
    }
    fn handle_error(&mut self, unsent: &[Frame], _: &SendError) {
        assert_eq!(self.journal.borrow_mut().unsent.replace(unsent.len()), None);
    }
    fn terminate(&mut self, reason: EndReason) {
        self.journal.borrow_mut().reasons.push(reason);
    }
}

/// The bytes on the wire so far, and the last output of the connection.
#[derive(Default)]
struct Wire {
    recorder: Recorder,
    offered: Vec<u8>,
    closed: Option<Close>,
}

impl Wire {
    fn handle_output(&mut self, output: Output) {
        match output {
            Output::Write(bytes) => {
                assert!(self.closed.is_none() && !bytes.is_empty());
                let is_same = self.offered.is_empty() || self.offered == bytes;
                assert!(is_same, "unacknowledged bytes are offered again");
                self.offered = bytes.into();
            }
            Output::Wait => assert!(self.closed.is_none()),
            Output::Close(close) => assert_eq!(*self.closed.get_or_insert(close), close),
        }
    }

    fn receive(&mut self, n: usize) {
        let received: Vec<_> = self.offered.drain(..n).collect();
        self.recorder.receive(&received);
    }

    /// How many events were received, which must be the first ones, in order.
    fn events(&self) -> usize {
        let messages = self.recorder.received.iter().filter_map(|received| match received {
            Received::Message(_, data, _) => data.split_once(' '),
            _ => None,
        });
        messages.zip(1..).map(|((n, _), should_be)| assert_eq!(n, should_be.to_string())).count()
    }
}

fuzz_target!(|case: Case| {
    let journal = Rc::new(RefCell::new(Records::default()));
    let Case { first, first_byte, max_age, finite, has_more, dialect, orders, calls } = case;
    let mut now = Instant::from_nanos(1 << 62);
    journal.borrow_mut().orders = orders.into();
    let handler = TestHandler { has_more, journal: journal.clone() };
    let first: Vec<_> = (0..first).map(|len| handler.frame(len.into())).collect();
    let first_len: usize = first.iter().map(Frame::len).sum();
    let mut config = StreamConfig::new().with_first_byte(first_byte).with_finite(finite);
    let dialects = [Dialect::EventSource, Dialect::Fetch, Dialect::DataOnly, Dialect::Auto];
    config = config.with_dialect(dialects[usize::from(dialect) % dialects.len()]);
    if let Some(millis) = max_age {
        config = config.with_max_age(Duration::from_millis(millis.into()));
    }
    let mut connection = Connection::open(handler, first, &config, now);
    let mut wire = Wire::default();
    for call in calls {
        // Only the source panics.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            perform(&mut connection, &mut wire, call, &mut now, &journal);
        }));
        assert!(outcome.is_ok() || connection.reason() == Some(EndReason::Panicked));
        let most = BATCH.max(first_len) + journal.borrow().largest + SMALL;
        assert!(connection.queued() <= most, "{} bytes are queued", connection.queued());
    }
    let reason = connection.reason();
    drop(connection);
    let journal = journal.borrow();
    assert_eq!(journal.reasons, [reason.unwrap_or(EndReason::Dropped)]);
    let received = wire.events();
    match (wire.closed, journal.unsent) {
        (Some(Close::Clean), unsent) => assert_eq!((received, unsent), (journal.sent, None)),
        (_, Some(unsent)) => assert_eq!(received + unsent, journal.sent),
        (_, None) if reason != Some(EndReason::Panicked) => assert_eq!(received, journal.sent),
        (_, None) => {}
    }
});

fn perform(
    connection: &mut Connection<TestHandler>,
    wire: &mut Wire,
    call: Call,
    now: &mut Instant,
    journal: &RefCell<Records>,
) {
    let after = |millis: u16| *now + Duration::from_millis(millis.into());
    match call {
        Call::Order(order) => journal.borrow_mut().orders.push_back(order),
        Call::Stop => connection.handle_stop(),
        Call::Poll => {
            let has_work = !journal.borrow().orders.is_empty();
            let output = connection.poll_output(*now, &mut Context::from_waker(Waker::noop()));
            let is_waiting = journal.borrow().is_waiting;
            assert!(output != Output::Wait || is_waiting || has_work, "its source is not polled");
            wire.handle_output(output);
        }
        Call::Written(n) => {
            let n = usize::from(n).min(wire.offered.len());
            if !connection.is_closed() {
                wire.receive(n);
                connection.handle_written(n, *now);
            }
        }
        Call::Sleep(millis) => *now = after(millis),
        Call::Timeout => {
            connection.handle_timeout(*now);
            let due = connection.deadline().filter(|deadline| deadline <= now);
            assert_eq!(due, None, "a deadline that was met is due again");
        }
        Call::PeerClosed => connection.handle_peer_closed(),
        Call::WriteError => connection.handle_write_error("broken"),
        Call::Drain { end, stall, abort } => connection.handle_drain(Drain {
            end_at: after(end),
            retry: Duration::from_secs(1),
            stall_timeout: Duration::from_millis(stall.into()),
            abort_at: after(abort),
        }),
        Call::End { reason, retry } => {
            let reasons = EndReason::all();
            let reason = reasons[usize::from(reason) % reasons.len()];
            connection.end(reason, retry.map(|millis| Duration::from_millis(millis.into())));
        }
        Call::ExpireAt(millis) => connection.expire_at(after(millis)),
    }
}

/// Up to how many queued bytes a connection polls its source.
const BATCH: usize = 16 * 1024;

/// What the protocol itself may have queued.
const SMALL: usize = 128;
