//! Keys: topics of which the newest event is kept.

use super::topics::{append_to, rest_of, topic};
use super::*;
use crate::topic::{TopicFilter, TopicPattern};

const PRICES: TopicPattern = TopicPattern::from_static("price.*");

fn compacted(events: u64) -> Log {
    keeping(events).with_compaction(Compaction::new(PRICES))
}

/// The data for a new reader that starts with the state of all keys.
fn state(log: &mut Log) -> String {
    let mut view = View::all();
    let mut cursor = log.start_view(StartAt::LatestPerKey, &mut view);
    rest_of(log, &mut cursor, &mut view).0.concat()
}

#[test]
fn the_newest_event_of_each_key_is_kept_whatever_else_is_dropped() {
    let mut log = compacted(2);
    for (name, data) in
        [("price.tea", "1"), ("price.cake", "2"), ("price.tea", "3"), ("other", "4")]
    {
        append_to(&mut log, name, data);
    }
    append(&mut log, 5..=9);
    assert_eq!((state(&mut log).as_str(), log.len()), ("23", 2));
    append_to(&mut log, "price.cake", "c");
    assert_eq!(state(&mut log), "3c");
    log.clear();
    assert_eq!(state(&mut log), "");
}

#[test]
fn a_state_is_followed_by_what_comes_after_it() {
    let mut log = compacted(4);
    for data in ["1", "2", "3"] {
        append_to(&mut log, "price.tea", data);
        append_to(&mut log, "price.cake", data);
    }
    let mut view = log.view(&TopicFilter::from(PRICES));
    let mut cursor = log.start_view(StartAt::LatestPerKey, &mut view);
    let Read::Events(first) = log.read_view(&mut cursor, &mut view, 1) else { panic!() };
    assert_eq!(first.as_bytes(), b"data: 3\nid: k-5\n\n");
    assert!(view.is_catching_up());
    append_to(&mut log, "price.cake", "4");
    assert_eq!(rest_of(&mut log, &mut cursor, &mut view).0, ["4"], "the older one is superseded");
    assert!(!view.is_catching_up());
    append_to(&mut log, "price.cake", "5");
    append_to(&mut log, "price.cake", "6");
    assert_eq!(rest_of(&mut log, &mut cursor, &mut view).0, ["5", "6"]);
}

#[test]
fn a_held_event_is_read_once_after_the_kept_ones() {
    let mut log = compacted(2);
    let patterns = ["price.tea", "price.cake"].map(TopicPattern::from_static);
    let mut view = log.view(&TopicFilter::new(patterns).unwrap());
    let mut cursor = log.cursor(StartAt::Now);
    for (name, data) in [("price.tea", "1"), ("price.cake", "2"), ("price.milk", "3")] {
        append_to(&mut log, name, data);
    }
    let Read::Events(both) = log.read_view(&mut cursor, &mut view, 1_000) else { panic!() };
    assert_eq!(both.as_bytes(), b"data: 1\nid: k-1\n\ndata: 2\nid: k-2\n\n");
}

#[test]
fn a_deleted_key_is_not_in_the_state_and_a_resume_does_not_miss_the_deletion() {
    let mut log = compacted(2);
    let seen = last(append_to(&mut log, "price.tea", "1").as_str());
    append_to(&mut log, "price.cake", "2");
    log.append_tombstone(&topic("price.tea"), &Event::new("deleted")).unwrap();
    assert_eq!(state(&mut log), "2");
    let view = log.view(&TopicFilter::from(PRICES));
    let after = |log: &Log| log.after_conflated(seen.id().unwrap(), &view);
    let mut cursor = after(&log).unwrap();
    let mut reading = log.view(&TopicFilter::from(PRICES));
    assert!(log.conflate(cursor, &mut reading));
    assert_eq!(rest_of(&mut log, &mut cursor, &mut reading).0, ["2", "deleted"]);
    append(&mut log, 4..=5);
    assert_eq!(after(&log), Err(ResetReason::Expired));
    append_to(&mut log, "price.tea", "6");
    assert_eq!(state(&mut log), "26");
}

#[test]
fn only_a_key_can_be_deleted() {
    let mut log = compacted(2);
    let refused = log.append_tombstone(&topic("other"), &Event::new("")).unwrap_err();
    assert_eq!(refused.to_string(), "the topic is not a key of this log, so it cannot be deleted");
    let refused = keeping(2).append_tombstone(&topic("price.tea"), &Event::new("")).unwrap_err();
    assert_eq!(refused, AppendError::NotAKey);
}

#[test]
fn at_a_bound_of_keys_the_publisher_gets_an_error() {
    let with = |change: fn(Compaction) -> Compaction| {
        keeping(1).with_compaction(change(Compaction::new(PRICES)))
    };
    let event = Event::new("x");
    let (tea, cake) = (topic("price.tea"), topic("price.cake"));
    for mut log in [with(|keys| keys.with_max_keys(0)), with(|keys| keys.with_max_bytes(0))] {
        assert!(log.append_to(&tea, &event).is_err() && log.is_empty());
        log.append_to(&topic("other"), &event).unwrap();
    }
    let mut one = with(|keys| keys.with_max_keys(1));
    one.append_to(&tea, &event).unwrap();
    one.append_to(&tea, &event).unwrap();
    let refused = one.append_to(&cake, &event).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the log has 1 keys, which is its limit; delete one by a tombstone, or raise \
         Compaction::with_max_keys"
    );
    one.append_tombstone(&tea, &event).unwrap();
    one.append_to(&cake, &event).unwrap();

    let mut small = with(|keys| keys.with_max_bytes(40));
    small.append_to(&tea, &event).unwrap();
    small.append_to(&cake, &event).unwrap();
    let refused = small.append_to(&tea, &Event::new("x".repeat(30))).unwrap_err();
    assert_eq!(refused, AppendError::KeysTooLarge { max: 40 });
    // The id counts: `data: x`, `id: k-1` and an empty line have 17 bytes.
    let mut exact = with(|keys| keys.with_max_bytes(34));
    exact.append_all_to(&[(&tea, &event), (&cake, &event)]).unwrap();
    let mut less = with(|keys| keys.with_max_bytes(33));
    assert!(less.append_all_to(&[(&tea, &event), (&cake, &event)]).is_err() && less.is_empty());
    less.append_to(&tea, &event).unwrap();
    assert!(less.append_to(&cake, &event).is_err());
    let mut most = with(|keys| keys.with_max_keys(usize::MAX).with_max_bytes(usize::MAX));
    (0..100).for_each(|n| drop(append_to(&mut most, &format!("price.{n}"), "x")));
    assert_eq!(state(&mut most).len(), 100);
}

#[test]
fn a_reader_that_skips_superseded_events_still_gets_all_others() {
    let mut log = compacted(100);
    let mut cursor = log.cursor(StartAt::Now);
    for data in ["1", "2", "3"] {
        append_to(&mut log, "price.tea", data);
        append_to(&mut log, "chat", data);
    }
    let mut view = View::all();
    assert_eq!(log.behind(cursor, &view), 6);
    assert!(log.conflate(cursor, &mut view));
    assert_eq!(rest_of(&mut log, &mut cursor, &mut view).0, ["1", "2", "3", "3"]);
    let mut lacking = (Cursor(0), View::all());
    append(&mut log, 1..=200);
    assert!(!log.conflate(lacking.0, &mut lacking.1), "events without a key are gone");
}

#[test]
fn a_slow_reader_of_five_thousand_keys_gets_the_newest_event_of_each() {
    let mut log = log(Retention::new().with_events(2_000).with_bytes(1 << 20))
        .with_compaction(Compaction::new(PRICES));
    let filter = TopicFilter::from(PRICES);
    let (mut slow, mut fast) = (log.view(&filter), log.view(&filter));
    let (mut slow_at, mut fast_at) = (Cursor(0), Cursor(0));
    let (mut slow_has, mut fast_count) = (alloc::collections::BTreeMap::new(), 0);
    let mut most = 0;
    let mut take = |log: &mut Log, slow_at: &mut Cursor, slow: &mut View, budget| {
        let is_behind = log.behind(*slow_at, slow) > 1_000 || log.lacks(slow_at.0, slow, true);
        if is_behind && !slow.is_catching_up() {
            assert!(log.conflate(*slow_at, slow), "only superseded events are gone");
        }
        let read = log.read_view(slow_at, slow, budget);
        let Read::Events(frame) = read else { return assert_eq!(read, Read::Wait) };
        let text = core::str::from_utf8(frame.as_bytes()).unwrap().to_string();
        for line in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
            let (key, round) = line.split_once(' ').unwrap();
            slow_has.insert(key.to_string(), round.to_string());
        }
    };
    for round in 0..20 {
        for key in 0..5_000 {
            append_to(&mut log, &format!("price.{key}"), &format!("{key} {round}"));
            if key % 100 == 0 {
                take(&mut log, &mut slow_at, &mut slow, 250);
                fast_count += rest_of(&mut log, &mut fast_at, &mut fast).0.len();
            }
        }
        most = most.max(log.memory());
    }
    fast_count += rest_of(&mut log, &mut fast_at, &mut fast).0.len();
    while log.is_view_ready(slow_at, &slow) {
        take(&mut log, &mut slow_at, &mut slow, 16 * 1024);
    }
    assert_eq!(fast_count, 100_000, "a reader that keeps up gets everything");
    assert_eq!(slow_has.len(), 5_000);
    assert!(slow_has.values().all(|round| round == "19"), "it has the newest of each key");
    assert!(most < 3 << 20, "{most} bytes");
}

#[test]
fn a_key_that_is_set_again_and_again_takes_the_bytes_of_one_event() {
    let mut log = compacted(2).with_compaction(Compaction::new(PRICES).with_max_bytes(40));
    for _ in 0..5 {
        append_to(&mut log, "price.tea", "x");
    }
    assert_eq!(state(&mut log), "x");
}

#[test]
fn a_log_that_is_cleared_resets_the_readers_that_lack_the_newest_event_of_a_key() {
    let mut log = compacted(1);
    let patterns = [TopicPattern::from_static("price.cake"), PRICES];
    let mut views = patterns.map(|pattern| log.view(&TopicFilter::from(pattern)));
    append_to(&mut log, "price.tea", "1");
    append_to(&mut log, "price.cake", "2");
    log.clear();
    for view in &mut views {
        let mut read = |place| log.read_view(&mut Cursor(place), view, 1_000);
        assert_eq!([0, 1, 2].map(&mut read), [Read::Lagged, Read::Lagged, Read::Wait]);
        let can_skip = [0, 1, 2].map(|place| log.conflate(Cursor(place), view));
        assert_eq!(can_skip, [false, false, true]);
    }
    let can_skip = [0, 1, 2].map(|place| log.conflate(Cursor(place), &mut View::all()));
    assert_eq!(can_skip, [false, false, true]);
}

#[test]
fn a_reader_that_skips_superseded_events_is_ready_to_be_reset_when_the_log_is_cleared() {
    let mut log = compacted(10);
    let mut view = View::all();
    append_to(&mut log, "price.tea", "1");
    assert!(log.conflate(Cursor(0), &mut view));
    log.clear();
    assert!(log.is_view_ready(Cursor(0), &view));
    assert_eq!(log.read_view(&mut Cursor(0), &mut view, 1_000), Read::Lagged);
}

#[test]
fn a_reader_of_every_event_lags_when_a_kept_event_of_a_key_is_superseded() {
    let mut log = compacted(1);
    let mut tea = log.view(&TopicFilter::from(topic("price.tea")));
    append_to(&mut log, "price.tea", "1");
    append_to(&mut log, "price.cake", "2");
    assert!(!log.lacks(0, &tea, true), "the event is kept");
    append_to(&mut log, "price.tea", "3");
    assert_eq!(log.read_view(&mut Cursor(0), &mut tea, 1_000), Read::Lagged);
}

#[test]
fn a_client_resumes_after_the_kept_event_that_it_has() {
    let mut log = compacted(1);
    let view = log.view(&TopicFilter::from(PRICES));
    // Number 5 was never used.
    for (number, name) in [(3, "price.tea"), (4, "price.cake"), (6, "price.milk"), (7, "x")] {
        if number == 6 {
            log.skip_unused(5).unwrap();
        }
        log.append_to_as(&id(&format!("k-{number}")), &topic(name), &Event::new("x")).unwrap();
    }
    let mut left_after = |number: u64| {
        let last = id(&format!("k-{number}"));
        let mut reading = log.view(&TopicFilter::from(PRICES));
        let mut cursor = log.after_conflated(&last, &view).unwrap();
        assert!(log.conflate(cursor, &mut reading));
        rest_of(&mut log, &mut cursor, &mut reading).0.len()
    };
    assert_eq!([3, 4, 5, 6].map(&mut left_after), [2, 1, 1, 0]);
}

#[test]
fn a_log_without_keys_has_no_state_to_start_with() {
    let mut log = keeping(10);
    append(&mut log, 1..=2);
    let mut view = View::all();
    assert_eq!(log.start_view(StartAt::LatestPerKey, &mut view), log.cursor(StartAt::Now));
    assert!(!view.is_catching_up());
}

#[test]
fn a_kept_event_that_one_reader_gets_is_not_taken_for_the_slice_of_a_reader_of_all() {
    let mut log = compacted(1);
    let mut view = log.view(&TopicFilter::from(topic("price.tea")));
    append_to(&mut log, "price.tea", "1");
    append_to(&mut log, "other", "2");
    assert!(matches!(log.read_view(&mut Cursor(0), &mut view, 20), Read::Events(_)));
    assert_eq!(log.read(&mut Cursor(0), 20), Read::Lagged);
    assert_eq!(log.read(&mut Cursor(0), 17), Read::Lagged);
}
