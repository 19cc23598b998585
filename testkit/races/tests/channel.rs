//! Channels with publishers, readers and dispatchers on threads of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use lasse_core::channel::Dispatcher;
use lasse_core::log::Read;
use lasse_core::{
    Channel, ChannelConfig, Channels, Event, Instant, LastEventId, Retention, Subscriber,
    Subscription, Topic, TopicFilter,
};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn waker() -> Waker {
    Waker::from(Arc::new(Unpark(thread::current())))
}

/// What one reader has received: the last number of each publisher.
#[derive(Default)]
struct Received([u64; PUBLISHERS]);

impl Received {
    /// Reads until the channel is finished, or `frames` times.
    fn read(&mut self, subscriber: &mut Subscriber, frames: u64) -> bool {
        let waker = waker();
        let mut left = frames;
        while left > 0 {
            match subscriber.poll_read(&mut Context::from_waker(&waker)) {
                Poll::Ready(Read::Events(frame)) => self.receive(frame.as_bytes()),
                Poll::Ready(Read::Over(_)) => return true,
                Poll::Ready(read) => panic!("{read:?}"),
                Poll::Pending => {
                    thread::park();
                    continue;
                }
            }
            left -= 1;
        }
        false
    }

    fn receive(&mut self, frame: &[u8]) {
        for line in std::str::from_utf8(frame).unwrap().lines() {
            let Some(data) = line.strip_prefix("data: ") else { continue };
            let Some((publisher, number)) = data.split_once(' ') else { continue };
            let (publisher, number): (usize, u64) =
                (publisher.parse().unwrap(), number.parse().unwrap());
            assert_eq!(number, self.0[publisher] + 1, "of publisher {publisher}");
            self.0[publisher] = number;
        }
    }
}

fn config() -> ChannelConfig {
    let retention = Retention::new().with_events(u64::MAX).with_bytes(usize::MAX);
    ChannelConfig::new().with_retention(retention).with_shards(4).with_shards_above(2)
}

fn subscribe(channel: &Channel) -> Subscriber {
    stream(channel.subscribe(&LastEventId::Absent))
}

fn stream(subscription: Subscription) -> Subscriber {
    match subscription {
        Subscription::Stream(subscriber) => subscriber,
        other => panic!("{other:?}"),
    }
}

fn publish(channel: &Channel, publisher: usize) {
    for number in 1..=EVENTS {
        channel.publish(Event::new(format!("{publisher} {number}"))).unwrap();
        if number % 64 == 0 {
            thread::yield_now();
        }
    }
}

/// Publishes from several threads, and finishes the channel.
fn publish_all(channel: &Channel) {
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            scope.spawn(move || publish(channel, publisher));
        }
    });
    channel.finish();
}

/// Serves the readers until the channel is gone, or `is_over`.
fn dispatch(mut dispatcher: Dispatcher, is_over: &AtomicBool) {
    let waker = waker();
    let now = || Instant::from(std::time::Instant::now());
    while !is_over.load(Ordering::Relaxed) {
        match dispatcher.poll_due(now(), &mut Context::from_waker(&waker)) {
            Poll::Ready(true) => while dispatcher.wake_some() {},
            Poll::Ready(false) => return,
            Poll::Pending => thread::park_timeout(Duration::from_millis(1)),
        }
    }
}

#[test]
fn each_reader_receives_each_event_once_while_dispatchers_change() {
    let channel = Channel::new(&config());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .map(|shard| {
                let mut subscriber = subscribe(&channel);
                subscriber.set_shard(shard);
                scope.spawn(move || {
                    let mut received = Received::default();
                    assert!(received.read(&mut subscriber, u64::MAX));
                    assert_eq!(received.0, [EVENTS; PUBLISHERS]);
                })
            })
            .collect();
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let dispatcher = channel.dispatcher().expect("the last one is dropped");
                let shards = dispatcher.take_shards();
                let is_done = &AtomicBool::new(false);
                thread::scope(|scope| {
                    for dispatcher in shards.into_iter().chain([dispatcher]) {
                        scope.spawn(move || dispatch(dispatcher, is_done));
                    }
                    thread::sleep(Duration::from_millis(3));
                    is_done.store(true, Ordering::Relaxed);
                });
            }
        });
        publish_all(&channel);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(channel.stats().subscribers, 0);
}

#[test]
fn readers_that_come_and_go_miss_nothing_while_they_read() {
    let channel = Channel::new(&config());
    thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                // Each starts with the next event, so only the order is known.
                while !channel.ending().is_some() {
                    let mut numbers = [None; PUBLISHERS];
                    let mut subscriber = subscribe(&channel);
                    let waker = waker();
                    for _ in 0..20 {
                        match subscriber.poll_read(&mut Context::from_waker(&waker)) {
                            Poll::Ready(Read::Events(frame)) => {
                                check_order(&mut numbers, frame.as_bytes());
                            }
                            Poll::Ready(_) => break,
                            Poll::Pending => thread::park(),
                        }
                    }
                }
            });
        }
        publish_all(&channel);
    });
    assert_eq!(channel.stats().subscribers, 0);
}

fn check_order(numbers: &mut [Option<u64>; PUBLISHERS], frame: &[u8]) {
    for line in std::str::from_utf8(frame).unwrap().lines() {
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let Some((publisher, number)) = data.split_once(' ') else { continue };
        let (publisher, number): (usize, u64) =
            (publisher.parse().unwrap(), number.parse().unwrap());
        let last = numbers[publisher].replace(number);
        assert!(last.is_none_or(|last| last + 1 == number), "{last:?}, then {number}");
    }
}

#[test]
fn readers_of_topics_receive_their_events_and_no_others() {
    let channel = Channel::new(&config());
    let topics = [Topic::from_static("a.x"), Topic::from_static("b.x")];
    thread::scope(|scope| {
        let readers: Vec<_> = (0..PUBLISHERS)
            .map(|publisher| {
                let filter: TopicFilter = topics[publisher].clone().into();
                let subscription = channel.subscribe_to(&filter, &LastEventId::Absent);
                let mut subscriber = stream(subscription);
                scope.spawn(move || {
                    let mut received = Received::default();
                    assert!(received.read(&mut subscriber, u64::MAX));
                    let mut expected = [0; PUBLISHERS];
                    expected[publisher] = EVENTS;
                    assert_eq!(received.0, expected);
                })
            })
            .collect();
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|publisher| {
                let (channel, topics) = (&channel, &topics);
                scope.spawn(move || {
                    for number in 1..=EVENTS {
                        let event = Event::new(format!("{publisher} {number}"));
                        channel.publish_to(&topics[publisher], event).unwrap();
                    }
                })
            })
            .collect();
        publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
        channel.finish();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn no_bytes_are_counted_when_all_channels_are_gone() {
    let config =
        ChannelConfig::new().with_total_bytes(20_000).with_idle_timeout(Duration::from_nanos(1));
    let channels = Channels::<usize>::new(&config);
    thread::scope(|scope| {
        for thread in 0..4 {
            let channels = &channels;
            scope.spawn(move || {
                for n in 0..EVENTS as usize {
                    let channel = channels.open((n * 7 + thread) % 13);
                    channel.publish(Event::new("x".repeat(n % 300))).ok();
                    match n % 50 {
                        0 => drop(channels.remove(&(n % 13))),
                        25 => channels.advance(Instant::from(std::time::Instant::now())),
                        _ => {}
                    }
                }
            });
        }
    });
    for key in channels.keys() {
        channels.remove(&key);
    }
    assert_eq!((channels.len(), channels.bytes()), (0, 0));
}

const PUBLISHERS: usize = 2;
const READERS: usize = 6;
/// How many events each publisher publishes.
const EVENTS: u64 = 10_000;
