//! Ends of connections: clients that leave, the last response, and aborts.

use super::*;

#[test]
fn a_client_that_leaves_is_noticed_behind_a_body_of_any_length() {
    let mut server = receive(b"POST / HTTP/1.0\r\ncontent-length: 99999999\r\n\r\n");
    let ServerOutput::Request(_) = poll(&mut server, at(0)) else { panic!("a request") };
    for _ in 0..100 {
        assert!(server.wants_input());
        server.handle_input(&[b'x'; 64 * 1024]);
    }
    server.handle_peer_closed();
    assert!(!server.wants_input());
    assert_eq!(run(&mut server, at(0)).1, Closed(Close::Abort));
}

#[test]
fn a_client_that_leaves_before_the_response_gets_none() {
    let mut server = receive(GET);
    let ServerOutput::Request(_) = poll(&mut server, at(0)) else { panic!("a request") };
    assert!(server.wants_input());
    server.handle_peer_closed();
    assert_eq!(run(&mut server, at(0)), (String::new(), Closed(Close::Abort)));
    assert!(!server.awaits_response());
}

#[test]
fn a_client_that_half_closes_gets_a_whole_body_but_no_stream() {
    let mut server = receive(&[GET_WHOLE, GET_WHOLE].concat());
    server.handle_peer_closed();
    assert_eq!(run(&mut server, at(0)), (WHOLE.repeat(2), Closed(Close::Clean)));
    let mut server = receive(GET);
    server.handle_peer_closed();
    assert_eq!(run(&mut server, at(0)), (String::new(), Closed(Close::Abort)));
}

#[test]
fn a_client_that_leaves_ends_its_stream() {
    let mut server = receive(GET);
    write(&mut server);
    server.handle_peer_closed();
    assert_eq!(server.end_reason(), Some(EndReason::PeerClosed));
    assert_eq!(run(&mut server, at(0)), (String::new(), Closed(Close::Abort)));
    assert_eq!(server.deadline(), None);
}

#[test]
fn the_last_response_is_followed_by_a_half_close_and_then_by_the_clients_close() {
    let mut server = receive(b"GET /whole HTTP/1.0\r\n\r\n");
    let (written, then) = run(&mut server, at(0));
    assert!(written.ends_with("whole"), "{written}");
    assert_eq!(then, HalfClosed);
    server.handle_input(b"more");
    assert_eq!(run(&mut server, at(1)).1, Waits);
    assert_eq!(server.deadline(), Some(at(2)));
    server.handle_peer_closed();
    assert_eq!(run(&mut server, at(1)).1, Closed(Close::Clean));
}

#[test]
fn what_a_client_sends_after_the_last_response_is_bounded_in_time_and_bytes() {
    let lingering = || {
        let mut server = receive(b"GET /whole HTTP/1.0\r\n\r\n");
        assert_eq!(run(&mut server, at(0)).1, HalfClosed);
        server
    };
    assert_eq!(run(&mut lingering(), at(2)).1, Closed(Close::Clean));
    let mut server = lingering();
    for _ in 0..255 {
        server.handle_input(&[b'x'; 1024]);
    }
    assert_eq!(run(&mut server, at(1)).1, Waits);
    server.handle_input(&[b'x'; 1024]);
    assert_eq!(run(&mut server, at(1)).1, Closed(Close::Clean));
}

#[test]
fn an_aborted_stream_ends_without_its_last_chunk_or_with_a_reset() {
    let mut server = receive(GET);
    send_at_once(&mut server, "abort");
    let (written, then) = run(&mut server, at(0));
    assert!(written.ends_with("transfer-encoding: chunked\r\n\r\n"), "{written}");
    assert_eq!(then, HalfClosed);

    let mut server = receive(b"GET / HTTP/1.0\r\n\r\n");
    write(&mut server);
    send(&mut server, "hello");
    send(&mut server, "abort");
    assert_eq!(run(&mut server, at(0)), ("data: hello\n\n".into(), Closed(Close::Abort)));
}

/// Responds to the request with a stream, and sends before anything is written.
fn send_at_once(server: &mut Server, text: &'static str) {
    let ServerOutput::Request(request) = poll(server, at(0)) else { panic!("a request") };
    server.respond(accept(&request, at(0)));
    send(server, text);
}

#[test]
fn a_connection_that_is_aborted_ends_its_stream_for_that_reason() {
    let mut server = receive(GET);
    write(&mut server);
    assert!(server.wants_input() && !server.is_closed());
    server.abort(EndReason::Shutdown);
    assert_eq!(server.end_reason(), Some(EndReason::Shutdown));
    assert_eq!(run(&mut server, at(0)), (String::new(), Closed(Close::Abort)));
    assert!(server.is_closed() && !server.wants_input());

    let mut server = open(config());
    assert_eq!(run(&mut server, at(3)).1, Closed(Close::Clean));
    server.abort(EndReason::Shutdown);
    assert_eq!(run(&mut server, at(3)).1, Closed(Close::Clean), "it was closed before");
}
