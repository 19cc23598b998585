//! Frames: first ones, keep-alives, and the pace of the client.

use super::*;

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
