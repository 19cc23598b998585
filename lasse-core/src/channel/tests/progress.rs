//! How far a reader is behind, and when what it read last was published.

use super::*;
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
