//! Helpers of the tests of channels, which are in the files of this folder.

mod endings;
mod numbers;
mod progress;
mod shards;
mod streams;
mod topic_readers;
mod topic_shards;
mod topics;
mod waking;

use std::boxed::Box;
use std::format;
use std::string::{String, ToString};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::vec::Vec;

use super::*;
use crate::event::Event;
use crate::field::LastEventId;
use crate::frame::Frame;
use crate::log::{Read, Retention};

/// A channel of the epoch `k`.
fn channel(config: ChannelConfig) -> Channel {
    Channel::with_epoch(&config, Epoch::new("k").unwrap())
}

pub(super) fn keeping(events: u64) -> ChannelConfig {
    ChannelConfig::new().with_retention(Retention::new().with_events(events))
}

/// Every channel is divided into two shards.
fn in_shards(config: ChannelConfig) -> ChannelConfig {
    config.with_shards(2).with_shards_above(0)
}

pub(super) fn publish(channel: &Channel, range: std::ops::RangeInclusive<u64>) {
    for n in range {
        channel.publish(Event::new(n.to_string())).unwrap();
    }
}

fn id(text: &str) -> EventId {
    EventId::new(text.to_string()).unwrap()
}

fn last(text: &str) -> LastEventId {
    LastEventId::Id(id(text))
}

pub(super) fn join(channel: &Channel, last: &LastEventId) -> Subscriber {
    match channel.subscribe(last) {
        Subscription::Stream(subscriber) => subscriber,
        other => panic!("{other:?}"),
    }
}

/// A new reader that has read the notice of its position.
fn join_at_end(channel: &Channel) -> Subscriber {
    let mut reader = join(channel, &LastEventId::Absent);
    reader.first_frames();
    reader
}

fn text(frames: impl IntoIterator<Item = Frame>) -> String {
    let bytes: Vec<u8> = frames.into_iter().flat_map(|frame| frame.as_bytes().to_vec()).collect();
    String::from_utf8(bytes).unwrap()
}

/// The notice that a stream starts after `id`.
fn position(id: &str) -> String {
    format!("event: position\ndata: {{\"at\":\"{id}\"}}\nid: {id}\n\n")
}

pub(super) fn read(subscriber: &mut Subscriber) -> String {
    match subscriber.read() {
        Read::Events(frame) => text([frame]),
        other => format!("{other:?}"),
    }
}

pub(super) fn at(seconds: u64) -> Instant {
    Instant::from_nanos(0) + Duration::from_secs(seconds)
}

/// Counts how often its wakers are woken.
#[derive(Default)]
struct WakeCount(AtomicUsize);

impl Wake for WakeCount {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl WakeCount {
    fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        (Arc::clone(&count), Waker::from(count))
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A waker that runs a function.
struct Run(Box<dyn Fn() + Send + Sync>);

impl Wake for Run {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}
