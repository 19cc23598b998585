//! The rules of the client, each with a literal time.

#![cfg(feature = "http")]

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use lasse_core::{Backoff, Client, ClientClosed, ClientOutput, Decoded, Decoder, EventId, Instant};

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * 1_000_000_000)
}

fn get(uri: &str) -> Request<Bytes> {
    Request::get(uri).body(Bytes::new()).unwrap()
}

fn client() -> Client {
    Client::new(get("http://a/events"))
}

fn head(status: u16, headers: &[(&str, &str)]) -> Response<()> {
    let head = Response::builder().status(status);
    headers.iter().fold(head, |head, (name, value)| head.header(*name, *value)).body(()).unwrap()
}

fn stream() -> Response<()> {
    head(200, &[("content-type", "text/event-stream")])
}

/// Polls without jitter.
fn poll(client: &mut Client, now: Instant) -> ClientOutput {
    client.poll_output(now, 0)
}

#[track_caller]
fn connect(client: &mut Client, now: Instant) -> Request<Bytes> {
    match poll(client, now) {
        ClientOutput::Connect(request) => request,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn open(client: &mut Client, now: Instant) -> Request<Bytes> {
    let request = connect(client, now);
    client.handle_head(&stream(), now);
    assert!(matches!(poll(client, now), ClientOutput::Listen(_)));
    request
}

#[track_caller]
fn waits_until(client: &mut Client, now: Instant) -> Instant {
    match poll(client, now) {
        ClientOutput::Wait(until) => until,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn closed(client: &mut Client, now: Instant) -> ClientClosed {
    match poll(client, now) {
        ClientOutput::Closed(reason) => reason,
        other => panic!("{other:?}"),
    }
}

/// The data of the messages in `bytes`.
fn receive(client: &mut Client, bytes: &[u8], now: Instant) -> Vec<String> {
    let mut input = bytes;
    let mut messages = Vec::new();
    while let Some(decoded) = client.handle_bytes(&mut input, now).unwrap() {
        if let Decoded::Message(message) = decoded {
            messages.push(message.data().to_string());
        }
    }
    messages
}

fn last_event_id(request: &Request<Bytes>) -> Option<&[u8]> {
    request.headers().get("last-event-id").map(HeaderValue::as_bytes)
}

#[test]
fn the_first_request_accepts_a_stream_and_no_cached_answer() {
    let request = connect(&mut client(), at(0));
    assert_eq!(request.method(), Method::GET);
    assert_eq!(request.headers()["accept"], "text/event-stream");
    assert_eq!(request.headers()["cache-control"], "no-cache");
    assert_eq!(last_event_id(&request), None);
}

#[test]
fn method_headers_and_body_are_sent_with_each_request() {
    let template = Request::builder()
        .method("REPORT")
        .uri("http://a/")
        .header("x-key", "1")
        .header("accept", "*/*");
    let mut client = Client::new(template.body(Bytes::from_static(b"{}")).unwrap());
    let first = open(&mut client, at(0));
    client.handle_end(at(1));
    let second = connect(&mut client, at(4));
    for request in [first, second] {
        assert_eq!(request.method().as_str(), "REPORT");
        assert_eq!(request.headers()["x-key"], "1");
        assert_eq!(request.headers()["accept"], "*/*");
        assert_eq!(request.body(), "{}");
    }
}

#[test]
fn the_client_is_open_from_the_head_to_the_failure() {
    let mut client = client();
    assert!(!client.is_open());
    connect(&mut client, at(0));
    assert!(!client.is_open());
    client.handle_head(&stream(), at(1));
    assert!(client.is_open());
    client.handle_error(at(2));
    assert!(!client.is_open());
}

#[test]
fn the_client_reconnects_with_the_last_event_id() {
    let mut client = client();
    open(&mut client, at(0));
    assert_eq!(receive(&mut client, b"id: 1\ndata: a\n\n", at(1)), ["a"]);
    client.handle_end(at(10));
    assert_eq!(waits_until(&mut client, at(10)), at(13));
    assert_eq!(last_event_id(&open(&mut client, at(13))), Some(b"1".as_slice()));
}

#[test]
fn an_id_is_kept_when_later_events_have_none() {
    let mut client = client();
    open(&mut client, at(0));
    receive(&mut client, b"id: 1\ndata: a\n\ndata: b\n\n", at(1));
    client.handle_end(at(1));
    assert_eq!(last_event_id(&open(&mut client, at(4))), Some(b"1".as_slice()));
    receive(&mut client, b"data: c\n\n", at(5));
    client.handle_end(at(40));
    assert_eq!(last_event_id(&connect(&mut client, at(43))), Some(b"1".as_slice()));
}

#[test]
fn an_empty_id_sends_no_header() {
    let mut client = client().with_last_event_id(&EventId::from(1));
    assert_eq!(last_event_id(&open(&mut client, at(0))), Some(b"1".as_slice()));
    receive(&mut client, b"id\ndata: a\n\n", at(1));
    client.handle_end(at(1));
    assert_eq!(last_event_id(&connect(&mut client, at(4))), None);
}

#[test]
fn an_id_in_utf_8_is_sent_unchanged() {
    let mut client = client();
    open(&mut client, at(0));
    receive(&mut client, "id: Zürich, 🦀\n\n".as_bytes(), at(1));
    client.handle_end(at(1));
    let request = connect(&mut client, at(4));
    assert_eq!(last_event_id(&request), Some("Zürich, 🦀".as_bytes()));
}

#[test]
fn an_id_that_http_cannot_carry_is_not_sent() {
    let mut client = client();
    open(&mut client, at(0));
    receive(&mut client, b"id: a\x01b\n\n", at(1));
    client.handle_end(at(1));
    assert_eq!(last_event_id(&connect(&mut client, at(4))), None);
}

#[test]
fn the_last_event_id_of_the_given_request_is_sent_and_replaced() {
    let template = Request::get("http://a/").header("last-event-id", "7");
    let mut client = Client::new(template.body(Bytes::new()).unwrap());
    assert_eq!(client.last_event_id(), "7");
    assert_eq!(last_event_id(&open(&mut client, at(0))), Some(b"7".as_slice()));
    receive(&mut client, b"id: 8\n\n", at(1));
    client.handle_end(at(1));
    assert_eq!(last_event_id(&connect(&mut client, at(4))), Some(b"8".as_slice()));
}

#[test]
fn an_event_that_is_cut_off_is_dropped() {
    let mut client = client();
    open(&mut client, at(0));
    receive(&mut client, b"id: 1\ndata: a\n\nid: 2\ndata: b\n", at(1));
    client.handle_error(at(1));
    assert_eq!(last_event_id(&open(&mut client, at(4))), Some(b"1".as_slice()));
    assert_eq!(receive(&mut client, b"\xef\xbb\xbfdata: c\n\n", at(5)), ["c"]);
}

#[test]
fn the_client_waits_for_the_time_of_retry() {
    let mut client = client();
    open(&mut client, at(0));
    receive(&mut client, b"retry: 7000\nid: 1\n\n", at(1));
    client.handle_end(at(10));
    assert_eq!(waits_until(&mut client, at(10)), at(17));
}

#[test]
fn retry_zero_does_not_make_a_tight_loop() {
    let mut client = client();
    let mut now = at(0);
    for round in 0..20 {
        let before = now;
        open(&mut client, now);
        receive(&mut client, b"retry: 0\nid: 1\ndata: again\n\n", now);
        client.handle_end(now);
        now = waits_until(&mut client, now);
        let waited = now.saturating_duration_since(before);
        assert!(waited >= Duration::from_millis(500), "round {round}: {waited:?}");
        if round > 10 {
            assert!(waited >= Duration::from_secs(60), "nothing new arrives: {waited:?}");
        }
    }
}

#[test]
fn failures_double_the_wait_until_a_stream_brings_something_new() {
    let mut client = client();
    let mut now = at(0);
    let mut waits = Vec::new();
    for _ in 0..6 {
        connect(&mut client, now);
        client.handle_error(now);
        let until = waits_until(&mut client, now);
        waits.push(until.saturating_duration_since(now).as_secs());
        now = until;
    }
    assert_eq!(waits, [3, 6, 12, 24, 48, 60]);
    open(&mut client, now);
    receive(&mut client, b"id: 1\n\n", now);
    client.handle_end(now);
    assert_eq!(waits_until(&mut client, now), now + Duration::from_secs(3));
}

#[test]
fn failures_double_the_wait_until_a_stream_is_open_for_long() {
    let mut client = client();
    for _ in 0..2 {
        let until = match poll(&mut client, at(0)) {
            ClientOutput::Wait(until) => until,
            _ => at(0),
        };
        assert!(!matches!(poll(&mut client, until), ClientOutput::Closed(_)));
        client.handle_error(until);
    }
    let now = waits_until(&mut client, at(3));
    open(&mut client, now);
    let later = now + Duration::from_secs(30);
    client.handle_end(later);
    assert_eq!(waits_until(&mut client, later), later + Duration::from_secs(3));
}

#[test]
fn a_stream_of_events_without_ids_is_a_success() {
    let mut client = client();
    for round in 0..5 {
        let now = at(3 * round);
        open(&mut client, now);
        receive(&mut client, b"data: poll\n\n", now);
        client.handle_end(now);
        assert_eq!(waits_until(&mut client, now), at(3 * round + 3));
    }
}

#[test]
fn each_wait_has_its_own_jitter() {
    let mut client = client().with_backoff(Backoff::new().with_jitter(100));
    open(&mut client, at(0));
    receive(&mut client, b"id: 1\n\n", at(0));
    client.handle_end(at(0));
    let until = Instant::from_nanos(4_500_000_000);
    assert!(matches!(client.poll_output(at(0), 1 << 63), ClientOutput::Wait(u) if u == until));
    assert!(matches!(client.poll_output(at(1), 0), ClientOutput::Wait(u) if u == until));
}

#[test]
fn a_silent_connection_is_closed_and_any_byte_extends_it() {
    let mut client = client().with_read_timeout(Duration::from_secs(20));
    open(&mut client, at(0));
    receive(&mut client, b"id: 1\n\n", at(1));
    receive(&mut client, b":", at(19));
    assert!(matches!(poll(&mut client, at(38)), ClientOutput::Listen(Some(end)) if end == at(39)));
    assert_eq!(waits_until(&mut client, at(39)), at(42));
    assert_eq!(receive(&mut client, b"data: late\n\n", at(40)), [""; 0]);
}

#[test]
fn the_read_timeout_includes_the_head() {
    let mut client = client().with_read_timeout(Duration::from_secs(20));
    connect(&mut client, at(0));
    assert!(matches!(poll(&mut client, at(5)), ClientOutput::Listen(Some(end)) if end == at(20)));
    assert_eq!(waits_until(&mut client, at(20)), at(23));
}

#[test]
fn a_204_closes_the_client() {
    let mut client = client();
    connect(&mut client, at(0));
    client.handle_head(&head(204, &[]), at(0));
    assert_eq!(closed(&mut client, at(0)), ClientClosed::NoContent);
    client.handle_error(at(1));
    assert_eq!(closed(&mut client, at(1_000_000)), ClientClosed::NoContent);
}

#[test]
fn any_other_status_closes_the_client_as_in_browsers() {
    for status in [201, 205, 304, 400, 401, 404, 429, 500, 503] {
        let mut client = client();
        connect(&mut client, at(0));
        client.handle_head(&head(status, &[("content-type", "text/event-stream")]), at(0));
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(closed(&mut client, at(0)), ClientClosed::Status(status));
    }
}

#[test]
fn statuses_503_and_429_can_be_retried() {
    let mut client = client().with_retried_statuses();
    connect(&mut client, at(0));
    client.handle_head(&head(503, &[("retry-after", "40")]), at(0));
    assert_eq!(waits_until(&mut client, at(0)), at(40));
    connect(&mut client, at(40));
    client.handle_head(&head(429, &[]), at(40));
    assert_eq!(waits_until(&mut client, at(40)), at(46), "the second failure");
    connect(&mut client, at(46));
    client.handle_head(&head(404, &[]), at(46));
    assert_eq!(closed(&mut client, at(46)), ClientClosed::Status(StatusCode::NOT_FOUND));
}

#[test]
fn the_client_stops_after_the_allowed_failures() {
    let mut client = client().with_max_failures(2);
    connect(&mut client, at(0));
    client.handle_error(at(0));
    connect(&mut client, at(3));
    client.handle_error(at(3));
    assert_eq!(closed(&mut client, at(3)), ClientClosed::Failures(2));
}

#[test]
fn zero_allowed_failures_act_as_one_and_only_failures_count() {
    let mut client = client().with_max_failures(0);
    open(&mut client, at(0));
    receive(&mut client, b"id: 1\n\n", at(0));
    client.handle_end(at(0));
    open(&mut client, at(3));
    client.handle_error(at(3));
    assert_eq!(closed(&mut client, at(3)), ClientClosed::Failures(1));
}

#[test]
fn a_compressed_stream_is_refused_with_its_encoding() {
    for encoding in ["gzip", "identity, br", "X-UNKNOWN"] {
        let mut client = client();
        connect(&mut client, at(0));
        let fields = [("content-type", "text/event-stream"), ("content-encoding", encoding)];
        client.handle_head(&head(200, &fields), at(0));
        let reason = ClientClosed::ContentEncoding(HeaderValue::from_static(encoding));
        assert_eq!(closed(&mut client, at(0)), reason);
        assert!(reason.to_string().contains(encoding), "{reason}");
    }
    for encoding in ["", "identity", " Identity ,identity"] {
        let mut client = client();
        connect(&mut client, at(0));
        let fields = [("content-type", "text/event-stream"), ("content-encoding", encoding)];
        client.handle_head(&head(200, &fields), at(0));
        assert!(client.is_open(), "{encoding:?}");
    }
}

#[test]
fn a_server_cannot_make_the_client_wait_longer_than_its_limit() {
    const HOUR: u64 = 3600;
    let mut client = client().with_retried_statuses();
    open(&mut client, at(0));
    receive(&mut client, b"retry: 18446744073709551615\nid: 1\n\n", at(0));
    client.handle_end(at(0));
    assert_eq!(waits_until(&mut client, at(0)), at(HOUR));
    for (after, least) in [("18446744073709551615", HOUR), ("99999999999999999999", HOUR)] {
        let mut client = self::client().with_retried_statuses();
        connect(&mut client, at(0));
        client.handle_head(&head(503, &[("retry-after", after)]), at(0));
        assert_eq!(waits_until(&mut client, at(0)), at(least), "{after}");
    }
    let backoff = Backoff::new().with_max_server_delay(Duration::from_secs(10));
    let mut client = self::client().with_backoff(backoff).with_retry(Duration::from_secs(20));
    open(&mut client, at(0));
    receive(&mut client, b"id: 1\n\n", at(0));
    client.handle_end(at(0));
    assert_eq!(waits_until(&mut client, at(0)), at(20), "the user's own delay has no limit");
    open(&mut client, at(20));
    receive(&mut client, b"id: 2\nretry: 15000\n\n", at(20));
    client.handle_end(at(20));
    assert_eq!(waits_until(&mut client, at(20)), at(30));
}

/// Each setting at its extremes, through a stream, a failure and a redirect.
#[test]
fn every_setting_takes_zero_one_and_the_maximum() {
    type Set<T> = fn(Client, T) -> Client;
    let durations: [(&str, Set<Duration>); 7] = [
        ("retry", |client, delay| client.with_retry(delay)),
        ("read timeout", |client, delay| client.with_read_timeout(delay)),
        ("floor", |client, delay| client.with_backoff(Backoff::new().with_floor(delay))),
        ("ceiling", |client, delay| client.with_backoff(Backoff::new().with_ceiling(delay))),
        ("reset after", |client, life| client.with_backoff(Backoff::new().with_reset_after(life))),
        ("server delay", |client, delay| {
            client.with_backoff(Backoff::new().with_max_server_delay(delay))
        }),
        ("all of them", |client, delay| {
            let backoff = Backoff::new().with_floor(delay).with_ceiling(delay);
            let backoff = backoff.with_reset_after(delay).with_max_server_delay(delay);
            client.with_backoff(backoff).with_retry(delay).with_read_timeout(delay)
        }),
    ];
    for (name, set) in durations {
        for value in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            run_through(&format!("{name} {value:?}"), set(client(), value));
        }
    }
    let numbers: [(&str, Set<u32>); 3] = [
        ("jitter", |client, percent| client.with_backoff(Backoff::new().with_jitter(percent))),
        ("failures", |client, number| client.with_max_failures(number)),
        ("redirects", |client, number| client.with_max_redirects(number)),
    ];
    for (name, set) in numbers {
        for value in [0, 1, u32::MAX] {
            run_through(&format!("{name} {value}"), set(client(), value));
        }
    }
    for limit in [0, 1, usize::MAX] {
        let decoder = Decoder::new().with_limit(limit);
        run_through(&format!("limit {limit}"), client().with_decoder(decoder));
    }
}

/// Polls through a stream, its end, a redirect and failures. Nothing panics, each wait ends after
/// now, and a closed client stays closed.
fn run_through(setting: &str, mut client: Client) {
    let mut now = at(1);
    let mut is_closed = false;
    for step in 0..40 {
        match client.poll_output(now, u64::MAX) {
            ClientOutput::Connect(_) => {
                assert!(!is_closed, "{setting}: step {step}");
                if step % 3 == 0 {
                    client.handle_head(&head(307, &[("location", "/x")]), now);
                } else {
                    client.handle_head(&stream(), now);
                }
            }
            ClientOutput::Listen(until) => {
                assert!(until.is_none_or(|until| until > now), "{setting}: step {step}");
                let mut input = b"retry: 99999999999999999999\nid: 1\ndata: a\n\n".as_slice();
                while client.handle_bytes(&mut input, now).is_err() {}
                client.handle_end(now);
            }
            ClientOutput::Wait(until) => {
                assert!(until > now, "{setting}: step {step}");
                now = until;
            }
            ClientOutput::Closed(_) => is_closed = true,
        }
    }
}

#[test]
fn streams_that_end_without_a_new_event_are_failures() {
    let mut client = client().with_last_event_id(&EventId::from(7));
    let mut now = at(0);
    let mut waits = Vec::new();
    for body in ["", ":\n", "id: 7\ndata: repeated\n\n", "retry: 3000\n", "data: cut"] {
        open(&mut client, now);
        receive(&mut client, body.as_bytes(), now);
        client.handle_end(now);
        let until = waits_until(&mut client, now);
        waits.push(until.saturating_duration_since(now).as_secs());
        now = until;
    }
    assert_eq!(waits, [3, 6, 12, 24, 48]);
}

#[test]
fn without_a_floor_failures_still_double_the_wait_from_a_millisecond() {
    let mut client = client()
        .with_retry(Duration::ZERO)
        .with_backoff(Backoff::new().with_floor(Duration::ZERO).with_jitter(0));
    let mut now = at(0);
    for millis in [1, 2, 4, 8, 16] {
        connect(&mut client, now);
        client.handle_error(now);
        let until = waits_until(&mut client, now);
        assert_eq!(until.saturating_duration_since(now), Duration::from_millis(millis));
        now = until;
    }
}

#[test]
fn a_client_that_runs_once_ends_with_its_stream() {
    let mut client = Client::once(get("http://a/events"));
    open(&mut client, at(0));
    assert_eq!(receive(&mut client, b"id: 1\ndata: a\n\n", at(1)), ["a"]);
    client.handle_end(at(2));
    assert_eq!(closed(&mut client, at(2)), ClientClosed::Ended);
    assert_eq!(client.last_event_id(), "1");
}

#[test]
fn a_client_that_runs_once_never_sends_its_request_again() {
    let once = || Client::once(get("http://a/events")).with_retried_statuses();
    let mut client = once();
    connect(&mut client, at(0));
    client.handle_error(at(1));
    assert_eq!(closed(&mut client, at(1)), ClientClosed::Disconnected);
    let mut client = once();
    open(&mut client, at(0));
    client.handle_error(at(1));
    assert_eq!(closed(&mut client, at(1)), ClientClosed::Disconnected);
    let mut client = once().with_read_timeout(Duration::from_secs(5));
    open(&mut client, at(0));
    assert_eq!(closed(&mut client, at(5)), ClientClosed::Disconnected);
    let mut client = once();
    connect(&mut client, at(0));
    client.handle_head(&head(503, &[("retry-after", "1")]), at(0));
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    assert_eq!(closed(&mut client, at(0)), ClientClosed::Status(unavailable));
    let mut client = once();
    connect(&mut client, at(0));
    assert_eq!(redirect(&mut client, 307, "/b").uri(), "http://a/b", "a redirect is followed");
}

#[test]
fn a_response_of_another_type_closes_the_client() {
    let mut client = client();
    connect(&mut client, at(0));
    client.handle_head(&head(200, &[("content-type", "text/html")]), at(0));
    let reason = closed(&mut client, at(0));
    assert_eq!(
        reason.to_string(),
        "the content type is \"text/html\"; it must be text/event-stream"
    );
}

fn redirect(client: &mut Client, status: u16, location: &str) -> Request<Bytes> {
    client.handle_head(&head(status, &[("location", location)]), at(0));
    connect(client, at(0))
}

#[test]
fn a_redirect_is_followed_at_once_and_kept_only_if_permanent() {
    for (status, later) in [
        (301, "http://a/new"),
        (302, "http://a/events"),
        (303, "http://a/events"),
        (307, "http://a/events"),
        (308, "http://a/new"),
    ] {
        let mut client = client();
        connect(&mut client, at(0));
        assert_eq!(redirect(&mut client, status, "/new").uri(), "http://a/new");
        client.handle_head(&stream(), at(0));
        receive(&mut client, b"id: 1\n\n", at(0));
        client.handle_end(at(1));
        let again = connect(&mut client, at(4));
        assert_eq!(again.uri(), later, "{status}");
        assert_eq!(last_event_id(&again), Some(b"1".as_slice()));
    }
}

#[test]
fn a_permanent_redirect_after_a_temporary_one_is_temporary() {
    let mut client = client();
    connect(&mut client, at(0));
    redirect(&mut client, 308, "/b");
    redirect(&mut client, 307, "/c");
    redirect(&mut client, 308, "/d");
    client.handle_error(at(0));
    assert_eq!(connect(&mut client, at(3)).uri(), "http://a/b");
}

#[test]
fn method_and_body_are_repeated_where_the_status_allows_it() {
    for (status, method, expected) in [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (302, "REPORT", "REPORT"),
        (303, "REPORT", "GET"),
    ] {
        let template = Request::builder()
            .method(method)
            .uri("http://a/")
            .header("content-type", "text/plain")
            .header("x-key", "1");
        let mut client = Client::new(template.body(Bytes::from_static(b"x")).unwrap());
        connect(&mut client, at(0));
        let next = redirect(&mut client, status, "/b");
        assert_eq!(next.method().as_str(), expected, "{status} {method}");
        assert_eq!(next.body().is_empty(), expected == "GET");
        assert_eq!(next.headers().contains_key("content-type"), expected != "GET");
        assert_eq!(next.headers()["x-key"], "1");
    }
}

#[test]
fn secrets_are_not_sent_to_another_origin() {
    let template = || {
        Request::get("http://a/")
            .header("authorization", "Bearer x")
            .header("cookie", "y=z")
            .header("x-key", "1")
            .body(Bytes::new())
            .unwrap()
    };
    let mut client = Client::new(template());
    connect(&mut client, at(0));
    assert!(redirect(&mut client, 308, "http://a:80/b").headers().contains_key("authorization"));
    for location in ["https://a/", "http://a/back"] {
        let next = redirect(&mut client, 308, location);
        assert!(!next.headers().contains_key("authorization"), "{location}");
        assert!(!next.headers().contains_key("cookie"), "{location}");
        assert!(next.headers().contains_key("x-key"), "{location}");
    }
    client.handle_error(at(0));
    assert!(!connect(&mut client, at(3)).headers().contains_key("cookie"), "not later either");
}

#[test]
fn a_host_header_is_not_sent_to_another_origin() {
    let request = Request::get("http://a/").header("host", "virtual.example").body(Bytes::new());
    let mut client = Client::new(request.unwrap());
    connect(&mut client, at(0));
    assert_eq!(redirect(&mut client, 307, "/b").headers()["host"], "virtual.example");
    assert!(!redirect(&mut client, 307, "http://b/").headers().contains_key("host"));
    client.handle_error(at(0));
    assert_eq!(connect(&mut client, at(3)).headers()["host"], "virtual.example", "back at a");
}

#[test]
fn a_location_in_raw_utf_8_is_percent_encoded_and_followed() {
    let mut client = client();
    connect(&mut client, at(0));
    let next = redirect(&mut client, 307, "/zürich?ö=ü b");
    assert_eq!(next.uri(), "http://a/z%C3%BCrich?%C3%B6=%C3%BC%20b");
}

#[test]
fn two_different_locations_are_not_followed() {
    let mut client = client();
    connect(&mut client, at(0));
    redirect(&mut client, 307, "/b");
    client.handle_head(&head(307, &[("location", "/c"), ("location", "/c")]), at(0));
    assert_eq!(connect(&mut client, at(0)).uri(), "http://a/c");
    client.handle_head(&head(307, &[("location", "/d"), ("location", "/e")]), at(0));
    let reason = ClientClosed::Location(Some(HeaderValue::from_static("/d, /e")));
    assert_eq!(closed(&mut client, at(0)), reason);
}

#[test]
fn redirects_are_limited() {
    let mut client = client().with_max_redirects(3);
    connect(&mut client, at(0));
    for _ in 0..3 {
        redirect(&mut client, 307, "/events");
    }
    client.handle_head(&head(307, &[("location", "/events")]), at(0));
    assert_eq!(closed(&mut client, at(0)), ClientClosed::Redirects(3));
}

#[test]
fn a_redirect_that_leads_nowhere_closes_the_client() {
    for (headers, message) in [
        ([].as_slice(), "the redirect has no location"),
        (
            &[("location", "ftp://b/")],
            "the redirect to \"ftp://b/\" cannot be followed; it must lead to http or https",
        ),
    ] {
        let mut client = client();
        connect(&mut client, at(0));
        client.handle_head(&head(302, headers), at(0));
        assert_eq!(closed(&mut client, at(0)).to_string(), message);
    }
}

#[test]
fn an_event_that_is_too_large_does_not_end_the_stream() {
    let mut client = client().with_decoder(Decoder::new().with_limit(8));
    open(&mut client, at(0));
    let mut input = b"data: 123456789\n\ndata: b\n\n".as_slice();
    assert!(client.handle_bytes(&mut input, at(0)).is_err());
    assert_eq!(receive(&mut client, input, at(0)), ["b"]);
}

#[test]
fn five_megabytes_are_one_event() {
    let mut client = client().with_decoder(Decoder::new().with_limit(6 << 20));
    open(&mut client, at(0));
    let mut stream = Vec::from(b"data: ".as_slice());
    stream.resize(5 << 20, b'x');
    stream.extend_from_slice(b"\n\n");
    let messages: Vec<_> =
        stream.chunks(1 << 16).flat_map(|chunk| receive(&mut client, chunk, at(0))).collect();
    assert_eq!(messages.iter().map(String::len).collect::<Vec<_>>(), [(5 << 20) - 6]);
}

#[test]
fn input_at_the_wrong_time_is_ignored() {
    let mut client = client();
    client.handle_end(at(0));
    client.handle_head(&head(204, &[]), at(0));
    assert_eq!(receive(&mut client, b"data: a\n\n", at(0)), [""; 0]);
    open(&mut client, at(0));
    client.handle_head(&head(204, &[]), at(0));
    assert_eq!(receive(&mut client, b"id: 1\ndata: a\n\n", at(0)), ["a"]);
    client.handle_end(at(0));
    client.handle_end(at(2));
    assert_eq!(waits_until(&mut client, at(2)), at(3));
}
