//! Several channels on one stream.

mod combinations;
mod endings;
mod errors;
mod ids;
mod model;
mod waking;

use std::task::{Context, Waker};

use lasse_core::channel::MergedSubscriber;
use lasse_core::{
    Channel, ChannelConfig, Epoch, Event, EventId, Frame, Instant, LastEventId, MergedSubscription,
    Next, Retention, Source,
};

const START: Instant = Instant::from_nanos(0);

fn channel(epoch: &str, config: &ChannelConfig) -> Channel {
    Channel::with_epoch(config, Epoch::new(epoch).unwrap())
}

/// Two channels, of the epochs `a` and `b`.
fn two() -> (Channel, Channel) {
    (channel("a", &ChannelConfig::new()), channel("b", &ChannelConfig::new()))
}

fn keeping(events: u64) -> ChannelConfig {
    ChannelConfig::new().with_retention(Retention::new().with_events(events))
}

fn publish(channel: &Channel, range: std::ops::RangeInclusive<u64>) {
    for n in range {
        channel.publish(Event::new(n.to_string())).unwrap();
    }
}

fn last(id: &str) -> LastEventId {
    LastEventId::from_values(Some(id.as_bytes()))
}

fn id(id: &str) -> EventId {
    EventId::new(id.to_owned()).unwrap()
}

fn join<const N: usize>(channels: [(&str, &Channel); N], last: &LastEventId) -> MergedSubscriber {
    stream(MergedSubscription::of_channels(channels, last).unwrap())
}

fn stream(subscription: MergedSubscription) -> MergedSubscriber {
    match subscription {
        MergedSubscription::Stream(subscriber) => subscriber,
        other => panic!("{other:?}"),
    }
}

/// What the stream sends until it waits or ends.
fn read(subscriber: &mut MergedSubscriber) -> String {
    read_to_end(subscriber).0
}

/// The same, and how it goes on.
fn read_to_end(subscriber: &mut MergedSubscriber) -> (String, Next) {
    let mut sent = String::new();
    loop {
        match subscriber.poll_next(START, &mut Context::from_waker(Waker::noop())) {
            Next::Send(frame) => sent.push_str(text(&frame)),
            next => return (sent, next),
        }
    }
}

fn first(subscriber: &mut MergedSubscriber) -> String {
    subscriber.first_frames().iter().map(text).collect()
}

fn text(frame: &Frame) -> &str {
    std::str::from_utf8(frame.as_bytes()).unwrap()
}

/// An event as it is sent.
fn event(data: impl std::fmt::Display, id: &str) -> String {
    format!("data: {data}\nid: {id}\n\n")
}

fn position(id: &str) -> String {
    format!("event: position\ndata: {{\"at\":\"{id}\"}}\nid: {id}\n\n")
}

fn reset(channel: &str, reason: &str, requested: &str, at: &str, id: &str) -> String {
    let requested = if requested == "null" { "null".into() } else { format!("\"{requested}\"") };
    format!(
        "event: reset\ndata: {{\"channel\":\"{channel}\",\"reason\":\"{reason}\",\
         \"requested\":{requested},\"resumed_at\":\"{at}\"}}\nid: {id}\n\n"
    )
}
