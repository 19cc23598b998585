//! The shutdown of the server.

use super::*;

#[test]
fn an_idle_connection_waits_half_a_second_for_a_request_when_the_server_shuts_down() {
    for input in [b"".as_slice(), GET_WHOLE] {
        let mut server = receive(input);
        write(&mut server);
        server.handle_shutdown(at(1));
        assert_eq!(run(&mut server, at(1)).1, Waits);
        assert_eq!(server.deadline(), Some(at_ms(1500)));
        assert_eq!(run(&mut server, at_ms(1500)), (String::new(), Closed(Close::Clean)));
    }
    let mut server = receive(b"GET / HTTP/1.1\r\n");
    server.handle_shutdown(at(1));
    assert!(run(&mut server, at_ms(1500)).0.starts_with("HTTP/1.1 408 "));
    let mut server = open(config());
    server.handle_shutdown(at_ms(2900));
    assert_eq!(server.deadline(), Some(at(3)), "the head timeout holds, too");
}

#[test]
fn a_request_that_arrives_during_the_shutdown_is_the_last_one() {
    let mut server = open(config());
    server.handle_shutdown(at(0));
    server.handle_input(&[GET_WHOLE, GET_WHOLE].concat());
    let (written, then) = run(&mut server, at_ms(400));
    assert!(written.contains("connection: close\r\n"), "{written}");
    assert_eq!((written.matches("whole").count(), then), (1, HalfClosed));
}

#[test]
fn a_response_that_is_prepared_during_the_shutdown_is_the_last_one() {
    let mut server = receive(GET_WHOLE);
    let ServerOutput::Request(request) = poll(&mut server, at(0)) else { panic!("a request") };
    server.handle_shutdown(at(0));
    server.respond(accept(&request, at(1)));
    let (written, then) = run(&mut server, at(1));
    assert!(written.contains("connection: close\r\n"), "{written}");
    assert_eq!(then, HalfClosed);
}

#[test]
fn a_response_that_is_written_during_the_shutdown_is_the_last_one() {
    let mut server = receive(&[GET_WHOLE, GET_WHOLE].concat());
    let ServerOutput::Request(request) = poll(&mut server, at(0)) else { panic!("a request") };
    server.respond(accept(&request, at(0)));
    server.handle_shutdown(at(0));
    assert_eq!(run(&mut server, at(0)), (WHOLE.into(), HalfClosed));
}

#[test]
fn a_stream_goes_on_during_the_shutdown_until_it_is_drained() {
    let mut server = receive(&[GET, GET_WHOLE].concat());
    write(&mut server);
    server.handle_shutdown(at(0));
    send(&mut server, "hello");
    assert_eq!(write(&mut server), "d\r\ndata: hello\n\n\r\n");
    let drain = Drain { end_at: at(1), retry: secs(2), stall_timeout: secs(3), abort_at: at(3) };
    server.stream().unwrap().handle_drain(drain);
    server.handle_timeout(at(1));
    assert_eq!(run(&mut server, at(1)), ("c\r\nretry: 2000\n\r\n0\r\n\r\n".into(), HalfClosed));
}

#[test]
fn a_stream_that_is_drained_is_the_last_response() {
    let mut server = receive(&[GET, GET_WHOLE].concat());
    write(&mut server);
    let drain = Drain { end_at: at(1), retry: secs(2), stall_timeout: secs(3), abort_at: at(3) };
    server.stream().unwrap().handle_drain(drain);
    server.handle_timeout(at(1));
    assert_eq!(run(&mut server, at(1)).1, HalfClosed);
}

#[test]
fn a_drain_does_not_wait_for_a_client_that_does_not_take_the_end_of_a_stream() {
    // Each stream has ended before the drain begins, or the drain ends it.
    for (end_before, stall_timeout, abort_at, expected) in [
        (true, secs(1), at(6), at(3)),
        (true, secs(60), at(6), at(6)),
        (true, secs(60), at(60), at(8)),
        (false, secs(1), at(6), at(4)),
        (false, secs(60), at(6), at(6)),
    ] {
        let mut server = receive(GET);
        write(&mut server);
        let drain = Drain { end_at: at(3), retry: secs(2), stall_timeout, abort_at };
        server.stream().unwrap().handle_drain(drain);
        let now = if end_before { at(1) } else { at(3) };
        if end_before {
            send(&mut server, "");
        } else {
            server.handle_timeout(now);
            assert!(matches!(poll(&mut server, now), ServerOutput::Write(_)));
            server.handle_written(b"c\r\nretry: 2000\n\n\r\n".len(), now);
        }
        assert!(matches!(poll(&mut server, now), ServerOutput::Write(_)));
        assert_eq!(server.deadline(), Some(expected), "{drain:?}");
        server.handle_timeout(expected);
        assert_eq!(run(&mut server, expected).1, Closed(Close::Abort));
    }
}
