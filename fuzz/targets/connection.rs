//! No sequence of calls panics, but by the handler's own panics; all that was sent
//! is heard, in order, or told to be unsent; and each handler terminates once.

#![no_main]

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use arbitrary::Arbitrary;
use lasse_core::{
    Close, Connection, Drain, EndReason, Event, Frame, Handler, Instant, Next, Output, SendError,
    StreamConfig,
};
use lasse_testkit::{Heard, Listener};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Call {
    Notify(Order),
    Info(Order),
    End,
    Stop,
    Wake,
    PollWake,
    Poll,
    Written(u16),
    Sleep(u16),
    Timeout,
    PeerClosed,
    WriteError,
    Drain { end: u16, abort: u16 },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Order {
    Send(u16),
    Last(u16),
    Wait,
    Stop,
    Lagged,
    Abort,
    Panic,
}

#[derive(Arbitrary, Debug)]
struct Story {
    first: u8,
    first_byte: bool,
    queue_limit: u16,
    max_age: Option<u16>,
    finite: bool,
    supply: Vec<Order>,
    ticks: Vec<(u16, Order)>,
    calls: Vec<Call>,
}

/// A handler that does as it is told, and numbers what it sends.
struct Puppet {
    supply: Vec<Order>,
    ticks: Vec<(u16, Order)>,
    wake_at: Option<Instant>,
    diary: Rc<RefCell<Diary>>,
}

#[derive(Debug, Default)]
struct Diary {
    sent: usize,
    largest: usize,
    unsent: Option<usize>,
    reasons: Vec<EndReason>,
}

impl Puppet {
    fn obey(&mut self, order: Order) -> Next {
        match order {
            Order::Send(len) => Next::Send(self.frame(len)),
            Order::Last(len) => Next::Last(self.frame(len)),
            Order::Wait => Next::Wait,
            Order::Stop => Next::Stop,
            Order::Lagged => Next::Lagged,
            Order::Abort => Next::Abort,
            // Unlike `panic!`, this does not ask the hook, which would abort.
            Order::Panic => resume_unwind(Box::new("as told")),
        }
    }

    fn frame(&self, len: u16) -> Frame {
        let mut diary = self.diary.borrow_mut();
        diary.sent += 1;
        let frame = Event::new(format!("{} {}", diary.sent, "x".repeat(len.into()))).encode();
        diary.largest = diary.largest.max(frame.len());
        frame
    }
}

impl Handler for Puppet {
    type Notify = Order;
    type Info = Order;

    fn handle_notify(&mut self, order: Order) -> Next {
        self.obey(order)
    }
    fn handle_info(&mut self, order: Order) -> Next {
        self.obey(order)
    }
    fn handle_end(&mut self) -> Next {
        Next::Stop
    }
    fn handle_drained(&mut self) -> Next {
        let order = self.supply.pop().unwrap_or(Order::Wait);
        self.obey(order)
    }
    fn poll_wake(&mut self, _: &mut Context<'_>) -> Poll<()> {
        if self.supply.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }
    fn wake_at(&self) -> Option<Instant> {
        self.wake_at
    }
    fn handle_tick(&mut self, now: Instant) -> Next {
        let Some((millis, order)) = self.ticks.pop() else {
            self.wake_at = None;
            return Next::Wait;
        };
        self.wake_at = Some(now + Duration::from_millis(u64::from(millis) + 1));
        self.obey(order)
    }
    fn handle_error(&mut self, unsent: &[Frame], _: &SendError) {
        assert_eq!(self.diary.borrow_mut().unsent.replace(unsent.len()), None);
    }
    fn terminate(&mut self, reason: EndReason) {
        self.diary.borrow_mut().reasons.push(reason);
    }
}

/// What came over the wire so far, and what the connection said last.
#[derive(Default)]
struct Wire {
    listener: Listener,
    offered: Vec<u8>,
    closed: Option<Close>,
}

impl Wire {
    fn see(&mut self, output: Output) {
        match output {
            Output::Write(bytes) => {
                assert!(self.closed.is_none() && !bytes.is_empty());
                let is_same = self.offered.is_empty() || self.offered == bytes;
                assert!(is_same, "what is not acknowledged is offered again");
                self.offered = bytes.into();
            }
            Output::Wait => assert!(self.closed.is_none()),
            Output::Close(close) => assert_eq!(*self.closed.get_or_insert(close), close),
        }
    }

    fn hear(&mut self, n: usize) {
        let heard: Vec<_> = self.offered.drain(..n).collect();
        self.listener.hear(&heard);
    }

    /// How many events were heard, which must be the first, in order.
    fn events(&self) -> usize {
        let messages = self.listener.heard.iter().filter_map(|heard| match heard {
            Heard::Message(_, data, _) => data.split_once(' '),
            _ => None,
        });
        messages.zip(1..).map(|((n, _), should_be)| assert_eq!(n, should_be.to_string())).count()
    }
}

fuzz_target!(|story: Story| {
    let diary = Rc::new(RefCell::new(Diary::default()));
    let Story { first, supply, ticks, calls, queue_limit, .. } = story;
    let mut now = Instant::from_nanos(1 << 62);
    let puppet = Puppet { supply, ticks, wake_at: Some(now), diary: diary.clone() };
    let first: Vec<_> = (0..first).map(|len| puppet.frame(len.into())).collect();
    let first_len: usize = first.iter().map(Frame::len).sum();
    let limit = usize::from(queue_limit) + 1;
    let mut config = StreamConfig::new()
        .with_first_byte(story.first_byte)
        .with_finite(story.finite)
        .with_queue_limit(limit)
        .unwrap();
    if let Some(millis) = story.max_age {
        config = config.with_max_age(Duration::from_millis(u64::from(millis) + 1)).unwrap();
    }
    let mut connection = Connection::open(puppet, first, &config, now);
    let mut wire = Wire::default();
    for call in calls {
        // A panic that goes on is the handler's.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            perform(&mut connection, &mut wire, call, &mut now);
        }));
        assert!(outcome.is_ok() || connection.reason() == Some(EndReason::Panicked));
        let most = limit.max(first_len) + diary.borrow().largest + SMALL;
        assert!(connection.queued() <= most, "{} bytes are queued", connection.queued());
    }
    let reason = connection.reason();
    drop(connection);
    let diary = diary.borrow();
    assert_eq!(diary.reasons, [reason.unwrap_or(EndReason::Dropped)]);
    let heard = wire.events();
    match (wire.closed, diary.unsent) {
        (Some(Close::Clean), unsent) => assert_eq!((heard, unsent), (diary.sent, None)),
        (_, Some(unsent)) => assert_eq!(heard + unsent, diary.sent),
        (_, None) if reason != Some(EndReason::Panicked) => assert_eq!(heard, diary.sent),
        (_, None) => {}
    }
});

fn perform(connection: &mut Connection<Puppet>, wire: &mut Wire, call: Call, now: &mut Instant) {
    let after = |millis: u16| *now + Duration::from_millis(millis.into());
    match call {
        Call::Notify(order) => connection.handle_notify(order),
        Call::Info(order) => connection.handle_info(order),
        Call::End => connection.handle_end(),
        Call::Stop => connection.handle_stop(),
        Call::Wake => connection.handle_wake(),
        Call::PollWake => {
            let _ = connection.poll_wake(&mut Context::from_waker(Waker::noop()));
        }
        Call::Poll => wire.see(connection.poll_output(*now)),
        Call::Written(n) => {
            let n = usize::from(n).min(wire.offered.len());
            if !connection.is_closed() {
                wire.hear(n);
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
        Call::Drain { end, abort } => connection.handle_drain(Drain {
            end_at: after(end),
            retry: Duration::from_secs(1),
            abort_at: after(abort),
        }),
    }
}

/// What the protocol itself may have queued.
const SMALL: usize = 64;
