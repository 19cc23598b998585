//! Topics and keys: which readers are woken, and which events they receive.

use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll};

use super::*;
use crate::config::StreamConfig;
use crate::connection::{Connection, Output};
use crate::log::ResetReason;
use crate::log::{Compaction, StartAt};
use crate::source::Source;
use crate::topic::{Topic, TopicFilter, TopicPattern};

pub(super) const PRICES: TopicPattern = TopicPattern::from_static("price.*");

pub(super) fn topic(text: &str) -> Topic {
    Topic::new(text.to_string()).unwrap()
}

pub(super) fn filter(texts: &[&str]) -> TopicFilter {
    TopicFilter::new(texts.iter().map(|text| TopicPattern::new(text.to_string()).unwrap())).unwrap()
}

pub(super) fn join_to(channel: &Channel, filter: &TopicFilter, last: &LastEventId) -> Subscriber {
    match channel.subscribe_to(filter, last) {
        Subscription::Stream(subscriber) => subscriber,
        other => panic!("{other:?}"),
    }
}

/// A new reader of topics that has read the notice of its position, and waits.
pub(super) fn wait_for(channel: &Channel, filter: &TopicFilter, waker: &Waker) -> Subscriber {
    let mut reader = join_to(channel, filter, &LastEventId::Absent);
    reader.first_frames();
    assert!(reader.poll_read(&mut Context::from_waker(waker)).is_pending());
    reader
}

pub(super) fn publish_to(channel: &Channel, name: &str, data: &str) {
    channel.publish_to(&topic(name), Event::new(data.to_string())).unwrap();
}

pub(super) fn ticker(retention: Retention, lag_policy: LagPolicy) -> Channel {
    let config = ChannelConfig::new().with_retention(retention).with_lag_policy(lag_policy);
    let config = config.with_compaction(Compaction::new(PRICES));
    channel(config.with_start(StartAt::LatestPerKey))
}

#[test]
fn only_readers_that_want_an_event_are_woken() {
    let rooms = channel(keeping(100));
    let all = WakeCount::new();
    let (tea, cake, both) = (WakeCount::new(), WakeCount::new(), WakeCount::new());
    let mut everything = join_at_end(&rooms);
    assert!(everything.poll_read(&mut Context::from_waker(&all.1)).is_pending());
    let _tea = wait_for(&rooms, &filter(&["room.tea", "notices"]), &tea.1);
    let _cake = wait_for(&rooms, &filter(&["room.cake", "notices"]), &cake.1);
    let mut prefix = wait_for(&rooms, &filter(&["room.*"]), &both.1);
    publish_to(&rooms, "room.tea", "1");
    let counts = || [&all.0, &tea.0, &cake.0, &both.0].map(|count| count.get());
    assert_eq!(counts(), [1, 1, 0, 1]);
    publish_to(&rooms, "room.other", "2");
    assert_eq!(counts(), [1, 1, 0, 1], "the others have not polled since they were woken");
    assert_eq!(read(&mut prefix), "data: 1\nid: k-1\n\ndata: 2\nid: k-2\n\n");
    publish_to(&rooms, "notices", "3");
    assert_eq!(counts(), [1, 1, 1, 1]);
    assert!(prefix.poll_read(&mut Context::from_waker(&both.1)).is_pending());
    rooms.publish(Event::new("without a topic")).unwrap();
    assert_eq!(counts(), [1, 1, 1, 1]);
    rooms.finish();
    assert_eq!(counts(), [1, 1, 1, 2]);
}

#[test]
fn a_publish_to_one_of_a_hundred_thousand_readers_wakes_that_one() {
    let users = channel(keeping(10_000));
    let (count, waker) = WakeCount::new();
    let mut readers: Vec<Subscriber> = (0..100_000)
        .map(|n| wait_for(&users, &filter(&[&format!("user.{n}"), "notices"]), &waker))
        .collect();
    for n in 0..1_000 {
        publish_to(&users, &format!("user.{}", n * 100), "hello");
        assert_eq!(count.get(), n + 1);
    }
    for n in (0..100_000).step_by(100) {
        assert!(read(&mut readers[n]).starts_with("data: hello\n"));
        assert!(readers[n].poll_read(&mut Context::from_waker(&waker)).is_pending());
    }
    publish_to(&users, "notices", "all");
    assert_eq!(count.get(), 1_000 + 100_000);
    drop(readers);
    assert_eq!(users.stats().subscribers, 0);
}

#[test]
fn a_handle_changes_the_filter_of_an_open_stream() {
    let rooms = channel(keeping(100));
    let (count, waker) = WakeCount::new();
    let mut reader = join_to(&rooms, &filter(&["tea"]), &LastEventId::Absent);
    let handle = reader.filter_handle();
    reader.first_frames();
    assert!(reader.poll_read(&mut Context::from_waker(&waker)).is_pending());
    publish_to(&rooms, "cake", "before");
    assert_eq!(count.get(), 0);

    assert!(!handle.is_closed() && handle.set_filter(filter(&["tea", "cake"])));
    assert_eq!(count.get(), 1);
    let mut cx = Context::from_waker(&waker);
    let Poll::Ready(Read::Events(frame)) = reader.poll_read(&mut cx) else { panic!() };
    assert_eq!(text([frame]), position("k-1"));
    assert!(reader.poll_read(&mut cx).is_pending());
    publish_to(&rooms, "cake", "after");
    assert_eq!(count.get(), 2);
    assert_eq!(read(&mut reader), "data: after\nid: k-2\n\n");

    assert!(handle.set_filter(TopicFilter::default()));
    assert_eq!((count.get(), read(&mut reader)), (3, position("k-2")));
    assert!(reader.poll_read(&mut Context::from_waker(&waker)).is_pending());
    publish_to(&rooms, "tea", "left");
    assert_eq!(count.get(), 3);
    drop(reader);
    assert!(handle.is_closed() && !handle.set_filter(TopicFilter::default()));
}

#[test]
fn a_reader_of_all_events_can_be_given_a_filter() {
    let rooms = channel(keeping(100));
    let mut reader = join_at_end(&rooms);
    let handle = reader.filter_handle();
    let (count, waker) = WakeCount::new();
    assert!(reader.poll_read(&mut Context::from_waker(&waker)).is_pending());
    publish_to(&rooms, "cake", "1");
    assert_eq!(count.get(), 1);
    assert_eq!(read(&mut reader), "data: 1\nid: k-1\n\n");
    handle.set_filter(filter(&["tea"]));
    publish_to(&rooms, "cake", "2");
    publish_to(&rooms, "tea", "3");
    assert_eq!(read(&mut reader), position("k-1"));
    assert_eq!(read(&mut reader), "data: 3\nid: k-3\n\n");
}

#[test]
fn a_change_of_the_filter_does_not_move_a_client_past_events_that_it_lost() {
    let rooms = channel(keeping(1));
    let mut reader = join_to(&rooms, &filter(&["tea"]), &LastEventId::Absent);
    reader.first_frames();
    publish_to(&rooms, "tea", "1");
    publish_to(&rooms, "tea", "2");
    reader.set_filter(&filter(&["tea", "cake"]));
    assert_eq!(reader.read(), Read::Lagged);
}

#[test]
fn a_change_of_the_filter_does_not_move_a_client_past_the_newest_event_of_a_key() {
    let prices = ticker(Retention::new().with_events(1), LagPolicy::Disconnect);
    let mut reader = join_to(&prices, &filter(&["price.tea"]), &LastEventId::Absent);
    reader.first_frames();
    publish_to(&prices, "price.tea", "1");
    publish_to(&prices, "price.milk", "2");
    reader.set_filter(&filter(&["price.tea", "price.cake"]));
    assert_eq!(read(&mut reader), "data: 1\nid: k-1\n\n".to_owned() + &position("k-2"));
}

#[test]
fn a_quiet_reader_is_sent_its_position_in_place_of_a_keep_alive() {
    let rooms = channel(keeping(2));
    let (count, waker) = WakeCount::new();
    let mut reader = wait_for(&rooms, &filter(&["mine"]), &waker);
    assert_eq!(reader.keep_alive().map(|frame| text([frame])), Some(position("k-0")));
    assert_eq!(reader.keep_alive(), None, "it has not moved");
    (0..10).for_each(|_| publish_to(&rooms, "others", "x"));
    assert_eq!(reader.keep_alive().map(|frame| text([frame])), Some(position("k-10")));
    assert_eq!(count.get(), 0);
    publish_to(&rooms, "mine", "11");
    assert_eq!((reader.keep_alive(), count.get()), (None, 1));
    assert_eq!(read(&mut reader), "data: 11\nid: k-11\n\n");
}

#[test]
fn a_stream_sends_the_position_of_a_quiet_reader_when_a_keep_alive_is_due() {
    let rooms = channel(keeping(10));
    let mut reader = join_to(&rooms, &filter(&["mine"]), &LastEventId::Absent);
    let first = reader.first_frames();
    let config = StreamConfig::new().with_first_byte(false);
    let mut stream = Connection::open(reader, first, &config, at(0));
    let mut cx = Context::from_waker(Waker::noop());
    let mut write_at = |stream: &mut Connection<Subscriber>, seconds: u64| {
        stream.handle_timeout(at(seconds));
        let Output::Write(bytes) = stream.poll_output(at(seconds), &mut cx) else { panic!() };
        stream.handle_written(bytes.len(), at(seconds));
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    assert_eq!(write_at(&mut stream, 0), position("k-0"));
    publish_to(&rooms, "others", "1");
    assert_eq!(write_at(&mut stream, 15), position("k-1"));
    assert_eq!(write_at(&mut stream, 30), ":\n", "it has not moved");
}

#[test]
fn a_client_of_topics_resumes_though_all_that_is_held_is_of_others() {
    let rooms = channel(keeping(2));
    publish_to(&rooms, "mine", "1");
    (0..10).for_each(|_| publish_to(&rooms, "others", "x"));
    let mut reader = join_to(&rooms, &filter(&["mine"]), &last("k-1"));
    assert_eq!(reader.outcome(), ResumeOutcome::Resumed);
    publish_to(&rooms, "mine", "12");
    assert_eq!(text(reader.first_frames()), "data: 12\nid: k-12\n\n");
    let reset = join_to(&rooms, &filter(&["others"]), &last("k-1"));
    assert_eq!(reset.outcome(), ResumeOutcome::Reset(ResetReason::Expired));
}

#[test]
fn a_hole_resets_the_readers_of_all_topics() {
    let rooms = channel(keeping(10));
    let (count, waker) = WakeCount::new();
    let mut reader = wait_for(&rooms, &filter(&["mine"]), &waker);
    rooms.publish_hole().unwrap();
    assert_eq!(count.get(), 1);
    assert!(read(&mut reader).contains("\"reason\":\"hole\""));
}

#[test]
fn a_new_client_gets_the_state_then_its_position_then_what_comes_after() {
    let prices = ticker(Retention::new().with_events(1), LagPolicy::Disconnect);
    for (name, price) in [("price.tea", "1"), ("price.cake", "2"), ("price.tea", "3")] {
        publish_to(&prices, name, price);
    }
    for mut reader in [join(&prices, &LastEventId::Absent), {
        join_to(&prices, &TopicFilter::from(PRICES), &LastEventId::Absent)
    }] {
        let state = "data: 2\nid: k-2\n\ndata: 3\nid: k-3\n\n".to_string();
        assert_eq!(text(reader.first_frames()), state + &position("k-3"));
        assert_eq!(read(&mut reader), "Wait");
    }
    let mut empty = join_to(&prices, &filter(&["price.milk"]), &LastEventId::Absent);
    assert_eq!(text(empty.first_frames()), position("k-3"));
    prices.publish_tombstone(&topic("price.cake"), Event::new("gone")).unwrap();
    let mut reader = join(&prices, &LastEventId::Absent);
    assert_eq!(text(reader.first_frames()), "data: 3\nid: k-3\n\n".to_string() + &position("k-4"));
}

#[test]
fn a_client_that_is_reset_gets_the_state() {
    let prices = ticker(Retention::new().with_events(1), LagPolicy::Disconnect);
    ["1", "2"].into_iter().for_each(|price| publish_to(&prices, "price.tea", price));
    let mut reader = join(&prices, &last("j-7"));
    let reset = "event: reset\ndata: {\"reason\":\"foreign\",\"requested\":\"j-7\",\
                 \"resumed_at\":null}\n\n";
    let state = "data: 2\nid: k-2\n\n";
    assert_eq!(text(reader.first_frames()), format!("{reset}{state}{}", position("k-2")));
}

#[test]
fn a_slow_reader_of_a_ticker_is_sent_one_notice_and_the_newest_event_of_each_key() {
    let retention = Retention::new().with_events(2_000);
    let prices = ticker(retention, LagPolicy::Latest { behind: 1_000 });
    let filter = TopicFilter::from(PRICES);
    let (mut slow, mut fast) = (
        join_to(&prices, &filter, &LastEventId::Absent),
        join_to(&prices, &filter, &LastEventId::Absent),
    );
    let (mut has, mut notices, mut fast_count) = (BTreeMap::new(), 0, 0);
    let mut take = |frame: &Frame| {
        for line in text([frame.clone()]).lines() {
            notices += usize::from(line == "event: conflated");
            if let Some((key, round)) = line.strip_prefix("data: ").and_then(|l| l.split_once(' '))
            {
                has.insert(key.to_string(), round.to_string());
            }
        }
    };
    let mut most = 0;
    for round in 0..10 {
        for key in 0..5_000 {
            publish_to(&prices, &format!("price.{key}"), &format!("{key} {round}"));
            // One takes a slice of ten events where the other takes all.
            if key % 100 == 99 {
                while let Read::Events(frame) = fast.read() {
                    fast_count += text([frame]).matches("id: ").count();
                }
            }
            if key % 1_000 == 999 {
                if let Read::Events(frame) = slow.read() {
                    take(&frame);
                }
            }
        }
        most = most.max(prices.stats().bytes);
    }
    while let Read::Events(frame) = slow.read() {
        take(&frame);
    }
    assert_eq!(fast_count, 50_000 + 1, "all events, and its position");
    assert_eq!(has.len(), 5_000);
    assert!(has.values().all(|round| round == "9"), "the newest of each key");
    assert!((1..=10).contains(&notices), "{notices} notices, not one for each event");
    assert_eq!(prices.stats().conflated, notices as u64);
    assert!(most < 3 << 20, "{most} bytes");
}

#[test]
fn a_client_that_resumes_late_skips_superseded_events() {
    let prices = ticker(Retention::new().with_events(1), LagPolicy::Latest { behind: 100 });
    ["1", "2", "3"].into_iter().for_each(|price| publish_to(&prices, "price.tea", price));
    publish_to(&prices, "price.cake", "4");
    let mut reader = join(&prices, &last("k-1"));
    assert_eq!(reader.outcome(), ResumeOutcome::Resumed);
    let notice = "event: conflated\ndata: {\"until\":\"k-4\"}\n\n";
    assert_eq!(text(reader.first_frames()), notice);
    assert_eq!(read(&mut reader), "data: 3\nid: k-3\n\ndata: 4\nid: k-4\n\n");
    prices.publish(Event::new("without a key")).unwrap();
    prices.publish(Event::new("another")).unwrap();
    let reader = join(&prices, &last("k-1"));
    assert_eq!(reader.outcome(), ResumeOutcome::Reset(ResetReason::Expired));
}

#[test]
fn a_reader_of_all_events_that_lags_skips_superseded_events() {
    for start in [StartAt::LatestPerKey, StartAt::Now] {
        let config = keeping(1).with_lag_policy(LagPolicy::Latest { behind: 100 });
        let prices = channel(config.with_compaction(Compaction::new(PRICES)).with_start(start));
        let mut reader = join(&prices, &LastEventId::Absent);
        reader.first_frames();
        assert!(ids(&mut reader).is_empty());
        for (name, price) in [("price.tea", "1"), ("price.cake", "2"), ("price.tea", "3")] {
            publish_to(&prices, name, price);
        }
        assert_eq!(ids(&mut reader), ["conflated ", "k-2", "k-3"], "{start:?}");
        let stats = prices.stats();
        assert_eq!((stats.conflated, stats.resets(ResetReason::Lagged)), (1, 0));
    }
}

#[test]
fn a_client_of_topics_that_is_ahead_waits_only_for_a_channel_with_a_shared_epoch() {
    for is_shared in [true, false] {
        let rooms = channel(keeping(10).with_shared_epoch(is_shared));
        publish_to(&rooms, "tea", "1");
        let reader = join_to(&rooms, &filter(&["tea"]), &last("k-3"));
        let reset = ResumeOutcome::Reset(ResetReason::Ahead);
        let expected = if is_shared { ResumeOutcome::Resumed } else { reset };
        assert_eq!(reader.outcome(), expected);
    }
}

#[test]
fn a_client_of_topics_whose_id_has_expired_starts_with_the_oldest_event_if_a_backfill_is_missing() {
    for (backfill, expected) in [(true, vec!["reset k-2", "k-3"]), (false, vec!["reset k-3"])] {
        let config = keeping(1).with_start(StartAt::Now).with_backfill(backfill);
        let rooms = channel(config);
        (1..=3).for_each(|n| publish_to(&rooms, "tea", &n.to_string()));
        let mut reader = join_to(&rooms, &filter(&["tea"]), &last("k-1"));
        let mut received = ids_in(&text(reader.first_frames()));
        received.extend(ids(&mut reader));
        assert_eq!(received, expected);
    }
}

#[test]
fn a_filter_that_a_handle_sets_applies_from_that_call_on_whenever_the_stream_reads() {
    let rooms = channel(keeping(10));
    let mut reader = join_to(&rooms, &filter(&["tea"]), &LastEventId::Absent);
    reader.first_frames();
    let handle = reader.filter_handle();
    publish_to(&rooms, "cake", "1");
    assert!(handle.set_filter(filter(&["tea", "cake"])));
    publish_to(&rooms, "cake", "2");
    publish_to(&rooms, "pie", "3");
    assert!(handle.set_filter(filter(&["tea", "cake", "pie"])));
    for (topic, data) in [("pie", "4"), ("tea", "5"), ("cake", "6")] {
        publish_to(&rooms, topic, data);
    }
    let mut received = String::new();
    while let Read::Events(frame) = reader.read() {
        received += &text([frame]);
    }
    let data: Vec<_> = received.lines().filter(|line| line.starts_with("data: ")).skip(1).collect();
    assert_eq!(data, ["data: 2", "data: 4", "data: 5", "data: 6"], "{received}");
}

/// Pages for a reader of `room.tea` in a log of the epoch `k`: the numbers of its events, or the
/// number before which it has no events.
struct Pages(VecDeque<Result<u64, u64>>);

impl Backfill for Pages {
    fn poll_page(&mut self, _: &mut Context<'_>) -> Poll<BackfillPage> {
        Poll::Ready(match self.0.pop_front() {
            None => BackfillPage::Missing(ResetReason::Hole),
            Some(Err(skipped)) => BackfillPage::Skipped(id(&format!("k-{skipped}"))),
            Some(Ok(number)) => {
                let id = id(&format!("k-{number}"));
                let event = Event::new(number.to_string()).with_id(id.clone());
                BackfillPage::Events(event.encode(), id)
            }
        })
    }
}

/// A channel that holds the events 8 to 10, of which those of `room.tea` are odd.
fn two_rooms() -> Channel {
    let rooms = channel(keeping(3));
    for n in 1..=10 {
        publish_to(&rooms, if n % 2 == 1 { "room.tea" } else { "room.cake" }, &n.to_string());
    }
    rooms
}

fn backfilled(rooms: &Channel, pages: &[Result<u64, u64>]) -> Subscriber {
    let pages = Pages(pages.iter().copied().collect());
    let tea = filter(&["room.tea"]);
    match rooms.subscribe_to_with_backfill(&tea, &last("k-1"), pages) {
        Subscription::Stream(subscriber) => subscriber,
        other => panic!("{other:?}"),
    }
}

/// The ids of all that a reader receives now, with the names of notices.
pub(super) fn ids(reader: &mut Subscriber) -> Vec<String> {
    let mut ids = Vec::new();
    while let Poll::Ready(Read::Events(frame)) =
        reader.poll_read(&mut Context::from_waker(Waker::noop()))
    {
        ids.extend(ids_in(&text([frame])));
    }
    ids
}

fn ids_in(text: &str) -> Vec<String> {
    let blocks = text.split_terminator("\n\n").map(|block| {
        let line = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let id = line("id: ").unwrap_or_default();
        line("event: ").map_or_else(|| id.to_owned(), |name| format!("{name} {id}"))
    });
    blocks.collect()
}

#[test]
fn a_backfill_of_some_topics_skips_others_and_goes_on_with_the_log() {
    let rooms = two_rooms();
    let mut reader = backfilled(&rooms, &[Ok(3), Err(4), Ok(5), Err(6), Ok(7)]);
    assert_eq!(reader.outcome(), ResumeOutcome::Resumed);
    assert_eq!(ids(&mut reader), ["k-3", "k-5", "k-7", "position k-7", "k-9"]);
    publish_to(&rooms, "room.cake", "11");
    publish_to(&rooms, "room.tea", "12");
    assert_eq!(ids(&mut reader), ["k-12"]);
}

#[test]
fn a_backfill_of_some_topics_ends_when_the_log_has_the_rest_of_them() {
    let rooms = two_rooms();
    // The log has dropped nothing of the topic since event 7.
    let mut reader = backfilled(&rooms, &[Err(6), Err(7)]);
    assert_eq!(ids(&mut reader), ["position k-7", "k-9"]);
    let mut reader = backfilled(&rooms, &[Ok(3)]);
    assert_eq!(ids(&mut reader), ["k-3", "reset k-10"]);
}

#[test]
fn a_filter_that_is_set_during_a_backfill_loses_nothing() {
    let rooms = two_rooms();
    let mut reader = backfilled(&rooms, &[Ok(3), Ok(5), Ok(7)]);
    reader.set_filter(&filter(&["room.tea", "room.cake"]));
    publish_to(&rooms, "room.cake", "11");
    assert_eq!(ids(&mut reader), ["k-3", "k-5", "k-7", "position k-8", "k-9", "k-11"]);
}

#[test]
fn the_decision_on_a_reader_of_topics_is_known_without_a_subscriber() {
    let rooms = two_rooms();
    let tea = filter(&["room.tea"]);
    let resumes = |number: u64| {
        let resume = rooms.resume_to(&tea, &last(&format!("k-{number}")));
        matches!(resume, crate::log::Resume::Resumed(_))
    };
    assert_eq!([6, 7, 10].map(resumes), [false, true, true]);
    assert_eq!(rooms.stats().subscribers, 0);
    assert_eq!(rooms.first_id(), Some(id("k-7")));
}

#[test]
fn a_reader_of_topics_is_reset_for_a_reason_that_the_caller_knows() {
    let rooms = two_rooms();
    let tea = filter(&["room.tea"]);
    let subscription = rooms.subscribe_to_reset(&tea, &last("k-9"), ResetReason::Ahead);
    let Subscription::Stream(mut reader) = subscription else { panic!("{subscription:?}") };
    assert_eq!(ids(&mut reader), ["reset k-10"]);
    publish_to(&rooms, "room.cake", "11");
    publish_to(&rooms, "room.tea", "12");
    assert_eq!(ids(&mut reader), ["k-12"]);
}
