//! Readers of topics and of keys: when they wait, and which notices they are sent.

use std::task::Context;

use super::topics::{PRICES, filter, ids, join_to, publish_to, ticker, topic, wait_for};
use super::*;
use crate::log::{ResetReason, StartAt};
use crate::source::Source;
use crate::topic::TopicFilter;

/// A ticker of which readers skip superseded events when they are more than `behind` behind.
fn skipping(behind: u64) -> Channel {
    ticker(Retention::new().with_events(100), LagPolicy::Latest { behind })
}

/// A new reader of all events, and one of all prices.
fn readers_of(prices: &Channel) -> [Subscriber; 2] {
    let last = LastEventId::Absent;
    [join(prices, &last), join_to(prices, &TopicFilter::from(PRICES), &last)]
}

#[test]
fn a_reader_of_topics_waits_until_there_is_an_event_of_them() {
    for config in [keeping(10), in_shards(keeping(10))] {
        let rooms = channel(config);
        let (wakes, waker) = WakeCount::new();
        let mut cx = Context::from_waker(&waker);
        let mut reader = join_to(&rooms, &filter(&["tea"]), &LastEventId::Absent);
        reader.set_shard(1);
        reader.first_frames();
        for _ in 0..2 {
            assert!(reader.poll_wake(&mut cx).is_pending());
        }
        publish_to(&rooms, "cake", "1");
        assert!(reader.poll_wake(&mut cx).is_pending());
        assert_eq!(wakes.get(), 0);
        publish_to(&rooms, "tea", "2");
        assert_eq!(wakes.get(), 1);
        assert!(reader.poll_wake(&mut cx).is_ready());
        assert_eq!(read(&mut reader), "data: 2\nid: k-2\n\n");
        assert!(reader.poll_wake(&mut cx).is_pending());
    }
}

#[test]
fn a_reader_that_must_be_sent_its_position_does_not_wait() {
    for config in [keeping(10), in_shards(keeping(10))] {
        let rooms = channel(config);
        let mut cx = Context::from_waker(Waker::noop());
        let mut reader = wait_for(&rooms, &filter(&["tea"]), Waker::noop());
        reader.set_filter(&filter(&["tea", "cake"]));
        assert!(reader.poll_wake(&mut cx).is_ready());
        assert_eq!(ids(&mut reader), ["position k-0"]);
        assert!(reader.poll_wake(&mut cx).is_pending());
    }
}

#[test]
fn a_reader_of_all_events_with_a_handle_waits_and_gets_a_comment_as_keep_alive() {
    for config in [keeping(10), in_shards(keeping(10))] {
        let rooms = channel(config);
        let (wakes, waker) = WakeCount::new();
        let mut cx = Context::from_waker(&waker);
        let mut reader = join_at_end(&rooms);
        let _handle = reader.filter_handle();
        for _ in 0..2 {
            assert!(reader.poll_wake(&mut cx).is_pending());
            assert_eq!(reader.keep_alive(), None);
        }
        publish(&rooms, 1..=1);
        assert_eq!(wakes.get(), 1);
        assert!(reader.poll_wake(&mut cx).is_ready());
        assert_eq!(ids(&mut reader), ["k-1"]);
    }
}

#[test]
fn a_reader_that_has_not_read_its_opening_gets_no_position_as_keep_alive() {
    let rooms = channel(keeping(10));
    let mut reader = join_to(&rooms, &filter(&["tea"]), &LastEventId::Absent);
    publish_to(&rooms, "cake", "1");
    assert_eq!(reader.keep_alive(), None);
    assert_eq!(text(reader.first_frames()), position("k-0"));
    assert_eq!(reader.keep_alive().map(|frame| text([frame])), Some(position("k-1")));
}

#[test]
fn a_reader_in_a_shard_is_sent_the_position_behind_events_of_others() {
    let rooms = channel(in_shards(keeping(10)));
    let mut reader = join_to(&rooms, &filter(&["mine"]), &LastEventId::Absent);
    reader.set_shard(1);
    reader.first_frames();
    assert!(ids(&mut reader).is_empty());
    assert_eq!(reader.keep_alive().map(|frame| text([frame])), Some(position("k-0")));
    let events = ["mine", "others"].map(|name| (topic(name), Event::new("x")));
    rooms.publish_all_to(events.iter().map(|(topic, event)| (topic, event.clone()))).unwrap();
    assert_eq!(ids(&mut reader), ["k-1"]);
    assert_eq!(reader.keep_alive().map(|frame| text([frame])), Some(position("k-2")));
    assert_eq!(reader.keep_alive(), None, "it has not moved");
}

#[test]
fn a_reader_at_home_is_woken_though_others_wait_in_shards() {
    let rooms = channel(keeping(10).with_shards(2).with_shards_above(1));
    let (home, shard) = (WakeCount::new(), WakeCount::new());
    let mut at_home = wait_for(&rooms, &filter(&["tea"]), &home.1);
    let mut in_shard = wait_for(&rooms, &filter(&["cake"]), &shard.1);
    let counts = || [home.0.get(), shard.0.get()];
    publish_to(&rooms, "cake", "1");
    assert_eq!((ids(&mut in_shard), counts()), (vec!["k-1".to_owned()], [0, 1]));
    assert!(in_shard.poll_read(&mut Context::from_waker(&shard.1)).is_pending());
    publish_to(&rooms, "tea", "2");
    assert_eq!((ids(&mut at_home), counts()), (vec!["k-2".to_owned()], [1, 1]));
}

#[test]
fn a_reader_cannot_wait_in_a_shard_for_events_that_are_announced_there_already() {
    let rooms = channel(in_shards(keeping(10)));
    let end = || rooms.0.lock().log.cursor(StartAt::Now);
    let can_wait_from = |cursor| rooms.0.shard(1).unwrap().lock().can_wait_from(cursor);
    let before = end();
    let mut reader = join_to(&rooms, &filter(&["tea"]), &LastEventId::Absent);
    assert!(!can_wait_from(before), "no reader is in the shard");
    reader.set_shard(1);
    ids(&mut reader);
    assert!(can_wait_from(before));
    publish_to(&rooms, "tea", "1");
    assert_eq!([before, end()].map(can_wait_from), [false, true]);
}

#[test]
fn a_shard_is_not_called_for_topics_that_its_readers_have_left() {
    let rooms = channel(in_shards(keeping(10)));
    let mut dispatcher = rooms.shard_dispatcher(1).unwrap();
    let mut readers = ["tea", "cake"].map(|name| {
        let mut reader = join_to(&rooms, &filter(&[name]), &LastEventId::Absent);
        reader.set_shard(1);
        ids(&mut reader);
        Some(reader)
    });
    let mut is_called = || {
        let polled = dispatcher.poll_due(at(0), &mut Context::from_waker(Waker::noop()));
        while dispatcher.wake_some() {}
        polled.is_ready()
    };
    publish_to(&rooms, "tea", "1");
    assert!(is_called());
    readers[0] = None;
    publish_to(&rooms, "tea", "2");
    assert!(!is_called(), "nobody reads it");
    publish_to(&rooms, "cake", "3");
    assert!(is_called());
}

#[test]
fn a_new_reader_of_all_events_is_sent_the_state_and_its_position_when_it_is_polled() {
    let prices = ticker(Retention::new().with_events(1), LagPolicy::Disconnect);
    for (name, price) in [("price.tea", "1"), ("price.cake", "2"), ("price.tea", "3")] {
        publish_to(&prices, name, price);
    }
    let mut reader = join(&prices, &LastEventId::Absent);
    assert_eq!(ids(&mut reader), ["k-2", "k-3", "position k-3"]);
    let (wakes, waker) = WakeCount::new();
    assert!(reader.poll_read(&mut Context::from_waker(&waker)).is_pending());
    publish_to(&prices, "price.tea", "4");
    assert_eq!((wakes.get(), ids(&mut reader)), (1, vec!["k-4".to_owned()]));
}

#[test]
fn a_reader_skips_superseded_events_if_it_is_further_behind_than_allowed() {
    let prices = skipping(2);
    let mut readers = readers_of(&prices);
    for reader in &mut readers {
        assert_eq!(ids(reader), ["position k-0"]);
    }
    for (prices_of, expected) in
        [(1..=2, &["k-1", "k-2"][..]), (3..=5, &["conflated ", "k-5"]), (6..=6, &["k-6"])]
    {
        prices_of.for_each(|n| publish_to(&prices, "price.tea", &n.to_string()));
        for reader in &mut readers {
            assert_eq!(ids(reader), expected);
        }
    }
    assert_eq!(prices.stats().conflated, 2);
}

#[test]
fn a_reader_that_is_allowed_to_be_no_event_behind_waits() {
    let prices = skipping(0);
    for mut reader in readers_of(&prices) {
        ids(&mut reader);
        assert!(reader.poll_read(&mut Context::from_waker(Waker::noop())).is_pending());
        publish_to(&prices, "price.tea", "x");
        let received = ids(&mut reader);
        assert!(received.len() == 2 && received[0] == "conflated ", "{received:?}");
    }
}

#[test]
fn a_reader_that_skips_superseded_events_is_reset_at_a_hole() {
    let prices = skipping(10);
    let mut readers = readers_of(&prices);
    for reader in &mut readers {
        ids(reader);
    }
    prices.publish_hole().unwrap();
    for reader in &mut readers {
        assert!(read(reader).contains("\"reason\":\"hole\""));
    }
}

#[test]
fn a_client_that_is_reset_for_a_given_reason_starts_with_the_oldest_event_if_a_backfill_is_missing()
{
    for (backfill, reason, expected) in [
        (true, ResetReason::Expired, &["reset k-2", "k-3", "k-4"][..]),
        (false, ResetReason::Expired, &["reset k-4"]),
        (true, ResetReason::Foreign, &["reset k-4"]),
    ] {
        let rooms = channel(keeping(2).with_start(StartAt::Now).with_backfill(backfill));
        (1..=4).for_each(|n| publish_to(&rooms, "tea", &n.to_string()));
        let subscription = rooms.subscribe_to_reset(&filter(&["tea"]), &last("k-1"), reason);
        let Subscription::Stream(mut reader) = subscription else { panic!("{subscription:?}") };
        assert_eq!(ids(&mut reader), expected);
    }
}

#[test]
fn a_lower_bound_that_the_log_does_not_have_yet_applies_to_a_reader_in_a_shard() {
    for config in [keeping(10), in_shards(keeping(10))] {
        let rooms = channel(config);
        let filter = TopicFilter::default().with_after(topic("tea"), id("k-2")).unwrap();
        let mut reader = join_to(&rooms, &filter, &LastEventId::Absent);
        reader.set_shard(1);
        reader.first_frames();
        assert!(ids(&mut reader).is_empty());
        let tea = topic("tea");
        let events = (1..=4).map(|n| (&tea, Event::new(n.to_string())));
        rooms.publish_all_to(events).unwrap();
        assert_eq!(ids(&mut reader), ["k-3", "k-4"]);
    }
}

#[cfg(feature = "http")]
#[test]
fn a_client_without_notices_that_has_the_state_is_woken_for_the_next_event() {
    let prices = ticker(Retention::new().with_events(1), LagPolicy::Disconnect);
    let mut reader = join(&prices, &LastEventId::Absent).without_notices().unwrap();
    let (wakes, waker) = WakeCount::new();
    assert!(reader.poll_read(&mut Context::from_waker(&waker)).is_pending());
    publish_to(&prices, "price.tea", "1");
    assert_eq!((wakes.get(), ids(&mut reader)), (1, vec!["k-1".to_owned()]));
}
