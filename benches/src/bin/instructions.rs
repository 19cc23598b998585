//! The work of a channel, for `benches/instructions.py`, which counts its instructions. It needs
//! lasse-core alone, and only what lasse-core has had since it has shards, so that the same program
//! runs on earlier commits.
//!
//! `instructions READERS ROUNDS`: readers of one channel wait; each round publishes an event, wakes
//! the readers, and polls each of them until it waits again.

use std::env;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use lasse_core::channel::Dispatcher;
use lasse_core::{Channel, ChannelConfig, Event, Instant, LastEventId, Subscriber, Subscription};

fn main() -> ExitCode {
    let numbers: Vec<usize> = env::args().skip(1).flat_map(|word| word.parse()).collect();
    let [readers, rounds] = numbers[..] else {
        eprintln!("usage: instructions READERS ROUNDS");
        return ExitCode::FAILURE;
    };
    let channel = Channel::new(&ChannelConfig::new());
    let mut dispatcher = channel.dispatcher().expect("the channel is new");
    let mut readers: Vec<Subscriber> = (0..readers).map(|_| subscribe(&channel)).collect();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    let event = Event::new("x".repeat(100));
    for reader in &mut readers {
        read_and_wait(reader, &mut cx);
    }
    for _ in 0..rounds {
        publish(&channel, &event);
        wake(&mut dispatcher);
        for reader in &mut readers {
            read_and_wait(reader, &mut cx);
        }
    }
    assert_eq!(woken.0.load(Ordering::Relaxed), readers.len() * rounds);
    ExitCode::SUCCESS
}

fn subscribe(channel: &Channel) -> Subscriber {
    let Subscription::Stream(mut subscriber) = channel.subscribe(&LastEventId::Absent) else {
        panic!("there is a stream for every client");
    };
    subscriber.first_frames();
    subscriber
}

// The functions below are counted by name.

#[inline(never)]
fn publish(channel: &Channel, event: &Event<'_>) {
    channel.publish(event).expect("the channel is open");
}

#[inline(never)]
fn wake(dispatcher: &mut Dispatcher) {
    let mut cx = Context::from_waker(Waker::noop());
    while dispatcher.poll_due(Instant::from_nanos(0), &mut cx) == Poll::Ready(true) {
        while dispatcher.wake_some() {}
    }
}

#[inline(never)]
fn read_and_wait(subscriber: &mut Subscriber, cx: &mut Context<'_>) {
    while subscriber.poll_read(cx).is_ready() {}
}

/// Counts how often a reader was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
