//! The memory of logs and channels, measured by the allocator.

use std::alloc::System;

use std::task::{Context, Waker};
use std::time::Duration;

use lasse_core::log::{Cursor, Log, Read};
use lasse_core::{
    Channel, ChannelConfig, Compaction, Epoch, Event, EventId, Instant, LastEventId,
    MergedSubscription, Next, Retention, Source, StartAt, Subscriber, Subscription, Topic,
    TopicFilter, TopicPattern,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many more bytes are allocated after `work`, with its result.
fn bytes_taken<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let region = Region::new(ALLOCATOR);
    let kept = Box::new(work());
    let change = region.change();
    (change.bytes_allocated - change.bytes_deallocated, *kept)
}

const ROOM: TopicPattern = TopicPattern::from_static("room.*");

fn log(retention: Retention) -> Log {
    Log::new(Epoch::new("k3x7Ah2z").unwrap(), retention)
}

fn read(log: &mut Log, cursor: &mut Cursor) -> usize {
    match log.read(cursor, 16 * 1024) {
        Read::Events(frame) => frame.len(),
        _ => 0,
    }
}

/// Without the harness, because all threads share the allocator, and the harness has one of its own.
fn main() {
    an_empty_log_takes_at_most_half_a_kilobyte();
    fifty_small_events_take_at_most_twice_their_bytes_and_a_kilobyte();
    each_part_of_a_log_is_counted();
    two_hundred_thousand_events_take_no_more_than_the_first_fifty_thousand();
    a_slice_that_is_held_costs_its_segment_and_no_more();
    an_append_allocates_only_the_id_that_it_returns();
    a_resume_is_decided_without_an_allocation();
    an_empty_channel_takes_at_most_half_a_kilobyte();
    a_subscriber_that_waits_takes_a_hundred_bytes();
    a_quiet_reader_of_topics_takes_little_more_than_a_reader_of_all();
    a_merged_reader_takes_little_more_than_its_subscribers();
    publishing_to_ten_thousand_allocates_no_more_than_to_one();
}

fn an_empty_log_takes_at_most_half_a_kilobyte() {
    let (taken, log) = bytes_taken(|| log(Retention::new()));
    assert!(taken <= 512, "{taken} bytes");
    assert_eq!(taken, log.memory());
}

fn fifty_small_events_take_at_most_twice_their_bytes_and_a_kilobyte() {
    for len in [38, 60, 80] {
        for reads_each in [false, true] {
            let mut bytes = 0;
            let (taken, log) = bytes_taken(|| {
                let mut log = log(Retention::new());
                let mut cursor = log.cursor(StartAt::Now);
                for _ in 0..50 {
                    log.append(&Event::new("x".repeat(len))).unwrap();
                    bytes += if reads_each { read(&mut log, &mut cursor) } else { 0 };
                }
                bytes += read(&mut log, &mut cursor);
                log
            });
            assert!(taken <= 2 * bytes + 1024, "{taken} bytes for {bytes}, each {reads_each}");
            assert!(taken.abs_diff(log.memory()) <= 64, "{taken}, said {}", log.memory());
        }
    }
}

fn each_part_of_a_log_is_counted() {
    let event = Event::new("x");
    let topic = |n: usize| Topic::new(format!("room.{n}")).unwrap();
    let counts = |part: &str, allowed: usize, fill: &dyn Fn(&mut Log), retention: Retention| {
        let (taken, log) = bytes_taken(|| {
            let mut log = log(retention);
            if part == "keys" {
                log = log.with_compaction(Compaction::new(ROOM));
            }
            fill(&mut log);
            log
        });
        let counted = log.memory();
        assert!(taken.abs_diff(counted) <= allowed, "{part}: {taken}, counted as {counted}");
    };
    let holes = |log: &mut Log| {
        for _ in 0..1_000 {
            log.append(&event).unwrap();
            log.append_hole().unwrap();
        }
    };
    let epochs = |log: &mut Log| {
        for n in 0..60 {
            log.begin_epoch(Epoch::new(&format!("e{n}")).unwrap()).unwrap();
            log.append(&event).unwrap();
        }
    };
    let own_ids = |log: &mut Log| {
        for n in 0..1_000 {
            log.append(&event.clone().with_id(EventId::new(format!("own {n}")).unwrap())).unwrap();
        }
    };
    let ages = |log: &mut Log| {
        for seconds in 0..60 {
            log.append(&event).unwrap();
            log.advance(Instant::from_nanos(0) + Duration::from_secs(seconds));
        }
    };
    let topics = |log: &mut Log| {
        for n in 0..1_000 {
            log.append_to(&topic(n), &event).unwrap();
        }
        let view = log.view(&TopicFilter::from(ROOM));
        log.release(view);
    };
    let left_topics = |log: &mut Log| {
        log.append_to(&topic(0), &event).unwrap();
        let views: Vec<_> = (1..1_000).map(|n| log.view(&TopicFilter::from(topic(n)))).collect();
        views.into_iter().for_each(|view| log.release(view));
    };
    let keys = |log: &mut Log| {
        for n in 0..800 {
            log.append_to(&topic(n % 200), &Event::new("x".repeat(100))).unwrap();
        }
    };
    let segments = |log: &mut Log| {
        for _ in 0..2_000 {
            log.append(&Event::new("x".repeat(100))).unwrap();
        }
    };
    let large_events = |log: &mut Log| {
        for _ in 0..40 {
            log.append(&Event::new("x".repeat(70_000))).unwrap();
        }
    };
    let retention = Retention::new().with_bytes(1 << 20);
    counts("holes", 64, &holes, retention);
    counts("epochs", 64, &epochs, retention);
    counts("own ids", 64, &own_ids, retention);
    counts("ages", 64, &ages, retention.with_age(Duration::from_secs(60)));
    counts("topics", 64, &topics, retention);
    counts("topics that readers left", 64, &left_topics, retention);
    // `bytes` allocates some bytes beside each piece of memory that is shared.
    counts("segments", 512, &segments, retention);
    counts("large events", 2_000, &large_events, retention.with_bytes(1 << 22));
    // What a B-tree allocates is an estimate.
    counts("keys", 6_000, &keys, retention.with_events(1));
    counts("topics without events", 20_000, &topics, retention.with_events(1));
}

fn two_hundred_thousand_events_take_no_more_than_the_first_fifty_thousand() {
    let bytes = 4 << 20;
    let mut log = log(Retention::new().with_events(10_000).with_bytes(bytes));
    let mut cursor = log.cursor(StartAt::Now);
    let mut after_the_first = 0;
    for n in 0..200_000 {
        log.append(&Event::new("x".repeat(60 + n % 80))).unwrap();
        read(&mut log, &mut cursor);
        if n == 50_000 {
            after_the_first = log.memory();
        }
    }
    assert_eq!(log.len(), 10_000);
    assert!(log.memory() <= after_the_first + after_the_first / 20);
}

fn a_slice_that_is_held_costs_its_segment_and_no_more() {
    let mut log = log(Retention::new().with_bytes(256 * 1024));
    let mut cursor = log.cursor(StartAt::Now);
    log.append(&Event::new("held")).unwrap();
    let mut fill = || {
        for _ in 0..20_000 {
            log.append(&Event::new("x".repeat(100))).unwrap();
        }
        log.cursor(StartAt::Oldest)
    };
    fill();
    let region = Region::new(ALLOCATOR);
    let mut oldest = fill();
    let Read::Events(held) = log.read(&mut oldest, 100) else { panic!("the oldest is kept") };
    assert_eq!(log.read(&mut cursor, 100), Read::Lagged);
    for _ in 0..20_000 {
        log.append(&Event::new("x".repeat(100))).unwrap();
    }
    let change = region.change();
    let grown = change.bytes_allocated.saturating_sub(change.bytes_deallocated);
    assert!(grown <= 64 * 1024 + 4096, "{grown} bytes beside a slice of {}", held.len());
}

fn an_append_allocates_only_the_id_that_it_returns() {
    let mut log = log(Retention::new().with_bytes(1 << 20));
    let event = Event::new("x".repeat(60));
    for _ in 0..20_000 {
        log.append(&event).unwrap();
    }
    let region = Region::new(ALLOCATOR);
    for _ in 0..10_000 {
        log.append(&event).unwrap();
    }
    let allocations = region.change().allocations;
    assert!(allocations <= 10_000 + 100, "{allocations} for 10,000 events");
}

fn a_resume_is_decided_without_an_allocation() {
    let mut log = log(Retention::new());
    for n in 0..1000_u64 {
        let own = EventId::new(format!("own {n}")).unwrap();
        log.append(&Event::new("x").with_id(own)).unwrap();
    }
    for text in ["own 7", "k3x7Ah2z-7", "other-7", "nothing"] {
        let last = LastEventId::Id(EventId::new(text).unwrap());
        let region = Region::new(ALLOCATOR);
        let resume = log.resume(&last, StartAt::Now);
        assert_eq!(region.change().allocations, 0, "{resume:?}");
    }
}

fn an_empty_channel_takes_at_most_half_a_kilobyte() {
    let config = ChannelConfig::new();
    let (taken, _channel) = bytes_taken(|| Channel::new(&config));
    assert!(taken <= 512, "{taken} bytes");
}

fn a_subscriber_that_waits_takes_a_hundred_bytes() {
    let channel = Channel::new(&ChannelConfig::new());
    let (taken, subscribers) = bytes_taken(|| waiting(&channel, 10_000));
    assert!(taken <= 100 * 10_000, "{} bytes each", taken / 10_000);
    drop(subscribers);
    let (taken, _) = bytes_taken(|| drop(waiting(&channel, 10_000)));
    assert!(taken <= 64, "{taken} bytes, though all have left");
}

fn a_quiet_reader_of_topics_takes_little_more_than_a_reader_of_all() {
    let channel = Channel::new(&ChannelConfig::new());
    let common = Topic::from_static("notices");
    let own = |n: usize| Topic::new(format!("user.{n}")).unwrap();
    let shared = [Topic::from_static("notices"), Topic::from_static("news")];
    let (plain, _all) = bytes_taken(|| waiting(&channel, 10_000));
    let (same, _same) = bytes_taken(|| {
        waiting_for(&channel, 10_000, |_| TopicFilter::new(shared.clone()).unwrap())
    });
    let (distinct, _distinct) = bytes_taken(|| {
        waiting_for(&channel, 10_000, |n| TopicFilter::new([common.clone(), own(n)]).unwrap())
    });
    let (more, topic) = ((same - plain) / 10_000, (distinct - same) / 10_000);
    assert!(more <= 64, "{more} bytes more for each reader of two topics");
    assert!(topic <= 160, "{topic} bytes for each topic that only one reader has");
}

fn waiting_for(
    channel: &Channel,
    count: usize,
    filter: impl Fn(usize) -> TopicFilter,
) -> Vec<Subscriber> {
    let mut cx = Context::from_waker(Waker::noop());
    let subscribers = (0..count).map(|n| {
        let subscription = channel.subscribe_to(&filter(n), &LastEventId::Absent);
        let Subscription::Stream(mut subscriber) = subscription else { panic!("there is room") };
        subscriber.first_frames();
        assert!(subscriber.poll_read(&mut cx).is_pending());
        subscriber
    });
    subscribers.collect()
}

fn publishing_to_ten_thousand_allocates_no_more_than_to_one() {
    let channel = Channel::new(&ChannelConfig::new());
    let mut subscribers = waiting(&channel, 10_000);
    let event = Event::new("x".repeat(60));
    channel.publish(&event).unwrap();
    for _ in 0..3 {
        let mut cx = Context::from_waker(Waker::noop());
        let region = Region::new(ALLOCATOR);
        for subscriber in &mut subscribers {
            assert!(matches!(subscriber.read(), Read::Events(_)));
            assert!(subscriber.poll_wake(&mut cx).is_pending());
        }
        channel.publish(&event).unwrap();
        let allocations = region.change().allocations;
        assert!(allocations <= 8, "{allocations} allocations");
    }
}

fn a_merged_reader_takes_little_more_than_its_subscribers() {
    let (own, all) = (Channel::new(&ChannelConfig::new()), Channel::new(&ChannelConfig::new()));
    let mut cx = Context::from_waker(Waker::noop());
    let (alone, _kept) = bytes_taken(|| [waiting(&own, 100), waiting(&all, 100)]);
    let (merged, _kept) = bytes_taken(|| {
        let streams = (0..100).map(|_| {
            let channels = [("me", &own), ("all", &all)];
            let merged = MergedSubscription::of_channels(channels, &LastEventId::Absent);
            let Ok(MergedSubscription::Stream(mut merged)) = merged else { panic!("it is new") };
            merged.first_frames();
            assert_eq!(merged.poll_next(Instant::from_nanos(0), &mut cx), Next::Wait(None));
            merged
        });
        streams.collect::<Vec<_>>()
    });
    // For each channel.
    let more = merged.saturating_sub(alone) / 200;
    assert!((1..=120).contains(&more), "{more} bytes more than {}", alone / 200);
}

fn waiting(channel: &Channel, count: usize) -> Vec<Subscriber> {
    let mut cx = Context::from_waker(Waker::noop());
    let subscribers = (0..count).map(|_| {
        let subscription = channel.subscribe(&LastEventId::Absent);
        let Subscription::Stream(mut subscriber) = subscription else { panic!("there is room") };
        subscriber.first_frames();
        assert!(subscriber.poll_wake(&mut cx).is_pending());
        subscriber
    });
    subscribers.collect()
}
