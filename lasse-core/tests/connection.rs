//! A conversation, step by step, with no clock and no socket.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lasse_core::*;

/// A handler that does as it is told, and keeps a diary.
#[derive(Default)]
struct Puppet {
    diary: Diary,
    /// What to produce when drained.
    supply: Vec<&'static str>,
    tick_every: Option<u64>,
    ticked: u64,
    is_ready: bool,
}

type Diary = Rc<RefCell<Vec<String>>>;

impl Puppet {
    fn note(&self, line: impl Into<String>) {
        self.diary.borrow_mut().push(line.into());
    }

    fn obey(&mut self, order: &'static str) -> Next {
        match order {
            "stop" => Next::Stop,
            "lag" => Next::Lagged,
            "abort" => Next::Abort,
            "wait" => Next::Wait,
            "panic" => panic!("as ordered"),
            text => match text.strip_prefix("last ") {
                Some(text) => Next::last(Event::new(text)),
                None => Next::send(Event::new(text)),
            },
        }
    }
}

impl Handler for Puppet {
    type Notify = &'static str;
    type Info = &'static str;

    fn handle_notify(&mut self, order: &'static str) -> Next {
        self.obey(order)
    }
    fn handle_info(&mut self, order: &'static str) -> Next {
        self.note(format!("info {order}"));
        self.obey(order)
    }
    fn handle_drained(&mut self) -> Next {
        match self.supply.pop() {
            Some(order) => self.obey(order),
            None => Next::Wait,
        }
    }
    fn poll_wake(&mut self, _: &mut Context<'_>) -> Poll<()> {
        if self.is_ready { Poll::Ready(()) } else { Poll::Pending }
    }
    fn wake_at(&self) -> Option<Instant> {
        self.tick_every.map(|every| at(every * (self.ticked + 1)))
    }
    fn handle_tick(&mut self, _: Instant) -> Next {
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

/// A connection that says nothing by itself, opened at zero.
fn open(puppet: Puppet) -> (Diary, Connection<Puppet>) {
    open_with(puppet, &StreamConfig::new().with_first_byte(false))
}

fn open_with(puppet: Puppet, config: &StreamConfig) -> (Diary, Connection<Puppet>) {
    (puppet.diary.clone(), Connection::open(puppet, [], config, at(0)))
}

fn write(text: &str) -> Output {
    Output::Write(text.to_owned().into())
}

/// Writes all that there is to write, and returns it.
fn flush(connection: &mut Connection<Puppet>, now: Instant) -> String {
    let mut written = Vec::new();
    while let Output::Write(bytes) = connection.poll_output(now) {
        written.extend_from_slice(&bytes);
        connection.handle_written(bytes.len(), now);
    }
    String::from_utf8(written).unwrap()
}

#[test]
fn a_notification_becomes_an_event() {
    let (_, mut connection) = open(Puppet::default());
    assert_eq!(connection.poll_output(at(0)), Output::Wait);
    connection.handle_notify("hello");
    assert_eq!(connection.poll_output(at(3)), write("data: hello\n\n"));
    connection.handle_written(13, at(3));
    assert_eq!(connection.poll_output(at(3)), Output::Wait);
    assert_eq!(connection.deadline(), Some(at(18)));
}

#[test]
fn notify_and_info_are_not_confused() {
    let (diary, mut connection) = open(Puppet::default());
    connection.handle_notify("in-band");
    connection.handle_info("out-of-band");
    assert_eq!(flush(&mut connection, at(0)), "data: in-band\n\ndata: out-of-band\n\n");
    assert_eq!(*diary.borrow(), ["info out-of-band"]);
}

#[test]
fn a_stop_ends_cleanly_after_what_was_sent() {
    let (diary, mut connection) = open(Puppet::default());
    connection.handle_notify("last words");
    connection.handle_notify("stop");
    connection.handle_notify("too late");
    assert_eq!(flush(&mut connection, at(0)), "data: words\n\n");
    assert_eq!(connection.poll_output(at(0)), Output::Close(Close::Clean));
    assert_eq!(connection.poll_output(at(0)), Output::Close(Close::Clean));
    drop(connection);
    assert_eq!(*diary.borrow(), ["stopped"]);
}

#[test]
fn a_stop_from_outside_ends_cleanly_too() {
    let (diary, mut connection) = open(Puppet::default());
    connection.handle_notify("hello");
    connection.handle_stop();
    assert_eq!(flush(&mut connection, at(0)), "data: hello\n\n");
    assert_eq!(connection.poll_output(at(0)), Output::Close(Close::Clean));
    assert_eq!(*diary.borrow(), ["stopped"]);
}

#[test]
fn the_end_of_all_senders_is_the_handlers_to_judge() {
    let (diary, mut connection) = open(Puppet::default());
    connection.handle_end();
    assert_eq!(connection.poll_output(at(0)), Output::Close(Close::Clean));
    assert_eq!(*diary.borrow(), ["end", "stopped"]);
}

#[test]
fn the_first_byte_and_the_first_frames_go_out_together() {
    let first = [Event::new("one").encode(), Event::new("two").encode()];
    let mut connection = Connection::open(Puppet::default(), first, &StreamConfig::new(), at(0));
    assert_eq!(connection.poll_output(at(0)), write(":\ndata: one\n\ndata: two\n\n"));
}

#[test]
fn the_first_byte_goes_out_with_what_the_handler_has() {
    let puppet = Puppet { supply: vec!["more", "some"], ..Puppet::default() };
    let (_, mut connection) = open_with(puppet, &StreamConfig::new());
    assert_eq!(connection.poll_output(at(0)), write(":\ndata: some\n\n"));
    connection.handle_written(14, at(0));
    assert_eq!(connection.poll_output(at(0)), write("data: more\n\n"));
}

#[test]
fn silence_is_broken_by_a_comment_without_a_blank_line() {
    let (_, mut connection) = open(Puppet::default());
    connection.handle_timeout(at(14));
    assert_eq!(connection.poll_output(at(14)), Output::Wait);
    connection.handle_timeout(at(15));
    assert_eq!(connection.poll_output(at(15)), write(":\n"));
    connection.handle_written(2, at(15));
    assert_eq!(connection.deadline(), Some(at(30)));
}

#[test]
fn a_keep_alive_may_be_an_event() {
    const PING: EventName = EventName::from_static("ping");
    let config = StreamConfig::new().with_first_byte(false);
    let config = config.with_keep_alive_frame(Event::new("").with_name(PING)).unwrap();
    let (_, mut connection) = open_with(Puppet::default(), &config);
    connection.handle_timeout(at(15));
    assert_eq!(flush(&mut connection, at(15)), "event: ping\ndata: \n\n");
}

#[test]
fn sending_counts_as_life() {
    let (_, mut connection) = open(Puppet::default());
    for hour in 1..100 {
        connection.handle_notify("news");
        assert_eq!(flush(&mut connection, at(hour * 10)), "data: news\n\n");
        connection.handle_timeout(at(hour * 10 + 9));
        assert_eq!(connection.poll_output(at(hour * 10 + 9)), Output::Wait);
    }
}

#[test]
fn no_keep_alive_is_made_while_bytes_are_on_their_way() {
    let (_, mut connection) = open(Puppet::default());
    connection.handle_notify("hello");
    let _ = connection.poll_output(at(0));
    connection.handle_timeout(at(29));
    assert_eq!(connection.poll_output(at(29)), write("data: hello\n\n"));
    assert_eq!(connection.deadline(), Some(at(30)));
}

#[test]
fn small_frames_go_out_together_and_part_of_them_may_be_written() {
    let (_, mut connection) = open(Puppet::default());
    connection.handle_notify("a");
    connection.handle_notify("b");
    assert_eq!(connection.poll_output(at(0)), write("data: a\n\ndata: b\n\n"));
    connection.handle_notify("c");
    connection.handle_written(10, at(0));
    assert_eq!(connection.poll_output(at(0)), write("ata: b\n\n"));
    connection.handle_written(8, at(0));
    assert_eq!(connection.poll_output(at(0)), write("data: c\n\n"));
}

#[test]
fn a_stalled_reader_is_dropped_and_its_frames_are_told() {
    let (diary, mut connection) = open(Puppet::default());
    for text in ["a", "b", "c"] {
        connection.handle_notify(text);
    }
    let _ = connection.poll_output(at(0));
    connection.handle_written(10, at(20));
    assert_eq!(connection.deadline(), Some(at(50)));
    connection.handle_timeout(at(49));
    assert!(!connection.is_closed());
    connection.handle_timeout(at(50));
    assert_eq!(connection.poll_output(at(50)), Output::Close(Close::Abort));
    assert_eq!(
        *diary.borrow(),
        [
            r#"lost ["data: b\n\n", "data: c\n\n"]: the client was not sent everything: stalled"#,
            "stalled"
        ]
    );
}

#[test]
fn a_write_error_ends_the_stream_and_tells_what_was_lost() {
    let (diary, mut connection) = open(Puppet::default());
    connection.handle_notify("hello");
    let _ = connection.poll_output(at(0));
    connection.handle_write_error("broken pipe");
    assert_eq!(connection.poll_output(at(0)), Output::Close(Close::Abort));
    drop(connection);
    assert_eq!(
        *diary.borrow(),
        [
            r#"lost ["data: hello\n\n"]: the client was not sent everything: broken pipe"#,
            "write_failed"
        ]
    );
}

#[test]
fn a_peer_that_leaves_with_nothing_owed_is_no_error() {
    let (diary, mut connection) = open(Puppet::default());
    connection.handle_peer_closed();
    connection.handle_notify("too late");
    assert_eq!(connection.poll_output(at(0)), Output::Close(Close::Abort));
    assert_eq!(connection.deadline(), None);
    drop(connection);
    assert_eq!(*diary.borrow(), ["peer_closed"]);
}

#[test]
fn a_dropped_connection_still_says_goodbye() {
    let (diary, connection) = open(Puppet::default());
    drop(connection);
    assert_eq!(*diary.borrow(), ["dropped"]);
}

#[test]
fn a_stream_that_is_cut_off_ends_for_the_reason_that_the_driver_gives() {
    let (diary, mut connection) = open(Puppet::default());
    connection.abort(EndReason::Stalled);
    connection.abort(EndReason::PeerClosed);
    assert_eq!(connection.poll_output(at(0)), Output::Close(Close::Abort));
    assert_eq!(*diary.borrow(), ["stalled"]);
}

#[test]
fn an_abort_is_unclean_but_comes_after_what_was_said_before() {
    let (diary, mut connection) = open(Puppet::default());
    connection.handle_notify("hello");
    connection.handle_notify("abort");
    assert_eq!(flush(&mut connection, at(0)), "data: hello\n\n");
    assert_eq!(connection.poll_output(at(0)), Output::Close(Close::Abort));
    assert_eq!(*diary.borrow(), ["aborted"]);
}

#[test]
fn a_stream_that_has_lagged_ends_cleanly() {
    let (diary, mut connection) = open(Puppet::default());
    connection.handle_notify("lag");
    assert_eq!(connection.poll_output(at(0)), Output::Close(Close::Clean));
    assert_eq!(*diary.borrow(), ["lagged"]);
}

#[test]
fn a_handler_produces_at_the_pace_of_its_reader() {
    let puppet = Puppet { supply: vec!["last three", "two", "one"], ..Puppet::default() };
    let (_, mut connection) = open(puppet);
    assert_eq!(connection.poll_output(at(0)), write("data: one\n\n"));
    connection.handle_notify("wait");
    assert_eq!(connection.poll_output(at(0)), write("data: one\n\n"));
    connection.handle_written(5, at(0));
    assert_eq!(connection.poll_output(at(0)), write(" one\n\n"));
    connection.handle_written(6, at(0));
    assert_eq!(flush(&mut connection, at(0)), "data: two\n\ndata: three\n\n");
    assert_eq!(connection.poll_output(at(0)), Output::Close(Close::Clean));
}

#[test]
fn a_handler_with_nothing_to_send_is_asked_again_after_the_next_input_only() {
    let (_, mut connection) = open(Puppet::default());
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(connection.poll_output(at(0)), Output::Wait);
    assert_eq!(connection.poll_wake(&mut cx), Poll::Pending);
    connection.handle_wake();
    assert_eq!(connection.poll_output(at(0)), Output::Wait);
}

#[test]
fn a_wake_leads_to_one_question_not_to_a_spin() {
    let puppet = Puppet { is_ready: true, ..Puppet::default() };
    let (_, mut connection) = open(puppet);
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(connection.poll_wake(&mut cx), Poll::Pending, "it is to be asked anyway");
    assert_eq!(connection.poll_output(at(0)), Output::Wait);
    assert_eq!(connection.poll_wake(&mut cx), Poll::Ready(()));
    assert_eq!(connection.poll_wake(&mut cx), Poll::Pending);
}

#[test]
fn the_handler_has_a_deadline_of_its_own() {
    let (_, mut connection) = open(Puppet { tick_every: Some(10), ..Puppet::default() });
    assert_eq!(connection.deadline(), Some(at(10)));
    connection.handle_timeout(at(10));
    assert_eq!(flush(&mut connection, at(10)), "data: tick 1\n\n");
    assert_eq!(connection.deadline(), Some(at(20)));
}

#[test]
fn ticks_wait_until_the_reader_has_caught_up() {
    let (_, mut connection) = open(Puppet { tick_every: Some(1), ..Puppet::default() });
    connection.handle_notify(Box::leak("x".repeat(20_000).into_boxed_str()));
    let _ = connection.poll_output(at(0));
    assert!(!connection.wants_input());
    assert_eq!(connection.deadline(), Some(at(30)));
    connection.handle_timeout(at(29));
    assert_eq!(connection.handler().ticked, 0);
}

#[test]
fn a_queue_that_outgrows_its_limit_costs_the_stream() {
    let config = StreamConfig::new().with_first_byte(false).with_queue_limit(30).unwrap();
    let (diary, mut connection) = open_with(Puppet::default(), &config);
    connection.handle_notify("a frame that by itself is over the limit");
    assert!(!connection.is_closed());
    connection.handle_notify("b");
    assert_eq!(connection.poll_output(at(0)), Output::Close(Close::Abort));
    assert_eq!(diary.borrow().last().unwrap(), "lagged");
    assert_eq!(connection.queued(), 0);
}

#[test]
fn an_old_stream_ends_cleanly() {
    let config = StreamConfig::new().with_first_byte(false).with_max_age(secs(10)).unwrap();
    let (diary, mut connection) = open_with(Puppet::default(), &config);
    assert_eq!(connection.deadline(), Some(at(10)));
    connection.handle_timeout(at(10));
    assert_eq!(connection.poll_output(at(10)), Output::Close(Close::Clean));
    assert_eq!(*diary.borrow(), ["expired"]);
}

const DRAIN: Drain = Drain {
    end_at: Instant::from_nanos(5_000_000_000),
    retry: Duration::from_millis(1234),
    abort_at: Instant::from_nanos(20_000_000_000),
};

#[test]
fn a_drained_stream_is_told_when_to_come_back_and_ends_between_events() {
    let (diary, mut connection) = open(Puppet::default());
    connection.handle_drain(DRAIN);
    connection.handle_notify("hello");
    assert_eq!(connection.poll_output(at(1)), write("data: hello\n\n"));
    connection.handle_timeout(at(5));
    assert_eq!(flush(&mut connection, at(5)), "data: hello\n\nretry: 1234\n");
    assert_eq!(connection.poll_output(at(5)), Output::Close(Close::Clean));
    assert_eq!(*diary.borrow(), ["shutdown"]);
}

#[test]
fn a_finite_stream_may_finish_until_the_servers_patience_ends() {
    let config = StreamConfig::new().with_first_byte(false).with_finite(true);
    let (diary, mut connection) = open_with(Puppet::default(), &config);
    connection.handle_drain(DRAIN);
    connection.handle_timeout(at(5));
    connection.handle_notify("still here");
    assert_eq!(flush(&mut connection, at(6)), "data: still here\n\n");
    assert_eq!(connection.deadline(), Some(at(20)));
    connection.handle_timeout(at(20));
    assert_eq!(connection.poll_output(at(20)), Output::Close(Close::Abort));
    assert_eq!(*diary.borrow(), ["shutdown"]);
}

#[test]
fn a_panic_closes_the_stream_says_goodbye_and_goes_on() {
    let (diary, mut connection) = open(Puppet::default());
    connection.handle_notify("unsaid");
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        connection.handle_notify("panic");
    }));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"as ordered"));
    assert_eq!(connection.poll_output(at(0)), Output::Close(Close::Abort));
    drop(connection);
    assert_eq!(*diary.borrow(), ["panicked"]);
}

#[test]
fn a_terminate_that_panics_too_does_no_harm() {
    let (diary, mut connection) =
        open(Puppet { supply: vec!["panic in terminate", "panic"], ..Puppet::default() });
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = connection.poll_output(at(0));
    }));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"as ordered"));
    drop(connection);
    assert_eq!(*diary.borrow(), ["panicked"]);
}

#[test]
fn bad_settings_fail_when_they_are_made() {
    for (config, message) in [
        (
            StreamConfig::new().with_keep_alive(Duration::ZERO),
            "a keep-alive interval cannot be zero",
        ),
        (StreamConfig::new().with_write_timeout(Duration::ZERO), "a write timeout cannot be zero"),
        (StreamConfig::new().with_max_age(Duration::ZERO), "a maximum age cannot be zero"),
        (StreamConfig::new().with_queue_limit(0), "a queue limit of zero bytes admits no frame"),
        (
            StreamConfig::new().with_keep_alive_frame(Frame::concat([])),
            "an empty frame keeps nothing alive",
        ),
    ] {
        assert_eq!(config.unwrap_err().to_string(), message);
    }
}
