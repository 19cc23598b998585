//! How reading one channel scales with threads: `cargo run --release -p lasse-benches --bin scale --
//! --readers 5000 --threads 2`.
//!
//! Each thread polls its readers of one channel after each publish: a read, and the wait after it.
//! Prints one line of JSON: the nanoseconds of a read and wait, for one thread, and the deliveries a
//! second of all threads.
//!
//! With `--topics`, each of the `--readers` has a topic of its own and one that all have, and 1,000
//! events are published to single topics: the microseconds of a publish, which wakes its reader, and
//! how many readers were woken.
//!
//! With `--publish`, each thread also drives the dispatcher of the shard where its readers wait, and
//! the microseconds of a publish are printed.

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use lasse_core::log::Read;
use lasse_core::{
    Channel, ChannelConfig, Event, Instant, LastEventId, Subscriber, Subscription, Topic,
    TopicFilter,
};
use rustix::time::{ClockId, clock_gettime};

fn main() -> ExitCode {
    match Arguments::parse(env::args().skip(1)) {
        Ok(arguments) => {
            let measure = match arguments.work {
                Work::Read => measure,
                Work::Publish => measure_publish,
                Work::Topics => measure_topics,
            };
            println!("{}", measure(arguments));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}\nusage: scale [--readers N] [--threads N] [--publish | --topics]");
            ExitCode::FAILURE
        }
    }
}

#[derive(Clone, Copy)]
struct Arguments {
    /// Of each thread.
    readers: usize,
    threads: usize,
    work: Work,
}

#[derive(Clone, Copy)]
enum Work {
    Read,
    Publish,
    Topics,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut arguments = Self { readers: 5000, threads: 2, work: Work::Read };
        while let Some(option) = words.next() {
            if let Some((_, work)) = WORKS.into_iter().find(|(name, _)| *name == option) {
                arguments.work = work;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{option} needs a number"))?;
            let value: usize = value.parse().map_err(|error| format!("{option}: {error}"))?;
            match option.as_str() {
                _ if value == 0 => return Err(format!("{option} must be at least 1").into()),
                "--readers" => arguments.readers = value,
                "--threads" => arguments.threads = value,
                _ => return Err(format!("there is no option {option}").into()),
            }
        }
        Ok(arguments)
    }
}

fn measure(Arguments { readers, threads, .. }: Arguments) -> String {
    let channel = Channel::new(&ChannelConfig::new());
    let event = Event::new("x".repeat(100));
    // The threads wait at it before and after each round.
    let barrier = Barrier::new(threads + 1);
    let is_over = AtomicBool::new(false);
    let (rounds, nanos) = thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut subscribers: Vec<_> = (0..readers).map(|_| subscribe(&channel)).collect();
                loop {
                    barrier.wait();
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    subscribers.iter_mut().for_each(read_and_wait);
                    barrier.wait();
                }
            });
        }
        let (mut rounds, mut nanos) = (0, 0);
        while rounds < WARM_UP || nanos < ENOUGH {
            if rounds == WARM_UP {
                nanos = 0;
            }
            channel.publish(&event).expect("the channel is open");
            let begun = now();
            barrier.wait();
            barrier.wait();
            nanos += now() - begun;
            rounds += 1;
        }
        is_over.store(true, Ordering::Relaxed);
        barrier.wait();
        (rounds - WARM_UP, nanos)
    });
    let per_thread = (rounds * readers as u64) as f64;
    let each = nanos as f64 / per_thread;
    let deliveries = per_thread * threads as f64 * 1e9 / nanos as f64;
    format!(
        "{{\"threads\":{threads},\"readers\":{readers},\"ns_per_read_and_wait\":{each:.1},\
         \"deliveries_per_s\":{deliveries:.0}}}"
    )
}

fn measure_publish(Arguments { readers, threads, .. }: Arguments) -> String {
    let channel = Channel::new(&ChannelConfig::new().with_shards(threads.max(2)));
    let event = Event::new("x".repeat(100));
    // The threads wait at it when their readers wait.
    let barrier = Barrier::new(threads + 1);
    let mut micros: Vec<f64> = thread::scope(|scope| {
        for shard in 0..threads {
            let (channel, barrier) = (&channel, &barrier);
            scope.spawn(move || poll_shard(channel, shard, readers, barrier));
        }
        let publish = |_| {
            barrier.wait();
            let begun = now();
            channel.publish(&event).expect("the channel is open");
            (now() - begun) as f64 / 1000.0
        };
        let micros = (0..WARM_UP + PUBLISHES).map(publish).skip(WARM_UP as usize).collect();
        barrier.wait();
        channel.finish();
        micros
    });
    let [p50, p99] = percentiles(&mut micros);
    format!(
        "{{\"threads\":{threads},\"readers\":{readers},\"us_per_publish_p50\":{p50:.1},\
         \"us_per_publish_p99\":{p99:.1}}}"
    )
}

/// The 50th and the 99th.
fn percentiles(values: &mut [f64]) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    [50, 99].map(|hundredths| values[(values.len() - 1) * hundredths / 100])
}

fn measure_topics(Arguments { readers, .. }: Arguments) -> String {
    let channel = Channel::new(&ChannelConfig::new());
    let own = |nth: usize| Topic::new(format!("user.{nth}")).expect("it is a topic");
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cx = Context::from_waker(&waker);
    let mut subscribers: Vec<Subscriber> = (0..readers)
        .map(|nth| {
            let topics = [own(nth), Topic::from_static("notices")];
            let filter = TopicFilter::new(topics).expect("two are few");
            let mut subscriber = started(channel.subscribe_to(&filter, &LastEventId::Absent));
            assert!(subscriber.poll_read(&mut cx).is_pending());
            subscriber
        })
        .collect();
    let event = Event::new("x".repeat(100));
    let mut micros: Vec<f64> = Vec::new();
    for turn in 0..TOPIC_PUBLISHES {
        let nth = turn * 7919 % readers;
        let topic = own(nth);
        let begun = now();
        channel.publish_to(&topic, &event).expect("the channel is open");
        micros.push((now() - begun) as f64 / 1000.0);
        assert!(matches!(subscribers[nth].poll_read(&mut cx), Poll::Ready(Read::Events(_))));
        assert!(subscribers[nth].poll_read(&mut cx).is_pending());
    }
    let [p50, p99] = percentiles(&mut micros);
    let woken = wakes.0.load(Ordering::Relaxed);
    format!(
        "{{\"readers\":{readers},\"publishes\":{TOPIC_PUBLISHES},\"wakes\":{woken},\
         \"us_per_publish_p50\":{p50:.2},\"us_per_publish_p99\":{p99:.2}}}"
    )
}

/// Counts how often a reader was woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Polls the readers of a shard whenever its dispatcher has to wake them, until the channel ends.
fn poll_shard(channel: &Channel, shard: usize, readers: usize, barrier: &Barrier) {
    let mut dispatcher = channel.shard_dispatcher(shard).expect("each thread has a shard");
    let mut subscribers: Vec<_> = (0..readers).map(|_| subscribe(channel)).collect();
    for subscriber in &mut subscribers {
        subscriber.set_shard(shard);
        read_and_wait(subscriber);
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    while channel.ending().is_none() {
        barrier.wait();
        while dispatcher.poll_due(Instant::from_nanos(0), &mut cx).is_pending() {
            thread::park();
        }
        while dispatcher.wake_some() {}
        if channel.ending().is_none() {
            subscribers.iter_mut().for_each(read_and_wait);
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn subscribe(channel: &Channel) -> Subscriber {
    started(channel.subscribe(&LastEventId::Absent))
}

fn started(subscription: Subscription) -> Subscriber {
    let Subscription::Stream(mut subscriber) = subscription else {
        panic!("there is a stream for every client");
    };
    subscriber.first_frames();
    subscriber
}

/// Reads all that is new, and waits for more.
fn read_and_wait(subscriber: &mut Subscriber) {
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(read) = subscriber.poll_read(&mut cx) {
        assert!(matches!(read, Read::Events(_)), "{read:?}");
    }
}

/// Nanoseconds of a monotonic clock.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

const WORKS: [(&str, Work); 2] = [("--publish", Work::Publish), ("--topics", Work::Topics)];

/// How many events are published to single topics.
const TOPIC_PUBLISHES: usize = 1_000;

/// Rounds that do not count.
const WARM_UP: u64 = 5;

/// For how many nanoseconds to measure.
const ENOUGH: u64 = 2_000_000_000;

/// How many publishes are timed.
const PUBLISHES: u64 = 200;
