//! The time of a log and of a channel for an event.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use lasse_core::log::{Cursor, Log, Read};
use lasse_core::{
    Channel, ChannelConfig, Epoch, Event, LastEventId, Retention, StartAt, Subscriber, Subscription,
};

/// To append an event, and to read events beside a copy of their bytes.
fn log(criterion: &mut Criterion) {
    let event = Event::new("x".repeat(100));
    let mut group = criterion.benchmark_group("log");
    group.throughput(Throughput::Elements(1));
    let mut full = new_log();
    for _ in 0..20_000 {
        append(&mut full, &event);
    }
    group.bench_function("append", |bencher| {
        bencher.iter(|| append(black_box(&mut full), black_box(&event)));
    });
    group.bench_function("encode alone", |bencher| {
        bencher.iter(|| black_box(&event).encode());
    });
    let mut cursor = full.cursor(StartAt::Now);
    group.bench_function("append and read", |bencher| {
        bencher.iter(|| {
            append(black_box(&mut full), black_box(&event));
            read(&mut full, &mut cursor)
        });
    });

    let oldest = full.cursor(StartAt::Last(100));
    group.bench_function("read 100", |bencher| {
        bencher.iter(|| read(black_box(&mut full), &mut oldest.clone()));
    });
    let frame = { read_frame(&mut full, &mut oldest.clone()) };
    group.bench_function("copy 100", |bencher| {
        bencher.iter(|| black_box(frame.as_slice()).to_vec());
    });
}

/// To publish to a channel with waiting readers. Without a dispatcher, `publish` wakes
/// them itself.
fn publish(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish");
    let event = Event::new("x".repeat(100));
    for waiting in [0, 100, 10_000] {
        for has_dispatcher in [true, false] {
            let channel = Channel::new(&ChannelConfig::new());
            let mut readers: Vec<_> = (0..waiting).map(|_| subscribe(&channel)).collect();
            let dispatcher = channel.dispatcher().filter(|_| has_dispatcher);
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(woken.clone());
            let all_wait = |readers: &mut Vec<Subscriber>| {
                let mut cx = Context::from_waker(&waker);
                for reader in readers {
                    while reader.poll_wake(&mut cx).is_ready() {
                        let _ = reader.read();
                    }
                }
            };
            let name = format!(
                "{waiting} wait, {}",
                if has_dispatcher { "dispatcher" } else { "no dispatcher" }
            );
            group.bench_function(name, |bencher| {
                bencher.iter_batched(
                    || all_wait(&mut readers),
                    |()| channel.publish(black_box(&event)),
                    BatchSize::PerIteration,
                );
            });
            drop(dispatcher);
        }
    }
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn subscribe(channel: &Channel) -> Subscriber {
    match channel.subscribe(&LastEventId::Absent) {
        Subscription::Stream(subscriber) => subscriber,
        other => panic!("an open channel has a stream for each client: {other:?}"),
    }
}

fn new_log() -> Log {
    let epoch = Epoch::new("k3x7Ah2z").expect("an epoch of letters and digits");
    Log::new(epoch, Retention::new())
}

fn append(log: &mut Log, event: &Event<'_>) {
    black_box(log.append(event).expect("the log is open"));
}

fn read(log: &mut Log, cursor: &mut Cursor) -> usize {
    match log.read(cursor, 16 * 1024) {
        Read::Events(frame) => frame.len(),
        other => panic!("the log has events to read: {other:?}"),
    }
}

fn read_frame(log: &mut Log, cursor: &mut Cursor) -> Vec<u8> {
    match log.read(cursor, 16 * 1024) {
        Read::Events(frame) => frame.as_bytes().to_vec(),
        other => panic!("the log has events to read: {other:?}"),
    }
}

criterion_group!(benches, log, publish);
criterion_main!(benches);
