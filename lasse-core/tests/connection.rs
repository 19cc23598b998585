//! One stream, step by step, without a clock and a socket.

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

#[test]
fn a_notification_becomes_an_event() {
    let (_, notifier, mut connection) = open(TestHandler::default());
    assert_eq!(poll(&mut connection, at(0)), Output::Wait);
    notifier.notify("hello").unwrap();
    assert_eq!(poll(&mut connection, at(3)), write("data: hello\n\n"));
    connection.handle_written(13, at(3));
    assert_eq!(poll(&mut connection, at(3)), Output::Wait);
    assert_eq!(connection.deadline(), Some(at(18)));
}

#[test]
fn notify_and_info_are_not_confused() {
    let (journal, notifier, mut connection) = open(TestHandler::default());
    notifier.notify("in-band").unwrap();
    notifier.inform("out-of-band").unwrap();
    assert_eq!(flush(&mut connection, at(0)), "data: in-band\n\ndata: out-of-band\n\n");
    assert_eq!(*journal.borrow(), ["info out-of-band"]);
}

#[test]
fn a_stop_ends_the_stream_cleanly_after_queued_frames() {
    let (journal, notifier, mut connection) = open(TestHandler::default());
    notifier.notify("last words").unwrap();
    notifier.notify("stop").unwrap();
    notifier.notify("too late").unwrap();
    assert_eq!(flush(&mut connection, at(0)), "data: words\n\n");
    assert_eq!(poll(&mut connection, at(0)), Output::Close(Close::Clean));
    assert_eq!(poll(&mut connection, at(0)), Output::Close(Close::Clean));
    drop(connection);
    assert_eq!(*journal.borrow(), ["stopped"]);
}

#[test]
fn a_stop_of_the_driver_ends_the_stream_cleanly_after_queued_frames() {
    let (journal, notifier, mut connection) = open(TestHandler::default());
    notifier.notify("hello").unwrap();
    assert_eq!(poll(&mut connection, at(0)), write("data: hello\n\n"));
    connection.handle_stop();
    assert_eq!(flush(&mut connection, at(0)), "data: hello\n\n");
    assert_eq!(poll(&mut connection, at(0)), Output::Close(Close::Clean));
    assert_eq!(*journal.borrow(), ["stopped"]);
}

#[test]
fn the_handler_decides_what_happens_when_all_notifiers_are_dropped() {
    let (journal, notifier, mut connection) = open(TestHandler::default());
    drop(notifier);
    assert_eq!(poll(&mut connection, at(0)), Output::Close(Close::Clean));
    assert_eq!(*journal.borrow(), ["end", "stopped"]);
}

#[test]
fn the_first_byte_and_the_first_frames_go_out_in_one_write() {
    let first = [Event::new("one").encode(), Event::new("two").encode()];
    let mut connection = Connection::open(Silent, first, &StreamConfig::new(), at(0));
    assert_eq!(poll(&mut connection, at(0)), write(":\ndata: one\n\ndata: two\n\n"));
}

#[test]
fn the_first_byte_goes_out_with_the_first_frame_of_the_source() {
    let handler = TestHandler { supply: vec!["more", "some"], ..TestHandler::default() };
    let (_, _notifier, mut connection) = open_with(handler, &StreamConfig::new());
    assert_eq!(poll(&mut connection, at(0)), write(":\ndata: some\n\n"));
    connection.handle_written(14, at(0));
    assert_eq!(poll(&mut connection, at(0)), write("data: more\n\n"));
}

#[test]
fn a_keep_alive_is_a_comment_without_a_blank_line() {
    let (_, _notifier, mut connection) = open(TestHandler::default());
    connection.handle_timeout(at(14));
    assert_eq!(poll(&mut connection, at(14)), Output::Wait);
    connection.handle_timeout(at(15));
    assert_eq!(poll(&mut connection, at(15)), write(":\n"));
    connection.handle_written(2, at(15));
    assert_eq!(connection.deadline(), Some(at(30)));
}

#[test]
fn a_keep_alive_can_be_an_event() {
    const PING: EventName = EventName::from_static("ping");
    let config = quiet();
    let config = config.with_keep_alive_frame(Event::new("").with_name(PING)).unwrap();
    let (_, _notifier, mut connection) = open_with(TestHandler::default(), &config);
    connection.handle_timeout(at(15));
    assert_eq!(flush(&mut connection, at(15)), "event: ping\ndata: \n\n");
}

#[test]
fn a_sent_event_postpones_the_keep_alive() {
    let (_, notifier, mut connection) = open(TestHandler::default());
    for hour in 1..100 {
        notifier.notify("news").unwrap();
        assert_eq!(flush(&mut connection, at(hour * 10)), "data: news\n\n");
        connection.handle_timeout(at(hour * 10 + 9));
        assert_eq!(poll(&mut connection, at(hour * 10 + 9)), Output::Wait);
    }
}

#[test]
fn no_keep_alive_is_sent_while_a_write_is_in_flight() {
    let (_, notifier, mut connection) = open(TestHandler::default());
    notifier.notify("hello").unwrap();
    let _ = poll(&mut connection, at(0));
    connection.handle_timeout(at(29));
    assert_eq!(poll(&mut connection, at(29)), write("data: hello\n\n"));
    assert_eq!(connection.deadline(), Some(at(30)));
}

#[test]
fn small_frames_go_out_in_one_write_which_can_be_partial() {
    let (_, notifier, mut connection) = open(TestHandler::default());
    notifier.notify("a").unwrap();
    notifier.notify("b").unwrap();
    assert_eq!(poll(&mut connection, at(0)), write("data: a\n\ndata: b\n\n"));
    notifier.notify("c").unwrap();
    connection.handle_written(10, at(0));
    assert_eq!(poll(&mut connection, at(0)), write("ata: b\n\n"));
    connection.handle_written(8, at(0));
    assert_eq!(poll(&mut connection, at(0)), write("data: c\n\n"));
}

#[test]
fn a_stalled_client_is_dropped_and_the_handler_receives_its_unsent_frames() {
    let (journal, notifier, mut connection) = open(TestHandler::default());
    for text in ["a", "b", "c"] {
        notifier.notify(text).unwrap();
    }
    let _ = poll(&mut connection, at(0));
    connection.handle_written(10, at(20));
    assert_eq!(connection.deadline(), Some(at(50)));
    connection.handle_timeout(at(49));
    assert!(!connection.is_closed());
    connection.handle_timeout(at(50));
    assert_eq!(poll(&mut connection, at(50)), Output::Close(Close::Abort));
    assert_eq!(
        *journal.borrow(),
        [
            r#"lost ["data: b\n\n", "data: c\n\n"]: the client was not sent everything: stalled"#,
            "stalled"
        ]
    );
}

#[test]
fn after_a_write_error_the_handler_receives_the_unsent_frames() {
    let (journal, notifier, mut connection) = open(TestHandler::default());
    notifier.notify("hello").unwrap();
    let _ = poll(&mut connection, at(0));
    connection.handle_write_error("broken pipe");
    assert_eq!(poll(&mut connection, at(0)), Output::Close(Close::Abort));
    drop(connection);
    assert_eq!(
        *journal.borrow(),
        [
            r#"lost ["data: hello\n\n"]: the client was not sent everything: broken pipe"#,
            "write_failed"
        ]
    );
}

#[test]
fn a_client_that_leaves_without_unsent_frames_is_no_error() {
    let (journal, notifier, mut connection) = open(TestHandler::default());
    connection.handle_peer_closed();
    assert_eq!(notifier.notify("too late"), Err(NotifyError::Closed));
    assert_eq!(poll(&mut connection, at(0)), Output::Close(Close::Abort));
    assert_eq!(connection.deadline(), None);
    drop(connection);
    assert_eq!(*journal.borrow(), ["peer_closed"]);
}

#[test]
fn a_dropped_connection_terminates_its_handler() {
    let (journal, _notifier, connection) = open(TestHandler::default());
    drop(connection);
    assert_eq!(*journal.borrow(), ["dropped"]);
}

#[test]
fn an_aborted_stream_ends_for_the_first_reason_that_the_driver_gives() {
    let (journal, _notifier, mut connection) = open(TestHandler::default());
    connection.abort(EndReason::Stalled);
    connection.abort(EndReason::PeerClosed);
    assert_eq!(poll(&mut connection, at(0)), Output::Close(Close::Abort));
    assert_eq!(*journal.borrow(), ["stalled"]);
}

#[test]
fn an_abort_of_the_handler_comes_after_the_queued_frames() {
    let (journal, notifier, mut connection) = open(TestHandler::default());
    notifier.notify("hello").unwrap();
    notifier.notify("abort").unwrap();
    assert_eq!(flush(&mut connection, at(0)), "data: hello\n\n");
    assert_eq!(poll(&mut connection, at(0)), Output::Close(Close::Abort));
    assert_eq!(*journal.borrow(), ["aborted"]);
}

#[test]
fn a_stream_that_has_lagged_ends_cleanly() {
    let (journal, notifier, mut connection) = open(TestHandler::default());
    notifier.notify("lag").unwrap();
    assert_eq!(poll(&mut connection, at(0)), Output::Close(Close::Clean));
    assert_eq!(*journal.borrow(), ["lagged"]);
}

#[test]
fn the_source_is_polled_at_the_pace_of_the_client() {
    let handler =
        TestHandler { supply: vec!["last three", "two", "one"], ..TestHandler::default() };
    let (_, notifier, mut connection) = open(handler);
    assert_eq!(poll(&mut connection, at(0)), write("data: one\n\n"));
    notifier.notify("wait").unwrap();
    assert_eq!(poll(&mut connection, at(0)), write("data: one\n\n"));
    connection.handle_written(5, at(0));
    assert_eq!(poll(&mut connection, at(0)), write(" one\n\n"));
    connection.handle_written(6, at(0));
    assert_eq!(flush(&mut connection, at(0)), "data: two\n\ndata: three\n\n");
    assert_eq!(poll(&mut connection, at(0)), Output::Close(Close::Clean));
}

#[test]
fn a_handler_sets_deadlines() {
    let (_, _notifier, mut connection) =
        open(TestHandler { tick_every: Some(10), ..TestHandler::default() });
    assert_eq!(poll(&mut connection, at(0)), Output::Wait);
    assert_eq!(connection.deadline(), Some(at(10)));
    connection.handle_timeout(at(10));
    assert_eq!(flush(&mut connection, at(10)), "data: tick 1\n\n");
    assert_eq!(connection.deadline(), Some(at(20)));
}

#[test]
fn a_tick_waits_until_the_client_has_read() {
    let (_, notifier, mut connection) =
        open(TestHandler { tick_every: Some(1), ..TestHandler::default() });
    notifier.notify(Box::leak("x".repeat(20_000).into_boxed_str())).unwrap();
    let _ = poll(&mut connection, at(0));
    assert_eq!(connection.deadline(), Some(at(30)));
    connection.handle_timeout(at(29));
    assert_eq!(connection.source().handler().ticked, 0);
}

#[test]
fn a_stream_ends_cleanly_at_its_maximum_age() {
    let config = quiet().with_max_age(secs(10));
    let (journal, _notifier, mut connection) = open_with(TestHandler::default(), &config);
    assert_eq!(connection.deadline(), Some(at(10)));
    connection.handle_timeout(at(10));
    assert_eq!(poll(&mut connection, at(10)), Output::Close(Close::Clean));
    assert_eq!(*journal.borrow(), ["expired"]);
}

const DRAIN: Drain = Drain {
    end_at: Instant::from_nanos(5_000_000_000),
    retry: Duration::from_millis(1234),
    stall_timeout: Duration::from_secs(3),
    abort_at: Instant::from_nanos(20_000_000_000),
};

#[test]
fn at_a_shutdown_the_stream_sends_retry_and_ends_between_events() {
    let (journal, notifier, mut connection) = open(TestHandler::default());
    connection.handle_drain(DRAIN);
    notifier.notify("hello").unwrap();
    assert_eq!(poll(&mut connection, at(3)), write("data: hello\n\n"));
    connection.handle_timeout(at(5));
    assert_eq!(flush(&mut connection, at(5)), "data: hello\n\nretry: 1234\n");
    assert_eq!(poll(&mut connection, at(5)), Output::Close(Close::Clean));
    assert_eq!(*journal.borrow(), ["shutdown"]);
}

#[test]
fn at_a_shutdown_a_finite_stream_continues_until_it_is_aborted() {
    let config = quiet().with_finite(true);
    let (journal, notifier, mut connection) = open_with(TestHandler::default(), &config);
    connection.handle_drain(DRAIN);
    connection.handle_timeout(at(5));
    notifier.notify("still here").unwrap();
    assert_eq!(flush(&mut connection, at(6)), "data: still here\n\n");
    assert_eq!(connection.deadline(), Some(at(20)));
    connection.handle_timeout(at(20));
    assert_eq!(poll(&mut connection, at(20)), Output::Close(Close::Abort));
    assert_eq!(*journal.borrow(), ["shutdown"]);
}

#[test]
fn a_shutdown_that_leaves_no_time_sends_retry_all_the_same() {
    for (stall_timeout, abort_at) in
        [(Duration::ZERO, at(5)), (DRAIN.stall_timeout, at(4)), (Duration::MAX, at(0))]
    {
        let (journal, _notifier, mut connection) = open(TestHandler::default());
        connection.handle_drain(Drain { abort_at, stall_timeout, ..DRAIN });
        connection.handle_timeout(at(4));
        connection.handle_timeout(at(5));
        assert_eq!(flush(&mut connection, at(5)), "retry: 1234\n");
        assert_eq!(poll(&mut connection, at(5)), Output::Close(Close::Clean));
        assert_eq!(*journal.borrow(), ["shutdown"]);
    }
}

#[test]
fn a_client_that_takes_no_retry_in_a_shutdown_without_time_is_aborted() {
    let (journal, _notifier, mut connection) = open(TestHandler::default());
    connection.handle_drain(Drain { abort_at: DRAIN.end_at, ..DRAIN });
    connection.handle_timeout(at(5));
    assert_eq!(poll(&mut connection, at(5)), write("retry: 1234\n"));
    assert_eq!(connection.deadline(), Some(at(5) + Duration::from_millis(100)));
    connection.handle_timeout(at(6));
    assert_eq!(poll(&mut connection, at(6)), Output::Close(Close::Abort));
    assert_eq!(*journal.borrow(), ["shutdown"]);
}

#[test]
fn a_client_that_has_stalled_when_its_turn_comes_is_aborted_at_once() {
    for config in [quiet(), quiet().with_finite(true), quiet().with_write_timeout(None)] {
        let (journal, notifier, mut connection) = open_with(TestHandler::default(), &config);
        notifier.notify("hello").unwrap();
        assert_eq!(poll(&mut connection, at(2)), write("data: hello\n\n"));
        connection.handle_drain(DRAIN);
        assert_eq!(connection.deadline(), Some(at(5)));
        connection.handle_timeout(at(4));
        assert!(!connection.is_closed(), "its turn has not come");
        connection.handle_timeout(at(5));
        assert_eq!(poll(&mut connection, at(5)), Output::Close(Close::Abort));
        assert_eq!(journal.borrow().last().unwrap(), "shutdown");
    }
}

#[test]
fn a_client_that_stalls_after_its_turn_is_aborted_when_the_stall_timeout_is_over() {
    for config in [quiet(), quiet().with_finite(true), quiet().with_write_timeout(None)] {
        let (journal, notifier, mut connection) = open_with(TestHandler::default(), &config);
        connection.handle_drain(DRAIN);
        notifier.notify("hello").unwrap();
        assert_eq!(poll(&mut connection, at(4)), write("data: hello\n\n"));
        connection.handle_timeout(at(5));
        connection.handle_written(1, at(6));
        assert_eq!(connection.deadline(), Some(at(9)), "each byte restarts the timeout");
        connection.handle_timeout(at(8));
        assert!(!connection.is_closed());
        connection.handle_timeout(at(9));
        assert_eq!(poll(&mut connection, at(9)), Output::Close(Close::Abort));
        assert_eq!(journal.borrow().last().unwrap(), "shutdown");
    }
}

#[test]
fn a_client_that_takes_its_bytes_late_in_a_shutdown_sees_a_clean_end() {
    let (journal, notifier, mut connection) = open(TestHandler::default());
    connection.handle_drain(DRAIN);
    notifier.notify("hello").unwrap();
    assert_eq!(poll(&mut connection, at(4)), write("data: hello\n\n"));
    connection.handle_timeout(at(5));
    connection.handle_timeout(at(6));
    assert_eq!(flush(&mut connection, at(6)), "data: hello\n\nretry: 1234\n");
    assert_eq!(poll(&mut connection, at(6)), Output::Close(Close::Clean));
    assert_eq!(*journal.borrow(), ["shutdown"]);
}

#[test]
fn the_times_of_a_shutdown_can_be_zero_or_never() {
    let (zero, never) = (Instant::from_nanos(0), Instant::from_nanos(u64::MAX));
    for (end_at, abort_at) in [(zero, zero), (zero, never), (never, zero), (never, never)] {
        for time in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            let (_journal, notifier, mut connection) = open(TestHandler::default());
            notifier.notify("hello").unwrap();
            let _ = poll(&mut connection, at(1));
            connection.handle_drain(Drain { end_at, retry: time, stall_timeout: time, abort_at });
            connection.handle_timeout(at(1));
            assert_ne!(connection.deadline(), Some(at(1)));
        }
    }
}

#[test]
fn a_panic_closes_the_stream_terminates_the_handler_and_continues() {
    let (journal, notifier, mut connection) = open(TestHandler::default());
    notifier.notify("unsent").unwrap();
    notifier.notify("panic").unwrap();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = poll(&mut connection, at(0));
    }));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"as ordered"));
    assert_eq!(poll(&mut connection, at(0)), Output::Close(Close::Abort));
    drop(connection);
    assert_eq!(*journal.borrow(), ["panicked"]);
}

#[test]
fn a_panic_of_terminate_is_caught() {
    let (journal, _notifier, mut connection) =
        open(TestHandler { supply: vec!["panic in terminate", "panic"], ..TestHandler::default() });
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = poll(&mut connection, at(0));
    }));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"as ordered"));
    drop(connection);
    assert_eq!(*journal.borrow(), ["panicked"]);
}
