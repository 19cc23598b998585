//! The time of the state machine for an event that is sent.

use std::hint::black_box;
use std::task::{Context, Waker};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lasse_core::{
    Channel, ChannelConfig, Connection, Event, Frame, Handler, HandlerSource, Instant, LastEventId,
    Next, Output, Source, StreamConfig, Subscription, mailbox,
};

/// Sends each frame.
struct Forward;

impl Handler for Forward {
    type Notify = Frame;
    type Info = ();

    fn handle_notify(&mut self, frame: Frame) -> Next {
        Next::Send(frame)
    }
}

/// A frame goes in, its bytes come out and are acknowledged.
fn notify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("connection");
    let now = Instant::from_nanos(0);
    let frame = Event::new("x".repeat(100)).encode();
    for burst in [1, 16] {
        let (notifier, mailbox) = mailbox(64);
        let source = HandlerSource::new(Forward, mailbox);
        let mut connection = Connection::open(source, [], &StreamConfig::new(), now);
        drain(&mut connection, now);
        group.throughput(Throughput::Elements(burst));
        group.bench_function(format!("notify {burst}"), |bencher| {
            bencher.iter(|| {
                for _ in 0..burst {
                    let frame = black_box(&frame).clone();
                    notifier.notify(frame).expect("the mailbox has room");
                }
                drain(&mut connection, now)
            });
        });
    }
    group.throughput(Throughput::Elements(1));
    group.bench_function("clone and drop a frame", |bencher| {
        bencher.iter(|| black_box(&frame).clone());
    });
}

/// An event of a channel, from its publication to the acknowledgement.
fn channel(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("connection");
    let now = Instant::from_nanos(0);
    let event = Event::new("x".repeat(100));
    for burst in [1, 16] {
        let channel = Channel::new(&ChannelConfig::new());
        let Subscription::Stream(subscriber) = channel.subscribe(&LastEventId::Absent) else {
            panic!("an open channel has a stream for each client");
        };
        let mut connection = Connection::open(subscriber, [], &StreamConfig::new(), now);
        drain(&mut connection, now);
        group.throughput(Throughput::Elements(burst));
        group.bench_function(format!("publish {burst} to a channel"), |bencher| {
            bencher.iter(|| {
                for _ in 0..burst {
                    channel.publish(black_box(&event)).expect("the channel is open");
                }
                drain(&mut connection, now)
            });
        });
    }
}

/// Writes all output.
fn drain<S: Source>(connection: &mut Connection<S>, now: Instant) -> usize {
    let mut cx = Context::from_waker(Waker::noop());
    let mut written = 0;
    while let Output::Write(bytes) = connection.poll_output(now, &mut cx) {
        connection.handle_written(bytes.len(), now);
        written += bytes.len();
    }
    written
}

criterion_group!(benches, notify, channel);
criterion_main!(benches);
