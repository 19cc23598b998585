//! Settings of streams: none, zero, one, and the largest value.

use std::task::{Context, Waker};
use std::time::Duration;

use lasse_core::*;

/// A source that sends one event.
struct Once(bool);

impl Source for Once {
    fn poll_next(&mut self, _: Instant, _: &mut Context<'_>) -> Next {
        match std::mem::replace(&mut self.0, true) {
            false => Next::send(Event::new("hello")),
            true => Next::Wait(None),
        }
    }
}

const START: Instant = Instant::from_nanos(1_000_000_000);
const NANO: Duration = Duration::from_nanos(1);
const MILLI: Duration = Duration::from_millis(1);

fn quiet() -> StreamConfig {
    StreamConfig::new().with_first_byte(false)
}

fn open(config: &StreamConfig) -> Connection<Once> {
    Connection::open(Once(false), [], config, START)
}

fn poll(connection: &mut Connection<Once>, now: Instant) -> Output {
    connection.poll_output(now, &mut Context::from_waker(Waker::noop()))
}

/// Writes the event, and returns the idle stream.
fn open_idle(config: &StreamConfig) -> Connection<Once> {
    let mut connection = open(config);
    assert_eq!(poll(&mut connection, START), Output::Write("data: hello\n\n".into()));
    connection.handle_written(13, START);
    assert_eq!(poll(&mut connection, START), Output::Wait);
    connection
}

#[test]
fn a_keep_alive_can_be_off_and_as_short_and_as_long_as_can_be() {
    assert_eq!(open_idle(&quiet().with_keep_alive(None)).deadline(), None);
    assert_eq!(open_idle(&quiet().with_keep_alive(Duration::MAX)).deadline(), None);
    for interval in [Duration::ZERO, NANO, MILLI] {
        let mut connection = open_idle(&quiet().with_keep_alive(interval));
        let mut now = START;
        for _ in 0..3 {
            assert_eq!(connection.deadline(), Some(now + MILLI), "{interval:?}");
            now = now + MILLI;
            connection.handle_timeout(now);
            assert_eq!(poll(&mut connection, now), Output::Write(":\n".into()));
            connection.handle_written(2, now);
        }
    }
}

#[test]
fn a_write_timeout_can_be_off_and_as_short_and_as_long_as_can_be() {
    let stalled = |timeout: Option<Duration>| {
        let mut connection = open(&quiet().with_keep_alive(None).with_write_timeout(timeout));
        assert!(matches!(poll(&mut connection, START), Output::Write(_)));
        connection
    };
    assert_eq!(stalled(None).deadline(), None);
    assert_eq!(stalled(Some(Duration::MAX)).deadline(), None);
    for timeout in [Duration::ZERO, NANO, MILLI] {
        let mut connection = stalled(Some(timeout));
        assert_eq!(connection.deadline(), Some(START + MILLI), "{timeout:?}");
        connection.handle_timeout(START);
        assert!(!connection.is_closed());
        connection.handle_timeout(START + MILLI);
        assert_eq!(connection.reason(), Some(EndReason::Stalled));
    }
}

#[test]
fn a_maximum_age_can_be_off_and_as_short_and_as_long_as_can_be() {
    let config = quiet().with_keep_alive(None);
    assert_eq!(open_idle(&config.clone().with_max_age(None)).deadline(), None);
    assert_eq!(open_idle(&config.clone().with_max_age(Duration::MAX)).deadline(), None);
    for age in [Duration::ZERO, NANO, MILLI] {
        let mut connection = open_idle(&config.clone().with_max_age(age));
        assert_eq!(connection.deadline(), Some(START + MILLI), "{age:?}");
        connection.handle_timeout(START + MILLI);
        assert_eq!(poll(&mut connection, START), Output::Close(Close::Clean));
        assert_eq!(connection.reason(), Some(EndReason::Expired));
    }
}

#[test]
fn a_shutdown_can_be_at_once_and_never() {
    let retry = Duration::ZERO;
    let mut connection = open_idle(&quiet());
    connection.handle_drain(Drain {
        end_at: START,
        retry,
        stall_timeout: MILLI,
        abort_at: START + MILLI,
    });
    connection.handle_timeout(START);
    assert_eq!(poll(&mut connection, START), Output::Write("retry: 0\n".into()));

    let never = START + Duration::MAX;
    let mut connection = open_idle(&quiet().with_keep_alive(None));
    connection.handle_drain(Drain {
        end_at: never,
        retry: Duration::MAX,
        stall_timeout: Duration::MAX,
        abort_at: never,
    });
    assert_eq!(connection.deadline(), None);
    connection.handle_timeout(START + Duration::from_secs(1 << 30));
    assert!(!connection.is_closed());
}

#[test]
fn an_empty_keep_alive_frame_is_refused() {
    let error = StreamConfig::new().with_keep_alive_frame(Frame::concat([])).unwrap_err();
    assert_eq!(error.to_string(), "the keep-alive frame is empty; it needs at least a byte");
}
