//! Ends of a stream, and the calls of its handler then.

use super::*;

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
fn a_stream_ends_cleanly_at_its_maximum_age() {
    let config = quiet().with_max_age(secs(10));
    let (journal, _notifier, mut connection) = open_with(TestHandler::default(), &config);
    assert_eq!(connection.deadline(), Some(at(10)));
    connection.handle_timeout(at(10));
    assert_eq!(poll(&mut connection, at(10)), Output::Close(Close::Clean));
    assert_eq!(*journal.borrow(), ["expired"]);
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
