//! Channels under threads: nothing is lost or repeated without a reset.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use lasse_core::log::Read;
use lasse_core::{
    Channel, ChannelConfig, Ending, Epoch, Event, EventId, Frame, LagPolicy, LastEventId,
    ResetReason, ResumeOutcome, Retention, Subscriber, Subscription,
};

/// Wakes a thread that waits in [`wait_and_read`].
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn wait_and_read(subscriber: &mut Subscriber) -> Read {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match subscriber.poll_read(&mut Context::from_waker(&waker)) {
            Poll::Ready(read) => return read,
            Poll::Pending => thread::park(),
        }
    }
}

/// What one client has received, over all its connections.
#[derive(Default)]
struct Client {
    last: LastEventId,
    number: u64,
    received: u64,
    resets: u64,
}

impl Client {
    /// Receives some frames, which continue where it was, unless they begin with a reset.
    fn receive(&mut self, frame: &str) {
        for event in frame.split_terminator("\n\n") {
            let id = event.rsplit_once("id: ").expect("what is sent has an id").1;
            let number = id.rsplit_once('-').unwrap().1.parse().unwrap();
            if event.starts_with("event: reset\n") {
                assert!(["expired", "lagged"].iter().any(|reason| event.contains(reason)));
                self.resets += 1;
            } else if event.starts_with("data: ") {
                assert_eq!(number, self.number + 1, "after {} resets", self.resets);
                self.received += 1;
            } else {
                assert!(event.starts_with("event: position\n"), "{event}");
                assert_eq!(self.last, LastEventId::Absent, "only a new client needs its position");
            }
            self.number = number;
            self.last = LastEventId::Id(EventId::new(id.to_string()).unwrap());
        }
    }

    /// Reads up to this many slices, and returns whether the channel has ended.
    fn read(&mut self, subscriber: &mut Subscriber, slices: u64) -> bool {
        for _ in 0..slices {
            match wait_and_read(subscriber) {
                Read::Events(frame) => self.receive(std::str::from_utf8(frame.as_bytes()).unwrap()),
                Read::Over(ending) => {
                    assert_eq!(ending, Ending::Finished);
                    return true;
                }
                Read::Lagged => return false,
                other => panic!("it was ready: {other:?}"),
            }
        }
        false
    }
}

fn config(events: u64) -> ChannelConfig {
    ChannelConfig::new().with_retention(Retention::new().with_events(events))
}

fn join(channel: &Channel, last: &LastEventId) -> Subscriber {
    match channel.subscribe(last) {
        Subscription::Stream(subscriber) => subscriber,
        other => panic!("{other:?}"),
    }
}

#[test]
fn clients_that_reconnect_receive_each_event_once_or_a_reset() {
    for (slow, kept) in
        [(LagPolicy::Disconnect, 3000), (LagPolicy::Skip, 3000), (LagPolicy::Disconnect, 40)]
    {
        let channel = Channel::new(&config(kept).with_lag_policy(slow));
        let is_done = AtomicBool::new(false);
        let resumes = AtomicU64::new(0);
        thread::scope(|scope| {
            let publishers: Vec<_> =
                (0..2).map(|_| scope.spawn(|| publish(&channel, &is_done))).collect();
            let clients: Vec<_> = (0..4_u64)
                .map(|seed| {
                    scope.spawn({
                        let (channel, resumes) = (&channel, &resumes);
                        move || reconnect(channel, seed, resumes)
                    })
                })
                .collect();
            while resumes.load(Ordering::Relaxed) < 1500 {
                thread::yield_now();
            }
            is_done.store(true, Ordering::Relaxed);
            let published: u64 =
                publishers.into_iter().map(|publisher| publisher.join().unwrap()).sum();
            channel.finish();
            for client in clients {
                let client = client.join().unwrap();
                assert_eq!(client.number, published, "it has all of it");
                assert!(client.resets > 0 || client.received > 0);
            }
        });
        let stats = channel.stats();
        assert_eq!((stats.subscribers, stats.complete), (0, 4));
        assert!(stats.resumed > 0);
        for gap in [ResetReason::Foreign, ResetReason::Ahead, ResetReason::Unknown] {
            assert_eq!(stats.resets(gap), 0, "{gap}");
        }
    }
}

fn publish(channel: &Channel, is_done: &AtomicBool) -> u64 {
    let mut published = 0;
    while !is_done.load(Ordering::Relaxed) {
        channel.publish(Event::new("x".repeat(published as usize % 100))).unwrap();
        published += 1;
    }
    published
}

/// Connects, reads for a while, and drops the connection, again and again, until the channel is
/// complete.
fn reconnect(channel: &Channel, seed: u64, resumes: &AtomicU64) -> Client {
    let mut client = Client::default();
    let mut random = seed;
    loop {
        let mut subscriber = match channel.subscribe(&client.last) {
            Subscription::Stream(subscriber) => subscriber,
            Subscription::Complete => return client,
            other => panic!("there is room: {other:?}"),
        };
        resumes.fetch_add(1, Ordering::Relaxed);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let slices = random >> 61;
        if random & 1024 == 0 {
            for frame in subscriber.first_frames() {
                client.receive(std::str::from_utf8(frame.as_bytes()).unwrap());
            }
        }
        client.read(&mut subscriber, slices);
    }
}

#[test]
fn a_snapshot_and_the_events_after_it_make_the_last_state() {
    const LAST: u64 = 20_000;
    let channel = Channel::new(&config(100));
    let first = channel.publish(Event::new("0")).unwrap();
    let state = Mutex::new((0, first));
    let follow = || {
        let subscription = channel.subscribe_with_snapshot(&LastEventId::Absent);
        let Subscription::NeedsSnapshot(mut pending) = subscription else { panic!() };
        loop {
            let (value, id) = state.lock().unwrap().clone();
            thread::yield_now();
            let snapshot = [Event::new(value.to_string()).encode()];
            match pending.with_snapshot(snapshot, &id) {
                Ok(subscriber) => return (value, subscriber),
                Err(stale) => {
                    assert_eq!(stale.reason(), ResetReason::Expired);
                    pending = stale.into_pending();
                }
            }
        }
    };
    thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            for value in 1..=LAST {
                let mut state = state.lock().unwrap();
                let id = channel.publish(Event::new(value.to_string())).unwrap();
                *state = (value, id);
            }
            channel.finish();
        });
        for _ in 0..3 {
            scope.spawn(|| {
                let mut value = 0;
                while value < LAST {
                    let (state, mut subscriber) = follow();
                    value = state;
                    let snapshot = subscriber.first_frames();
                    assert_eq!(snapshot[0].as_bytes(), format!("data: {state}\n\n").as_bytes());
                    let mut next = |frame: &Frame| {
                        let text = std::str::from_utf8(frame.as_bytes()).unwrap();
                        for line in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
                            value += 1;
                            assert_eq!(line, value.to_string());
                        }
                    };
                    snapshot[2..].iter().for_each(&mut next);
                    while let Read::Events(frame) = wait_and_read(&mut subscriber) {
                        next(&frame);
                    }
                }
            });
        }
        publisher.join().unwrap();
    });
}

#[test]
fn a_reader_that_never_reads_costs_the_others_nothing() {
    let channel = Channel::new(&config(1000));
    let mut stuck = join(&channel, &LastEventId::Absent);
    let mut reader = join(&channel, &LastEventId::Absent);
    let mut client = Client::default();
    let mut bytes = 0;
    for n in 0..100_000 {
        channel.publish(Event::new("x".repeat(100))).unwrap();
        if n % 50 == 0 {
            client.read(&mut reader, 1);
        }
        if n == 10_000 {
            bytes = channel.stats().bytes;
        }
    }
    channel.finish();
    assert!(client.read(&mut reader, 100));
    assert_eq!((client.number, client.resets), (100_000, 0));
    assert!(channel.stats().bytes <= bytes + bytes / 20);
    assert_eq!(channel.stats().resets(ResetReason::Lagged), 0);
    stuck.first_frames();
    assert_eq!(stuck.read(), Read::Lagged);
    assert_eq!(channel.stats().resets(ResetReason::Lagged), 1);
}

#[test]
fn a_million_events_take_no_more_than_the_first_hundred_thousand() {
    let channel = Channel::new(&config(10_000));
    let event = Event::new("x".repeat(60));
    let most = [1000, 9000].map(|hundreds| {
        let bytes = (0..hundreds).map(|_| {
            (0..100).for_each(|_| drop(channel.publish(&event).unwrap()));
            channel.stats().bytes
        });
        bytes.max().unwrap()
    });
    assert!(most[1] <= most[0] + most[0] / 20, "{most:?}");
    assert_eq!((channel.stats().published, channel.stats().events), (1_000_000, 10_000));
}

#[test]
fn a_client_that_moves_between_servers_with_the_same_events_misses_and_repeats_nothing() {
    let epoch = Epoch::new("store").unwrap();
    let servers = [(); 2].map(|()| Channel::with_epoch(&ChannelConfig::new(), epoch));
    let mut client = Client { number: 6, ..Client::default() };
    client.last = LastEventId::Id(EventId::new("store-6").unwrap());
    for number in 7..=100 {
        for server in &servers {
            let id = EventId::new(format!("store-{number}")).unwrap();
            server.publish_as(&id, Event::new("x")).unwrap();
        }
        let mut subscriber = join(&servers[number % 2], &client.last);
        assert_eq!(subscriber.outcome(), ResumeOutcome::Resumed);
        client.read(&mut subscriber, 1);
        assert_eq!(client.number, number as u64);
    }
}
