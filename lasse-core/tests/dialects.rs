//! What clients of each dialect are sent.

use std::task::{Context, Waker};

use std::time::Duration;

use http::{Request, Response};
use lasse_core::http1::{ServeConfig, ServerConnection, ServerOutput};
use lasse_core::*;

use Dialect::{DataOnly, EventSource, Fetch};

#[test]
fn a_data_only_client_is_sent_no_position() {
    let news = channel(ChannelConfig::new());
    assert_eq!(start(&news, DataOnly, None), ":\n");
    for dialect in [EventSource, Fetch] {
        let position = ":\nevent: position\ndata: {\"at\":\"k-2\"}\nid: k-2\n\n";
        assert_eq!(start(&news, dialect, None), position);
    }
}

#[test]
fn a_data_only_client_that_cannot_resume_gets_a_410() {
    let news = channel(ChannelConfig::new().with_reset(None).with_position(None));
    let response = subscribe(&news, DataOnly, Some("j-1"));
    assert_eq!(response.status(), 410);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let Body::Full(body) = response.into_body() else { panic!("a stream") };
    assert_eq!(body, r#"{"reason":"foreign","requested":"j-1","resumed_at":"k-2"}"#);
    assert_eq!(news.stats().subscribers, 0);
    assert_eq!(start(&news, DataOnly, Some("k-1")), ":\ndata: 2\nid: k-2\n\n");
}

#[test]
fn a_data_only_client_that_lags_is_disconnected_where_others_skip() {
    for (dialect, skips) in [(EventSource, true), (DataOnly, false)] {
        let retention = Retention::new().with_events(1);
        let config = ChannelConfig::new().with_retention(retention);
        let news = channel(config.with_lag_policy(LagPolicy::Skip));
        let mut stream = stream(subscribe(&news, dialect, None));
        let _ = write(&mut stream);
        for n in 3..=5 {
            news.publish(Event::new(n.to_string())).unwrap();
        }
        let output = write(&mut stream);
        assert_eq!(output.starts_with("event: reset\n"), skips, "{output:?}");
        assert_eq!(stream.reason(), (!skips).then_some(EndReason::Lagged));
    }
}

#[test]
fn a_data_only_client_that_was_ahead_in_vain_is_disconnected() {
    let news = channel(ChannelConfig::new().with_shared_epoch(true));
    let mut stream = stream(subscribe(&news, DataOnly, Some("k-9")));
    assert_eq!(write(&mut stream), ":\n");
    news.finish();
    assert_eq!(write(&mut stream), "");
    assert_eq!(stream.reason(), Some(EndReason::Lagged));
}

/// A source that does one thing.
struct Once(Option<Next>);

impl Source for Once {
    fn poll_next(&mut self, _: Instant, _: &mut Context<'_>) -> Next {
        self.0.take().unwrap_or(Next::Wait(None))
    }
}

fn open(config: StreamConfig, next: Next) -> Connection<Once> {
    Connection::open(Once(Some(next)), [], &config.with_first_byte(false), NOW)
}

/// What the stream writes at `time`, and how it then ends.
fn end(stream: &mut Connection<Once>) -> (String, Option<Close>) {
    let written = write(stream);
    match stream.poll_output(NOW, &mut Context::from_waker(Waker::noop())) {
        Output::Close(close) => (written, Some(close)),
        _ => (written, None),
    }
}

#[test]
fn a_stream_that_stops_is_complete_in_every_dialect() {
    let stopped = "event: complete\ndata: {\"reason\":\"stopped\"}\n\n";
    for (dialect, last) in [(EventSource, ""), (Fetch, stopped), (DataOnly, "")] {
        let config = StreamConfig::new().with_dialect(dialect);
        let mut stream = open(config, Next::last(Event::new("1")));
        let expected = format!("data: 1\n\n{last}");
        assert_eq!(end(&mut stream), (expected, Some(Close::Clean)), "{dialect:?}");
    }
}

#[test]
fn only_an_event_source_returns_after_a_clean_end() {
    for (dialect, close) in
        [(EventSource, Close::Clean), (Fetch, Close::Abort), (DataOnly, Close::Abort)]
    {
        let config = StreamConfig::new().with_dialect(dialect);
        let mut lagged = open(config.clone(), Next::Lagged);
        assert_eq!(end(&mut lagged), (String::new(), Some(close)), "{dialect:?}");
        let mut old = open(config.with_max_age(SECOND), Next::send(Event::new("1")));
        assert_eq!(end(&mut old), ("data: 1\n\n".into(), None));
        old.handle_timeout(NOW + SECOND);
        assert_eq!(end(&mut old), (String::new(), Some(close)), "{dialect:?}");
    }
}

#[test]
fn a_shutdown_sends_retry_in_an_event_to_clients_over_fetch() {
    let shutdown =
        "event: shutdown\ndata: {\"reason\":\"shutdown\",\"retry\":1500}\nretry: 1500\n\n";
    for (dialect, last, close) in [
        (EventSource, "retry: 1500\n", Close::Clean),
        (Fetch, shutdown, Close::Abort),
        (DataOnly, "", Close::Abort),
    ] {
        let mut stream = open(StreamConfig::new().with_dialect(dialect), Next::Wait(None));
        stream.handle_drain(drain());
        stream.handle_timeout(NOW);
        assert_eq!(end(&mut stream), (last.into(), Some(close)), "{dialect:?}");
    }
}

#[test]
fn a_finite_stream_stops_completely_in_a_shutdown() {
    for dialect in [EventSource, Fetch, DataOnly] {
        let config = StreamConfig::new().with_dialect(dialect).with_finite(true);
        let mut stream = open(config, Next::Wait(None));
        stream.handle_drain(drain());
        stream.handle_timeout(NOW);
        assert_eq!(end(&mut stream), (String::new(), None));
        stream.handle_stop();
        assert_eq!(end(&mut stream).1, Some(Close::Clean), "{dialect:?}");
    }
}

#[test]
fn a_client_is_sent_why_the_server_ends_its_stream() {
    let retry = Duration::from_secs(61);
    for (reason, event) in [
        (EndReason::Revoked, "event: revoked\ndata: {\"reason\":\"revoked\",\"retry\":61000}"),
        (EndReason::Replaced, "event: replaced\ndata: {\"reason\":\"replaced\",\"retry\":61000}"),
    ] {
        for dialect in [EventSource, Fetch] {
            let config = StreamConfig::new().with_dialect(dialect);
            let mut stream = open(config, Next::send(Event::new("1")));
            stream.end(reason, Some(retry));
            stream.end(EndReason::Stopped, None);
            let expected = (format!("{event}\nretry: 61000\n\n"), Some(Close::Clean));
            assert_eq!(end(&mut stream), expected, "{dialect:?}");
            assert_eq!(stream.reason(), Some(reason));
        }
        let mut stream = open(StreamConfig::new().with_dialect(DataOnly), Next::Wait(None));
        stream.end(reason, Some(retry));
        assert_eq!(end(&mut stream), (String::new(), Some(Close::Abort)));
    }
}

#[test]
fn a_stream_ends_when_the_credentials_of_its_client_expire() {
    let event = "event: expired\ndata: {\"reason\":\"credentials_expired\"}\n\n";
    for (dialect, last, close) in [
        (EventSource, event, Close::Clean),
        (Fetch, event, Close::Clean),
        (DataOnly, "", Close::Abort),
    ] {
        let config = StreamConfig::new().with_dialect(dialect).with_keep_alive(None);
        let mut stream = open(config, Next::Wait(None));
        stream.expire_at(NOW);
        stream.expire_at(NOW + SECOND);
        assert_eq!((write(&mut stream), stream.deadline()), (String::new(), Some(NOW + SECOND)));
        stream.handle_timeout(NOW);
        assert_eq!(end(&mut stream), (String::new(), None));
        stream.handle_timeout(NOW + SECOND);
        assert_eq!(end(&mut stream), (last.into(), Some(close)), "{dialect:?}");
        assert_eq!(stream.reason(), Some(EndReason::CredentialsExpired));
    }
    let mut never = open(StreamConfig::new().with_keep_alive(None), Next::Wait(None));
    never.expire_at(NOW + Duration::MAX);
    assert_eq!(never.deadline(), None);
}

#[test]
fn a_data_only_client_can_be_sent_an_error_of_the_application() {
    let config = StreamConfig::new().with_max_age(SECOND).with_last_event(|reason| match reason {
        EndReason::Replaced => None,
        EndReason::Revoked => panic!("as the test has it"),
        reason => Some(Event::new(format!("error: {reason}"))),
    });
    let ended = |config: &StreamConfig, reason| {
        let mut stream = open(config.clone(), Next::Wait(None));
        stream.end(reason, Some(SECOND));
        end(&mut stream)
    };
    let data_only = config.clone().with_dialect(DataOnly);
    for reason in [EndReason::Shutdown, EndReason::Lagged, EndReason::Expired] {
        let error = format!("data: error: {reason}\n\n");
        assert_eq!(ended(&data_only, reason), (error, Some(Close::Clean)));
    }
    for reason in [EndReason::Replaced, EndReason::Revoked, EndReason::Aborted] {
        assert_eq!(ended(&data_only, reason), (String::new(), Some(Close::Abort)), "{reason}");
    }
    assert_eq!(ended(&data_only, EndReason::Stopped), (String::new(), Some(Close::Clean)));
    let fetch = ended(&config.with_dialect(Fetch), EndReason::Lagged);
    assert_eq!(fetch, (String::new(), Some(Close::Abort)));
}

#[test]
fn clients_with_short_read_timeouts_are_sent_keep_alives_more_often() {
    for (dialect, seconds) in [(EventSource, 15), (Fetch, 4), (DataOnly, 4)] {
        let config = StreamConfig::new().with_dialect(dialect);
        let mut stream = open(config.clone(), Next::send(Event::new("1")));
        for _ in 0..2 {
            assert_ne!(write(&mut stream), "");
            assert_eq!(stream.deadline(), Some(NOW + seconds * SECOND), "{dialect:?}");
            stream.handle_timeout(NOW + seconds * SECOND);
        }
        let stream = open(config.with_keep_alive(None), Next::Wait(None));
        assert_eq!(stream.deadline(), None);
    }
}

#[test]
fn a_client_of_an_ended_stream_is_notified_each_time() {
    let news = channel(ChannelConfig::new());
    news.finish();
    for _ in 0..2 {
        for dialect in [EventSource, DataOnly] {
            let response = subscribe(&news, dialect, Some("k-2"));
            assert_eq!((response.status().as_u16(), response.headers().len()), (204, 0));
        }
        let response = subscribe(&news, Fetch, Some("k-2"));
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let data = r#"{"reason":"complete","retry":60000}"#;
        let event = format!("event: complete\ndata: {data}\nretry: 60000\n\n");
        assert_eq!((response.status().as_u16(), full(response)), (200, event));
    }
}

#[test]
fn a_refusal_has_an_event_for_an_event_source_and_a_status_for_others() {
    let retry_after = Duration::from_millis(60_500);
    let own = Event::new("full").with_static_name("busy");
    for (refusal, status, name, data) in [
        (Refusal::too_many_streams(retry_after), 429, "refused", LIMIT),
        (Refusal::unauthorized(retry_after), 401, "unauthorized", UNAUTHORIZED),
        (Refusal::unavailable(retry_after), 503, "refused", UNAVAILABLE),
        (Refusal::unavailable(retry_after).with_event(own), 503, "busy", "full"),
    ] {
        assert_eq!((refusal.status().as_u16(), refusal.retry_after()), (status, retry_after));
        let event = format!("event: {name}\ndata: {data}\nretry: 60500\n\n");
        let response = refuse(EventSource, refusal.clone());
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!((response.status().as_u16(), full(response)), (200, event));
        for dialect in [Fetch, DataOnly] {
            let response = refuse(dialect, refusal.clone());
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers()["retry-after"], "61");
            assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
            assert_eq!(full(response), "");
        }
    }
    let challenge = http::HeaderValue::from_static("Basic realm=\"news\"");
    let refusal = Refusal::unauthorized(retry_after).with_challenge(challenge.clone());
    assert_eq!(refuse(Fetch, refusal).headers()["www-authenticate"], challenge);
}

const LIMIT: &str = r#"{"reason":"limit_per_key","retry":60500}"#;
const UNAVAILABLE: &str = r#"{"reason":"unavailable","retry":60500}"#;
const UNAUTHORIZED: &str = r#"{"reason":"unauthorized","retry":60500}"#;

#[test]
fn a_foreign_page_and_a_foreign_host_are_refused_before_anything_is_made() {
    let config = StreamConfig::new().with_origins(["https://a.example"]).unwrap();
    let config = config.with_hosts(["localhost"]).unwrap();
    for (origin, host, status) in [
        ("https://a.example", "localhost:4000", 204),
        ("https://b.example", "localhost:4000", 403),
        ("https://a.example", "b.example", 403),
    ] {
        for (dialect, method) in [(EventSource, "GET"), (Fetch, "HEAD"), (DataOnly, "GET")] {
            let request = Request::builder().method(method).header("origin", origin);
            let request = request.header("host", host).body(()).unwrap();
            let mut is_made = false;
            let init = |_: &RequestHead<'_>| {
                is_made = true;
                let empty = Response::builder().status(204).body(bytes::Bytes::new());
                Init::<Once>::Respond(empty.unwrap())
            };
            let config = config.clone().with_dialect(dialect);
            let response = Connection::accept_with(&request, init, &config, NOW);
            assert_eq!((response.status().as_u16(), is_made), (status, status == 204));
        }
    }
    assert!(StreamConfig::new().with_origins(["a.example"]).is_err());
    assert!(StreamConfig::new().with_hosts(["http://a.example"]).is_err());
}

#[test]
fn an_incomplete_end_over_http_1_1_lacks_the_last_chunk_and_is_no_reset() {
    let mut server = ServerConnection::<Once>::new(&ServeConfig::new().into(), NOW);
    let mut cx = Context::from_waker(Waker::noop());
    server.handle_input(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(matches!(server.poll_output(NOW, &mut cx), ServerOutput::Request(_)));
    let stream = open(StreamConfig::new().with_dialect(Fetch), Next::Wait(None));
    server.respond(Response::new(Body::Stream(stream)));
    server.stream().unwrap().handle_drain(drain());
    server.handle_timeout(NOW);
    let mut sent = Vec::new();
    let last = loop {
        match server.poll_output(NOW, &mut cx) {
            ServerOutput::Write(wire) => {
                sent.extend(wire.concat());
                server.handle_written(wire.len(), NOW);
            }
            output => break output,
        }
    };
    assert!(matches!(last, ServerOutput::HalfClose), "{last:?}");
    assert!(sent.ends_with(b"retry: 1500\n\n\r\n"), "{:?}", String::from_utf8_lossy(&sent));
}

fn drain() -> Drain {
    let retry = Duration::from_millis(1500);
    Drain { end_at: NOW, retry, stall_timeout: SECOND, abort_at: NOW + 9 * SECOND }
}

fn refuse(dialect: Dialect, refusal: Refusal) -> Response<Body<Connection<Once>>> {
    let request = Request::get("/").body(()).unwrap();
    let config = StreamConfig::new().with_dialect(dialect);
    Connection::accept_with(&request, |_| Init::Refuse(refusal), &config, NOW)
}

fn full<S: Source>(response: Response<Body<Connection<S>>>) -> String {
    match response.into_body() {
        Body::Full(bytes) => String::from_utf8(bytes.into()).unwrap(),
        Body::Stream(_) | Body::HeadOnly => panic!("no whole body"),
    }
}

/// A channel with the events `k-1` and `k-2`.
fn channel(config: ChannelConfig) -> Channel {
    let channel = Channel::with_epoch(&config, Epoch::new("k").unwrap());
    channel.publish(Event::new("1")).unwrap();
    channel.publish(Event::new("2")).unwrap();
    channel
}

fn subscribe(
    channel: &Channel,
    dialect: Dialect,
    last_event_id: Option<&str>,
) -> Response<Body<Connection<Subscriber>>> {
    let mut request = Request::get("/");
    if let Some(id) = last_event_id {
        request = request.header("last-event-id", id);
    }
    let (request, config) = (request.body(()).unwrap(), StreamConfig::new().with_dialect(dialect));
    Connection::<Subscriber>::accept(&request, || channel.clone(), &config, NOW)
}

fn stream<S: Source>(response: Response<Body<Connection<S>>>) -> Connection<S> {
    match response.into_body() {
        Body::Stream(stream) => stream,
        Body::Full(_) | Body::HeadOnly => panic!("no stream"),
    }
}

/// What the stream writes until it waits or closes.
fn write<S: Source>(stream: &mut Connection<S>) -> String {
    let (mut written, mut cx) = (Vec::new(), Context::from_waker(Waker::noop()));
    while let Output::Write(bytes) = stream.poll_output(NOW, &mut cx) {
        written.extend_from_slice(&bytes);
        stream.handle_written(bytes.len(), NOW);
    }
    String::from_utf8(written).unwrap()
}

/// What a client is sent first.
fn start(channel: &Channel, dialect: Dialect, last_event_id: Option<&str>) -> String {
    write(&mut stream(subscribe(channel, dialect, last_event_id)))
}

const NOW: Instant = Instant::from_nanos(0);
const SECOND: Duration = Duration::from_secs(1);
