//! How long the client waits, and when it stops.

use std::time::Duration;

use lasse_core::{Backoff, Client, ClientClosed, ClientOutput, Decoder, EventId, Instant};

use crate::{at, client, closed, connect, head, open, poll, receive, stream, waits_until};

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
fn a_server_cannot_make_the_client_wait_longer_than_its_limit() {
    const HOUR: u64 = 3600;
    let mut client = client().with_retried_statuses();
    open(&mut client, at(0));
    receive(&mut client, b"retry: 18446744073709551615\nid: 1\n\n", at(0));
    client.handle_end(at(0));
    assert_eq!(waits_until(&mut client, at(0)), at(HOUR));
    for (after, least) in [("18446744073709551615", HOUR), ("99999999999999999999", HOUR)] {
        let mut client = crate::client().with_retried_statuses();
        connect(&mut client, at(0));
        client.handle_head(&head(503, &[("retry-after", after)]), at(0));
        assert_eq!(waits_until(&mut client, at(0)), at(least), "{after}");
    }
    let backoff = Backoff::new().with_max_server_delay(Duration::from_secs(10));
    let mut client = crate::client().with_backoff(backoff).with_retry(Duration::from_secs(20));
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
