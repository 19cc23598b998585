//! How far a reader is behind, and when what it read last was published.

use super::*;
use crate::log::ResetReason;
use crate::source::{Progress, Source};

#[test]
fn a_reader_returns_how_far_it_is_behind_and_when_the_sample_was_published() {
    for config in [keeping(3), in_shards(keeping(3))] {
        let news = channel(config);
        publish(&news, 1..=2);
        let mut reader = join(&news, &LastEventId::Absent);
        assert_eq!(reader.progress(), None, "it is before the log");
        reader.first_frames();
        let progress = |behind, ahead_of_oldest, published| {
            Some(Progress { behind, ahead_of_oldest, published })
        };
        assert_eq!(reader.progress(), progress(0, None, None));

        news.stats_reader().sample_next(|| at(7));
        publish(&news, 3..=3);
        assert_eq!(reader.progress(), progress(1, None, None));
        read(&mut reader);
        assert_eq!(reader.progress(), progress(0, None, Some(at(7))));

        // The log drops its first event, and takes no other time.
        publish(&news, 4..=4);
        assert_eq!(reader.progress(), progress(1, Some(2), Some(at(7))));
        read(&mut reader);
        assert_eq!(reader.progress(), progress(0, Some(3), None));

        // A reader that lags is as far behind as it is.
        publish(&news, 5..=9);
        assert_eq!(reader.progress(), progress(5, Some(0), None));
    }
}

#[test]
fn the_counters_are_read_until_the_channel_is_gone() {
    let news = channel(keeping(10));
    let reader = news.stats_reader();
    let empty = news.stats().bytes;
    news.publish(Event::new("x".repeat(1_000))).unwrap();
    let stats = reader.stats().unwrap();
    assert_eq!(Some(stats), Some(news.stats()));
    assert!(stats.bytes >= empty + 1_000, "{stats:?}");
    drop(news);
    assert_eq!(reader.stats(), None);
}

#[test]
fn each_subscriber_is_counted_by_how_it_starts() {
    let news = channel(keeping(1));
    publish(&news, 1..=3);
    drop(join(&news, &LastEventId::Absent));
    for id in ["k-3", "k-3", "k-1", "j-1", "j-2"] {
        join(&news, &last(id));
    }
    let stats = news.stats();
    assert_eq!((stats.fresh, stats.resumed), (1, 2));
    let resets = [ResetReason::Expired, ResetReason::Foreign].map(|reason| stats.resets(reason));
    assert_eq!((resets, stats.arrivals()), ([1, 2], 6));
}

#[test]
fn clients_that_a_full_channel_refuses_are_spread_over_the_delay_and_twice_that() {
    let delay = Duration::from_secs(100);
    let config = keeping(1).with_max_subscribers(0).with_retry_when_full(delay);
    let news = channel(config);
    let mut in_each_tenth = [0; 10];
    for _ in 0..1_000 {
        let Subscription::Full(after) = news.subscribe(&LastEventId::Absent) else { panic!() };
        let later = after.checked_sub(delay).unwrap();
        in_each_tenth[later.as_secs() as usize / 10] += 1;
    }
    assert!(in_each_tenth.iter().all(|count| (95..=105).contains(count)), "{in_each_tenth:?}");
}
