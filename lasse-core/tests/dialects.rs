//! What clients of each dialect are sent.

use std::task::{Context, Waker};

use http::{Request, Response};
use lasse_core::*;

#[test]
fn a_data_only_client_is_sent_no_position() {
    let news = channel(ChannelConfig::new());
    assert_eq!(start(&news, Dialect::DataOnly, None), ":\n");
    for dialect in [Dialect::EventSource, Dialect::Fetch] {
        let position = ":\nevent: position\ndata: {\"at\":\"k-2\"}\nid: k-2\n\n";
        assert_eq!(start(&news, dialect, None), position);
    }
}

#[test]
fn a_data_only_client_that_cannot_resume_gets_a_410() {
    let news = channel(ChannelConfig::new().with_reset(None).with_position(None));
    let response = subscribe(&news, Dialect::DataOnly, Some("j-1"));
    assert_eq!(response.status(), 410);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let Body::Full(body) = response.into_body() else { panic!("a stream") };
    assert_eq!(body, r#"{"reason":"foreign","requested":"j-1","resumed_at":"k-2"}"#);
    assert_eq!(news.stats().subscribers, 0);
    assert_eq!(start(&news, Dialect::DataOnly, Some("k-1")), ":\ndata: 2\nid: k-2\n\n");
}

#[test]
fn a_data_only_client_that_lags_is_disconnected_where_others_skip() {
    for (dialect, skips) in [(Dialect::EventSource, true), (Dialect::DataOnly, false)] {
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
    let mut stream = stream(subscribe(&news, Dialect::DataOnly, Some("k-9")));
    assert_eq!(write(&mut stream), ":\n");
    news.finish();
    assert_eq!(write(&mut stream), "");
    assert_eq!(stream.reason(), Some(EndReason::Lagged));
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
