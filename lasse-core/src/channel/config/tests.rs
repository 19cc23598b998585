use std::task::{Context, Waker};
use std::vec::Vec;

use super::*;
use crate::channel::{Channel, Channels, Subscription};
use crate::event::Event;
use crate::field::{EventId, LastEventId};
use crate::log::{Epoch, Read};
use crate::time::Instant;

const DURATIONS: [Duration; 3] = [Duration::ZERO, Duration::from_nanos(1), Duration::MAX];
const SIZES: [usize; 3] = [0, 1, usize::MAX];
const COUNTS: [u64; 3] = [0, 1, u64::MAX];

/// Uses every method of a channel.
fn use_channel(config: &ChannelConfig) {
    let mut cx = Context::from_waker(Waker::noop());
    let channel = Channel::with_epoch(config, Epoch::new("k").unwrap());
    let mut now = Instant::from_nanos(0);
    let mut dispatcher = channel.dispatcher().unwrap();
    let mut readers = Vec::new();
    for data in ["1", "2", "3"] {
        for last in [LastEventId::Absent, LastEventId::Id(EventId::from_static("k-1"))] {
            match channel.subscribe(&last) {
                Subscription::Stream(reader) => {
                    let mut reader = reader;
                    reader.set_shard(usize::MAX);
                    readers.push(reader);
                }
                other => assert!(matches!(other, Subscription::Full(_)), "{other:?}"),
            }
        }
        channel.publish(Event::new(data)).unwrap();
        let _ = dispatcher.poll_due(now, &mut cx);
        while dispatcher.wake_some() {}
        for reader in &mut readers {
            reader.first_frames();
            while let Read::Events(_) = reader.read() {}
            let _ = reader.poll_wake(&mut cx);
        }
        now = now + dispatcher.linger();
        channel.advance(now);
        channel.deadline();
    }
    assert!(channel.stats().events <= 3);
    for grace in DURATIONS {
        let mut watch = channel.idle(grace);
        let _ = watch.poll_idle(now, &mut cx);
        watch.deadline();
    }
    channel.finish();
}

#[test]
fn every_duration_and_every_size_is_taken_from_nothing_to_the_most() {
    let configs = |change: fn(ChannelConfig, usize) -> ChannelConfig| {
        (0..3).for_each(|n| use_channel(&change(ChannelConfig::new(), n)));
    };
    configs(|config, n| config.with_max_subscribers(SIZES[n]));
    configs(|config, n| config.with_max_subscribers(0).with_retry_when_full(DURATIONS[n]));
    configs(|config, n| config.with_read_budget(SIZES[n]));
    configs(|config, n| config.with_linger(DURATIONS[n]));
    configs(|config, n| config.with_shards(SIZES[n]).with_shards_above(0));
    configs(|config, n| config.with_shards(2).with_shards_above(SIZES[n]));
    configs(|config, n| config.with_start(StartAt::Last(COUNTS[n])));
    configs(|config, n| config.with_retention(Retention::new().with_age(DURATIONS[n])));
    configs(|config, n| config.with_retention(Retention::new().with_bytes(SIZES[n])));
    configs(|config, n| config.with_retention(Retention::new().with_events(COUNTS[n])));
}

#[test]
fn a_channel_has_as_many_shards_as_are_useful() {
    for (shards, made) in [(0, 0), (1, 0), (2, 2), (64, 64), (65, 64), (usize::MAX, 64)] {
        let channel = Channel::new(&ChannelConfig::new().with_shards(shards));
        let dispatchers = [0, 1, 63, 64, usize::MAX].map(|nth| channel.shard_dispatcher(nth));
        let taken = dispatchers.iter().flatten().count();
        let expected = [0, 1, 63, 64, usize::MAX].into_iter().filter(|nth| *nth < made).count();
        assert_eq!(taken, expected, "{shards}");
        let others = channel.dispatcher().unwrap().take_shards().len();
        assert_eq!(taken + others, made, "{shards}");
    }
    let channel = Channel::new(&ChannelConfig::new());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    assert_eq!(channel.shard_dispatcher(0).is_some(), cores > 1);
}

#[test]
fn every_limit_of_channels_is_taken_from_nothing_to_the_most() {
    for n in 0..3 {
        let config = ChannelConfig::new()
            .with_idle_timeout(DURATIONS[n])
            .with_total_bytes(SIZES[(n + 1) % 3]);
        let channels = Channels::<u32>::new(&config);
        let used = channels.open(0_u32);
        for key in 0..100_u32 {
            channels.open(key).publish(Event::new("x")).unwrap();
        }
        SIZES.into_iter().for_each(|some| channels.advance_some(Instant::from_nanos(0), some));
        channels.advance(Instant::from_nanos(u64::MAX));
        assert!(channels.get(&0).is_some() && used.ending().is_none());
    }
}

#[test]
fn a_setting_is_the_one_that_was_made() {
    let retention = Retention::new().with_events(7);
    let compaction = Compaction::new(crate::topic::TopicPattern::from_static("price.*"));
    let config = ChannelConfig::new().with_retention(retention).with_conflated(None);
    let config = config.with_compaction(compaction.clone());
    let config = config.with_idle_timeout(Duration::from_secs(7));
    assert_eq!((config.retention(), config.idle_timeout()), (retention, Duration::from_secs(7)));
    assert_eq!(config.compaction(), Some(&compaction));
    assert_eq!(config.settings().conflated, None);
    assert_eq!(config.settings().max_subscribers, usize::MAX, "others stay");
}
