//! Requests: pipelined, late, malformed, and in any pieces.

use proptest::prelude::*;

use super::*;

#[test]
fn a_stream_is_framed_the_same_whatever_the_size_of_writes() {
    for step in [1, 2, 3, 7, 1000] {
        let mut server = receive(GET);
        let (head, _) = run_by(&mut server, step, at(0));
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        send(&mut server, "hello");
        let chunk = run_by(&mut server, step, at(0));
        assert_eq!(chunk, ("d\r\ndata: hello\n\n\r\n".into(), Waits));
        send(&mut server, "");
        assert_eq!(run_by(&mut server, step, at(0)), ("0\r\n\r\n".into(), Waits));
        server.handle_input(GET_WHOLE);
        assert_eq!(run_by(&mut server, step, at(0)), (WHOLE.into(), Waits));
    }
}

#[test]
fn pipelined_requests_arrive_in_any_pieces() {
    let both = [GET_WHOLE, GET].concat();
    for step in [1, 2, 3, 7, 1000] {
        let mut server = open(config());
        let mut written = String::new();
        for piece in both.chunks(step) {
            server.handle_input(piece);
            written += &write(&mut server);
        }
        assert!(written.starts_with(&format!("{WHOLE}HTTP/1.1 200 OK\r\n")));
        assert!(server.stream().is_some());
    }
}

#[test]
fn empty_lines_between_requests_are_ignored() {
    let mut server = receive(&[b"\r\n\n", GET_WHOLE, b"\r\n\r\n\n", GET_WHOLE, b"\r\n"].concat());
    assert_eq!(write(&mut server), WHOLE.repeat(2));
    assert_eq!(run(&mut server, at(3)), (String::new(), Closed(Close::Clean)));
}

#[test]
fn a_head_that_is_late_is_refused() {
    let mut server = open(config());
    assert_eq!(server.deadline(), Some(at(3)));
    server.handle_input(b"GET / HT");
    assert_eq!(run(&mut server, at(2)), (String::new(), Waits));
    let (written, then) = run(&mut server, at(3));
    assert!(written.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{written}");
    assert_eq!(then, HalfClosed);
}

#[test]
fn an_idle_connection_is_closed_without_a_response() {
    let mut server = receive(GET_WHOLE);
    assert_eq!(run(&mut server, at(2)), (WHOLE.into(), Waits));
    assert_eq!(server.deadline(), Some(at(5)));
    assert_eq!(run(&mut server, at(5)), (String::new(), Closed(Close::Clean)));
}

#[test]
fn a_bad_request_is_refused_and_nothing_after_it_is_read() {
    for bad in ["hello\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
        let mut server = receive(&[bad.as_bytes(), GET_WHOLE].concat());
        let (written, then) = run_by(&mut server, 1, at(0));
        assert!(written.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{written}");
        assert_eq!((written.matches("HTTP/1.1 ").count(), then), (1, HalfClosed));
    }
}

#[test]
fn the_body_of_a_request_is_never_a_request() {
    for framing in ["content-length: 38", "transfer-encoding: chunked"] {
        let mut server =
            receive(format!("GET /whole HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n").as_bytes());
        server.handle_input(GET_WHOLE);
        let (written, then) = run(&mut server, at(0));
        assert!(written.contains("connection: close\r\n"), "{written}");
        assert_eq!((written.matches("whole").count(), then), (1, HalfClosed));
        server.handle_input(GET_WHOLE);
        assert_eq!(run(&mut server, at(0)), (String::new(), Waits));
    }
}

#[test]
fn pipelined_input_is_bounded_by_the_size_of_a_head() {
    let mut server = receive(GET);
    write(&mut server);
    assert!(server.wants_input());
    server.handle_input(&[b'x'; 16 * 1024]);
    assert!(!server.wants_input());
    send(&mut server, "still here");
    assert!(write(&mut server).contains("data: still here\n\n"));
}

/// A piece of a client's input: random bytes are hardly ever a request.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "GET / HTTP/1.1\r\n",
        "GET /whole HTTP/1.1\r\n",
        "HEAD /whole HTTP/1.0\r\n",
        "POST /whole HTTP/1.1\r\n",
        "GET http://b/whole HTTP/1.1\r\n",
        "host: here\r\n",
        "host: a b\r\n",
        "connection: close\r\n",
        "content-length: 5\r\n",
        "transfer-encoding: chunked\r\n",
        "\r\n",
        "\n",
    ];
    let filler = (0..400_usize).prop_map(|len| format!("x: {}\r\n", "x".repeat(len)));
    prop_oneof![
        8 => proptest::sample::select(pieces.to_vec()).prop_map(String::from),
        2 => Just("GET /whole HTTP/1.1\r\nhost: here\r\n\r\n".to_owned()),
        1 => filler,
    ]
}

/// Reads `input` and writes everything, in steps. Each stream stops at once.
fn run_in_steps(mut input: &[u8], read: usize, step: usize) -> (String, Then) {
    let mut server = open(config().with_head_limits(1024, 8).unwrap());
    let mut written = String::new();
    loop {
        TEXTS.with_borrow_mut(|texts| *texts = ["hello", ""].into());
        let (more, then) = run_by(&mut server, step, at(0));
        written += &more;
        if then != Waits || input.is_empty() {
            return (written, then);
        }
        assert!(server.wants_input(), "it waits for input that it does not want");
        let (bytes, rest) = input.split_at(read.min(input.len()));
        server.handle_input(bytes);
        input = rest;
    }
}

proptest! {
    #[test]
    fn the_sizes_of_reads_and_writes_change_nothing(
        pieces in proptest::collection::vec(piece(), 0..40),
        read in 1..200_usize,
        step in 1..200_usize,
    ) {
        let input = pieces.concat();
        let whole = run_in_steps(input.as_bytes(), usize::MAX, usize::MAX);
        prop_assert_eq!(run_in_steps(input.as_bytes(), read, step), whole);
    }
}
