//! Readers of topics in channels of lasse-core itself: each gets the events of its topics, wherever it
//! waits and whatever the dispatcher and the other readers do.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use lasse_core::channel::Dispatcher;
use lasse_core::log::{Epoch, Read};
use lasse_core::{
    Channel, ChannelConfig, Event, Instant, LastEventId, Subscriber, Subscription, Topic,
    TopicFilter,
};
use loom::model::Builder;
use loom::sync::{Condvar, Mutex};
use loom::thread::{JoinHandle, spawn};

const TEA: Topic = Topic::from_static("tea");
const CAKE: Topic = Topic::from_static("cake");

/// Runs `test` with all interleavings that have up to two preemptions, on a channel whose readers wait
/// at home, and on one with two shards.
fn model(test: impl Fn(Channel) + Send + Sync + Copy + 'static) {
    for shards in [0, 2] {
        let mut builder = Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(move || {
            let config = ChannelConfig::new().with_shards(shards).with_shards_above(0);
            test(Channel::with_epoch(&config, Epoch::from(1)));
        });
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

fn subscribe(channel: &Channel, topic: Topic, shard: usize) -> Subscriber {
    let subscription = channel.subscribe_to(&TopicFilter::from(topic), &LastEventId::Absent);
    let Subscription::Stream(mut subscriber) = subscription else { panic!("there is room") };
    subscriber.set_shard(shard);
    subscriber.first_frames();
    subscriber
}

/// Reads until there were these events, and sleeps whenever there is nothing to read.
fn read(subscriber: &mut Subscriber, events: &str) {
    let task = Arc::new(Task::default());
    let waker = Waker::from(task.clone());
    let mut received = String::new();
    while received != events {
        match subscriber.poll_read(&mut Context::from_waker(&waker)) {
            Poll::Ready(Read::Events(frame)) => {
                let text = std::str::from_utf8(frame.as_bytes()).unwrap();
                received.extend(text.lines().filter_map(|line| line.strip_prefix("data: ")));
                assert!(events.starts_with(&received), "{received}, not {events}");
            }
            Poll::Ready(read) => panic!("{read:?}"),
            Poll::Pending => task.sleep(),
        }
    }
}

fn publish(channel: &Channel, topic: &Topic, data: &'static str) {
    channel.publish_to(topic, Event::new(data)).unwrap();
}

fn run<T: Send + 'static>(
    channel: &Channel,
    task: impl FnOnce(&Channel) -> T + Send + 'static,
) -> JoinHandle<T> {
    let channel = channel.clone();
    spawn(move || task(&channel))
}

#[test]
fn a_reader_receives_all_events_of_its_topic_and_no_others() {
    model(|channel| {
        let mut subscriber = subscribe(&channel, TEA, 0);
        let publisher = run(&channel, |channel| {
            publish(channel, &TEA, "1");
            publish(channel, &CAKE, "2");
            publish(channel, &TEA, "3");
        });
        read(&mut subscriber, "13");
        publisher.join().unwrap();
    });
}

#[test]
fn readers_of_one_topic_receive_an_event_each() {
    model(|channel| {
        let [mut first, mut second] = [0, 0].map(|shard| subscribe(&channel, TEA, shard));
        let reader = spawn(move || read(&mut second, "1"));
        let publisher = run(&channel, |channel| publish(channel, &TEA, "1"));
        read(&mut first, "1");
        publisher.join().unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn a_reader_that_leaves_takes_no_wake_from_another() {
    model(|channel| {
        let [mut leaving, mut subscriber] = [0, 0].map(|shard| subscribe(&channel, TEA, shard));
        let leaving = spawn(move || {
            let _ = leaving.poll_read(&mut Context::from_waker(Waker::noop()));
        });
        let publisher = run(&channel, |channel| publish(channel, &TEA, "1"));
        read(&mut subscriber, "1");
        publisher.join().unwrap();
        leaving.join().unwrap();
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
fn a_dispatcher_wakes_the_readers_of_a_topic() {
    model(|channel| {
        let dispatcher = channel.dispatcher().unwrap();
        let mut subscriber = subscribe(&channel, TEA, 0);
        let dispatcher = spawn(move || dispatch(dispatcher));
        let publisher = run(&channel, |channel| publish(channel, &TEA, "1"));
        read(&mut subscriber, "1");
        publisher.join().unwrap();
        drop((channel, subscriber));
        dispatcher.join().unwrap();
    });
}

#[test]
fn publishers_do_the_work_of_a_dispatcher_that_leaves() {
    model(|channel| {
        let dispatcher = channel.dispatcher().unwrap();
        let mut subscriber = subscribe(&channel, TEA, 0);
        let publisher = run(&channel, |channel| publish(channel, &TEA, "1"));
        let leaving = spawn(move || drop(dispatcher));
        read(&mut subscriber, "1");
        publisher.join().unwrap();
        leaving.join().unwrap();
    });
}
