//! Channels of lasse-core itself: each event reaches each reader, wherever it waits and whatever the
//! dispatcher and the other readers do, and a budget counts right.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use lasse_core::channel::Dispatcher;
use lasse_core::log::{Epoch, Read};
use lasse_core::{
    Channel, ChannelConfig, Channels, Event, Instant, LastEventId, Subscriber, Subscription,
};
use loom::model::Builder;
use loom::sync::{Condvar, Mutex};
use loom::thread::{JoinHandle, spawn};

/// Runs `test` with all interleavings that have up to two preemptions.
fn model(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(test);
}

/// The same, for a channel whose readers wait at home, and for one with two shards.
fn model_places(test: impl Fn(&ChannelConfig) + Send + Sync + Copy + 'static) {
    for shards in [0, 2] {
        model(move || test(&ChannelConfig::new().with_shards(shards).with_shards_above(0)));
    }
}

/// A task that sleeps until it is woken. If no wake comes, the model fails with a deadlock.
#[derive(Default)]
struct Task {
    is_woken: Mutex<bool>,
    woken: Condvar,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        *self.is_woken.lock().unwrap() = true;
        self.woken.notify_one();
    }
}

impl Task {
    fn sleep(&self) {
        let mut is_woken = self.is_woken.lock().unwrap();
        while !*is_woken {
            is_woken = self.woken.wait(is_woken).unwrap();
        }
        *is_woken = false;
    }
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        resume_unwind(Box::new("a waker panics"));
    }
}

fn channel(config: &ChannelConfig) -> Channel {
    Channel::with_epoch(config, Epoch::from(1))
}

fn subscribe(channel: &Channel, shard: usize) -> Subscriber {
    let Subscription::Stream(mut subscriber) = channel.subscribe(&LastEventId::Absent) else {
        panic!("there is room");
    };
    subscriber.set_shard(shard);
    subscriber.first_frames();
    subscriber
}

/// Reads until there were `events`, and sleeps whenever there is nothing to read.
fn read(subscriber: &mut Subscriber, events: usize) {
    let task = Arc::new(Task::default());
    let waker = Waker::from(task.clone());
    let mut left = events;
    while left > 0 {
        match subscriber.poll_read(&mut Context::from_waker(&waker)) {
            Poll::Ready(Read::Events(frame)) => {
                let text = std::str::from_utf8(frame.as_bytes()).unwrap();
                left -= text.lines().filter(|line| *line == "data: x").count();
            }
            Poll::Ready(read) => panic!("{read:?}"),
            Poll::Pending => task.sleep(),
        }
    }
}

fn publish(channel: &Channel) {
    channel.publish(Event::new("x")).unwrap();
}

fn run<T: Send + 'static>(
    channel: &Channel,
    task: impl FnOnce(&Channel) -> T + Send + 'static,
) -> JoinHandle<T> {
    let channel = channel.clone();
    spawn(move || task(&channel))
}

#[test]
fn a_reader_receives_the_events_of_two_publishers() {
    model_places(|config| {
        let channel = channel(config);
        let mut subscriber = subscribe(&channel, 0);
        let publishers = [run(&channel, publish), run(&channel, publish)];
        read(&mut subscriber, 2);
        publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
    });
}

#[test]
fn two_readers_receive_an_event_each() {
    model_places(|config| {
        let channel = channel(config);
        let [mut first, mut second] = [0, 1].map(|shard| subscribe(&channel, shard));
        let reader = spawn(move || read(&mut second, 1));
        let publisher = run(&channel, publish);
        read(&mut first, 1);
        publisher.join().unwrap();
        reader.join().unwrap();
    });
}

/// Serves the readers until the channel and all of them are gone.
fn dispatch(mut dispatcher: Dispatcher) {
    let task = Arc::new(Task::default());
    let waker = Waker::from(task.clone());
    loop {
        match dispatcher.poll_due(Instant::from_nanos(0), &mut Context::from_waker(&waker)) {
            Poll::Ready(true) => while dispatcher.wake_some() {},
            Poll::Ready(false) => return,
            Poll::Pending => task.sleep(),
        }
    }
}

#[test]
fn publishers_do_the_work_of_a_dispatcher_that_leaves() {
    model_places(|config| {
        let channel = channel(config);
        let dispatcher = channel.dispatcher().unwrap();
        let mut subscriber = subscribe(&channel, 0);
        let publisher = run(&channel, |channel| {
            publish(channel);
            publish(channel);
        });
        let leaving = spawn(move || drop(dispatcher));
        read(&mut subscriber, 2);
        publisher.join().unwrap();
        leaving.join().unwrap();
    });
}

#[test]
fn a_dispatcher_wakes_the_readers_and_ends_with_its_channel() {
    model_places(|config| {
        let channel = channel(config);
        let dispatcher = channel.dispatcher().unwrap();
        let mut subscriber = subscribe(&channel, 0);
        let dispatcher = spawn(move || dispatch(dispatcher));
        let publisher = run(&channel, publish);
        read(&mut subscriber, 1);
        publisher.join().unwrap();
        drop((channel, subscriber));
        dispatcher.join().unwrap();
    });
}

#[test]
fn a_waker_that_panics_keeps_no_reader_from_being_woken() {
    model_places(|config| {
        let channel = channel(config);
        let mut panicking = subscribe(&channel, 0);
        let waker = Waker::from(Arc::new(Panics));
        assert!(panicking.poll_read(&mut Context::from_waker(&waker)).is_pending());
        let mut subscriber = subscribe(&channel, 0);
        let publisher = run(&channel, |channel| {
            let published = catch_unwind(AssertUnwindSafe(|| publish(channel)));
            assert!(published.is_err(), "its waker is woken once");
        });
        read(&mut subscriber, 1);
        publisher.join().unwrap();
        read(&mut panicking, 1);
    });
}

#[test]
fn a_reader_that_leaves_takes_no_wake_from_another() {
    model_places(|config| {
        let channel = channel(config);
        let [leaving, mut subscriber] = [0, 0].map(|shard| subscribe(&channel, shard));
        let leaving = spawn(move || {
            let mut leaving = leaving;
            let _ = leaving.poll_read(&mut Context::from_waker(Waker::noop()));
        });
        let publisher = run(&channel, publish);
        read(&mut subscriber, 1);
        publisher.join().unwrap();
        leaving.join().unwrap();
        assert_eq!(channel.stats().subscribers, 1);
    });
}

/// Channels with up to `bytes` bytes, which are idle at once.
fn channels(bytes: usize) -> Channels<u8> {
    let config = ChannelConfig::new().with_total_bytes(bytes).with_idle_timeout(Duration::ZERO);
    Channels::with_epochs(&config, || Epoch::from(1))
}

/// Whatever the threads do with the channels, no bytes are counted once all channels are removed.
fn model_budget(bytes: usize, first: fn(&Channels<u8>), second: fn(&Channels<u8>)) {
    model(move || {
        let channels = channels(bytes);
        let kept = channels.open(1);
        let threads = [first, second].map(|task| {
            let channels = channels.clone();
            spawn(move || task(&channels))
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        channels.keys().iter().for_each(|key| drop(channels.remove(key)));
        publish(&kept);
        assert_eq!(channels.bytes(), 0);
    });
}

fn open_and_publish(channels: &Channels<u8>) {
    publish(&channels.open(1));
}

#[test]
fn the_bytes_of_a_channel_that_is_removed_are_not_counted() {
    model_budget(usize::MAX, open_and_publish, |channels| drop(channels.remove(&1)));
}

#[test]
fn the_bytes_of_a_channel_that_two_threads_open_are_counted_once() {
    model_budget(usize::MAX, open_and_publish, open_and_publish);
}

#[test]
fn the_bytes_of_a_channel_that_is_cleared_for_its_excess_are_not_counted() {
    model_budget(0, open_and_publish, open_and_publish);
}

#[test]
fn the_bytes_of_a_channel_that_is_dropped_for_being_idle_are_not_counted() {
    model_budget(
        usize::MAX,
        |channels| publish(&channels.open(2)),
        |channels| channels.advance(Instant::from_nanos(1)),
    );
}
