//! The shutdown of the server, for one stream.

use super::*;

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
