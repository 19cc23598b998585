//! Responses: their timeouts, their fields, and their size in memory.

use std::io;
use std::mem::size_of;

use http::HeaderValue;

use super::*;

#[test]
fn a_response_that_takes_too_long_is_replaced() {
    let mut server = receive(&[GET, GET_WHOLE].concat());
    let ServerOutput::Request(request) = poll(&mut server, at(1)) else { panic!("a request") };
    assert!(server.awaits_response());
    assert_eq!(server.deadline(), Some(at(6)));
    assert_eq!(run(&mut server, at(5)), (String::new(), Waits));
    let (written, then) = run(&mut server, at(6));
    assert!(written.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{written}");
    assert!(written.contains("connection: close\r\n"), "{written}");
    assert_eq!((server.awaits_response(), then), (false, HalfClosed));
    server.respond(accept(&request, at(7)));
    assert_eq!(run(&mut server, at(7)), (String::new(), Waits));
}

#[test]
fn the_reason_of_a_stream_is_known_until_the_next_response() {
    let mut server = receive(GET);
    write(&mut server);
    assert_eq!(server.end_reason(), None);
    send(&mut server, "");
    write(&mut server);
    assert!(server.stream().is_none());
    assert_eq!(server.end_reason(), Some(EndReason::Stopped));
    server.handle_input(GET_WHOLE);
    write(&mut server);
    assert_eq!(server.end_reason(), None);
}

#[test]
fn the_write_timeout_of_a_stream_covers_its_head() {
    let mut server = receive(GET);
    let ServerOutput::Request(request) = poll(&mut server, at(0)) else { panic!("a request") };
    server.respond(accept(&request, at(0)));
    assert!(matches!(poll(&mut server, at(0)), ServerOutput::Write(_)));
    assert_eq!(server.deadline(), Some(at(7)));
    server.handle_written(1, at(5));
    assert!(matches!(poll(&mut server, at(5)), ServerOutput::Write(_)));
    assert_eq!(server.deadline(), Some(at(12)));
    server.handle_timeout(at(12));
    assert_eq!(server.end_reason(), Some(EndReason::Stalled));
    assert_eq!(run(&mut server, at(12)), (String::new(), Closed(Close::Abort)));
}

#[test]
fn each_byte_of_the_head_restarts_the_write_timeout_of_the_first_event() {
    let mut server = receive(GET);
    let ServerOutput::Request(request) = poll(&mut server, at(0)) else { panic!("a request") };
    server.respond(accept(&request, at(0)));
    send(&mut server, "hello");
    for second in [0, 5, 10] {
        server.handle_timeout(at(second));
        assert!(matches!(poll(&mut server, at(second)), ServerOutput::Write(_)));
        server.handle_written(1, at(second));
        assert!(matches!(poll(&mut server, at(second)), ServerOutput::Write(_)));
        assert_eq!(server.deadline(), Some(at(second + 7)));
    }
    assert_eq!(server.end_reason(), None);
}

#[test]
fn the_write_timeout_of_a_stream_covers_its_end() {
    let mut server = receive(GET);
    write(&mut server);
    send(&mut server, "");
    assert!(matches!(poll(&mut server, at(1)), ServerOutput::Write(_)));
    assert_eq!(server.deadline(), Some(at(8)));
    server.handle_timeout(at(8));
    assert_eq!(run(&mut server, at(8)).1, Closed(Close::Abort));
}

#[test]
fn the_write_timeout_of_other_responses_is_that_of_the_server() {
    let mut server = receive(GET_WHOLE);
    let ServerOutput::Request(request) = poll(&mut server, at(0)) else { panic!("a request") };
    server.respond(accept(&request, at(0)));
    assert!(matches!(poll(&mut server, at(1)), ServerOutput::Write(_)));
    assert_eq!(server.deadline(), Some(at(5)));
    server.handle_timeout(at(5));
    assert_eq!(run(&mut server, at(5)).1, Closed(Close::Abort));
}

#[test]
fn an_acknowledgement_that_times_out_is_a_stalled_client() {
    for timed_out in [true, false] {
        let kind = if timed_out { io::ErrorKind::TimedOut } else { io::ErrorKind::BrokenPipe };
        let mut server = receive(GET);
        write(&mut server);
        server.handle_read_error(&kind.into());
        let expected = if timed_out { EndReason::Stalled } else { EndReason::PeerClosed };
        assert_eq!(server.end_reason(), Some(expected));
        let mut server = receive(GET);
        write(&mut server);
        server.handle_write_error(io::Error::from(kind));
        let expected = if timed_out { EndReason::Stalled } else { EndReason::WriteFailed };
        assert_eq!(server.end_reason(), Some(expected));
        assert_eq!(run(&mut server, at(0)), (String::new(), Closed(Close::Abort)));
    }
}

#[test]
fn each_response_has_a_date_if_the_driver_has_a_clock() {
    let date = || Some(HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
    for input in [GET, GET_WHOLE, b"hello\r\n\r\n"] {
        let mut server = open(config().with_date(date));
        server.handle_input(input);
        let (written, _) = run(&mut server, at(0));
        assert!(written.contains("date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), "{written}");
    }
    let mut server = open(config().with_date(date));
    server.handle_input(GET);
    let ServerOutput::Request(_) = poll(&mut server, at(0)) else { panic!("a request") };
    let own = Response::builder().header("date", "today").body(Body::Full(Bytes::new())).unwrap();
    server.respond(own);
    let (written, _) = run(&mut server, at(0));
    assert_eq!(written.matches("date: ").count(), 1, "{written}");
    let mut server = open(config().with_date(|| None));
    server.handle_input(GET_WHOLE);
    assert_eq!(write(&mut server), WHOLE);
}

#[test]
fn timeouts_and_limits_can_be_one_or_the_maximum_but_not_zero() {
    let (one, max) = (Duration::from_nanos(1), Duration::MAX);
    assert!(config().with_head_timeout(Duration::ZERO).is_err());
    assert!(config().with_response_timeout(Duration::ZERO).is_err());
    assert!(config().with_write_timeout(Duration::ZERO).is_err());
    assert!(config().with_head_limits(0, 1).is_err());
    assert!(config().with_head_limits(1, 0).is_err());
    let with = |timeout| {
        let config = config().with_head_timeout(timeout).unwrap();
        config.with_response_timeout(timeout).unwrap().with_write_timeout(timeout).unwrap()
    };
    let mut server = open(with(max).with_head_limits(usize::MAX, usize::MAX).unwrap());
    assert_eq!(server.deadline(), None);
    server.handle_input(GET_WHOLE);
    assert!(server.wants_input());
    assert_eq!(write(&mut server), WHOLE);
    let mut server = open(with(one));
    assert_eq!(server.deadline(), Some(Instant::from_nanos(1)));
    server.handle_input(GET_WHOLE);
    assert_eq!(write(&mut server), WHOLE);
    let mut server = open(config().with_head_limits(1, 1).unwrap());
    server.handle_input(b"GET");
    assert!(write_refusal(&mut server).starts_with("HTTP/1.1 431 "));
}

fn write_refusal(server: &mut Server) -> String {
    let (written, then) = run(server, at(0));
    assert_eq!(then, HalfClosed);
    written
}

#[test]
fn a_connection_takes_little_more_room_than_its_stream() {
    let stream = size_of::<Connection<Echo>>();
    let size = size_of::<Server>();
    assert!(size <= stream + 64, "{size} bytes for a stream of {stream}");
}
