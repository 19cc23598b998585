//! Channels of lasse-core itself: each event reaches each reader, wherever it waits and whatever the
//! dispatcher and the other readers do, and a budget counts right. The models are in the files of this
//! folder, and their helpers here.

mod budget;
mod readers;
mod topics;

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use lasse_core::channel::Dispatcher;
use lasse_core::log::{Epoch, Read};
use lasse_core::{Channel, ChannelConfig, Event, Instant, Subscriber, Subscription};
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
fn model_places(test: impl Fn(Channel) + Send + Sync + Copy + 'static) {
    for shards in [0, 2] {
        model(move || {
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

/// The reader of a subscription, in a shard.
fn reader(subscription: Subscription, shard: usize) -> Subscriber {
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
