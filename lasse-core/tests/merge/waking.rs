//! Turns, and wake-ups.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake};
use std::time::Duration;

use lasse_core::Progress;

use super::*;

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn each_channel_wakes_the_stream_once() {
    for shards in [1, 2] {
        let config = ChannelConfig::new().with_shards(shards).with_shards_above(0);
        let (own, all) = (channel("a", &config), channel("b", &config));
        let mut stream = join([("me", &own), ("all", &all)], &LastEventId::Absent);
        first(&mut stream);
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut poll = || match stream.poll_next(START, &mut Context::from_waker(&waker)) {
            Next::Wait(_) => Poll::Pending,
            next => Poll::Ready(next),
        };
        for (nth, channel) in [&own, &all, &all, &own].into_iter().enumerate() {
            for _ in 0..3 {
                assert!(poll().is_pending());
            }
            assert_eq!(wakes.0.load(Ordering::Relaxed), nth);
            publish(channel, 1..=3);
            assert_eq!(wakes.0.load(Ordering::Relaxed), nth + 1, "{shards} shards");
            assert!(poll().is_ready());
        }
    }
}

#[test]
fn a_busy_channel_takes_turns_with_the_others() {
    let config = ChannelConfig::new().with_read_budget(1);
    let channels = ["a", "b", "c"].map(|epoch| channel(epoch, &config));
    let [busy, quiet, slow] = &channels;
    let at = "busy.a-0~quiet.b-0~slow.c-0";
    let mut stream = join([("busy", busy), ("quiet", quiet), ("slow", slow)], &last(at));
    publish(busy, 1..=5);
    publish(quiet, 6..=6);
    publish(slow, 7..=8);
    let sent = read(&mut stream);
    let order: Vec<_> = sent.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(order, ["1", "6", "7", "2", "8", "3", "4", "5"]);
}

#[test]
fn the_first_frames_stop_where_a_slice_is_full() {
    let (own, all) = two();
    own.publish(Event::new("x".repeat(20_000))).unwrap();
    publish(&all, 1..=1);
    let mut stream = join([("me", &own), ("all", &all)], &last("me.a-0~all.b-0"));
    let expected = event("x".repeat(20_000), "me.a-1~all.b-0");
    assert_eq!(first(&mut stream), expected);
    assert_eq!(read(&mut stream), event(1, "me.a-1~all.b-1"));
}

#[test]
fn the_copies_that_a_client_has_not_taken_are_counted_in_their_channel() {
    let (own, all) = two();
    let mut stream = join([("me", &own), ("all", &all)], &last("me.a-0~all.b-0"));
    publish(&own, 1..=1);
    let first = stream.first_frames();
    publish(&all, 1..=9);
    let next = stream.poll_next(START, &mut Context::from_waker(Waker::noop()));
    let Next::Send(second) = next else { panic!("{next:?}") };
    let before = [&own, &all].map(|channel| channel.stats().bytes_in_flight);
    let lens = [first[0].len(), second.len()];
    drop((first, second));
    let after = [&own, &all].map(|channel| channel.stats().bytes_in_flight);
    assert_eq!([after[0] + lens[0], after[1] + lens[1]], before);
}

#[test]
fn a_stream_is_as_far_behind_as_its_channels_are() {
    let progress =
        |behind, ahead_of_oldest, published| Some(Progress { behind, ahead_of_oldest, published });
    let (own, all) = (channel("a", &keeping(3)), channel("b", &keeping(5)));
    let mut stream = join([("me", &own), ("all", &all)], &LastEventId::Absent);
    assert_eq!(stream.progress(), None, "it is before the logs");
    stream.first_frames();
    assert_eq!(stream.progress(), progress(0, None, None));
    publish(&own, 1..=4);
    publish(&all, 1..=6);
    assert_eq!(stream.progress(), progress(10, Some(0), None));

    let mut stream = join([("me", &own), ("all", &all)], &last("me.a-2~all.b-2"));
    assert_eq!(stream.progress(), progress(6, Some(1), None));
    read(&mut stream);
    assert_eq!(stream.progress(), progress(0, Some(3), None));
    all.stats_reader().sample_next(|| START);
    publish(&all, 7..=7);
    read(&mut stream);
    assert_eq!(stream.progress(), progress(0, Some(3), Some(START)));
    // The event of the other channel is the last one.
    publish(&own, 5..=5);
    read(&mut stream);
    assert_eq!(stream.progress(), progress(0, Some(3), None));
}

#[test]
fn a_quiet_part_moves_on_while_another_is_busy() {
    use lasse_core::{MergedId, Topic, TopicFilter};
    let (own, rooms) = two();
    let (tea, cake) = (Topic::from_static("room.tea"), Topic::from_static("room.cake"));
    let at = MergedId::from(&last("me.a-0~rooms.b-0"));
    let subscriptions = [
        ("me", own.subscribe(&at.of_channel("me"))),
        ("rooms", rooms.subscribe_to(&TopicFilter::from(tea), &at.of_channel("rooms"))),
    ];
    let mut stream = stream(MergedSubscription::new(subscriptions, &at).unwrap());
    let mut send_at = |nth: u64| {
        rooms.publish_to(&cake, Event::new("x")).unwrap();
        publish(&own, nth..=nth);
        let now = START + Duration::from_secs(nth);
        let next = stream.poll_next(now, &mut Context::from_waker(Waker::noop()));
        let Next::Send(frame) = next else { panic!("{next:?}") };
        text(&frame).to_owned()
    };
    assert_eq!(send_at(1), event(1, "me.a-1~rooms.b-0"));
    assert_eq!(send_at(2), event(2, "me.a-2~rooms.b-0"));
    assert_eq!(send_at(16), event(16, "me.a-3~rooms.b-3"));
    assert_eq!(send_at(30), event(30, "me.a-4~rooms.b-3"));
    // In place of a keep-alive, if the stream is quiet.
    let position = position("me.a-4~rooms.b-4");
    assert_eq!(stream.keep_alive().as_ref().map(text), Some(position.as_str()));
    assert_eq!(stream.keep_alive(), None);
}

#[test]
fn a_merged_stream_takes_little_more_than_its_subscribers() {
    use lasse_core::Subscriber;
    assert!(size_of::<MergedSubscriber>() <= 80, "{}", size_of::<MergedSubscriber>());
    assert!(size_of::<Subscriber>() <= 64, "{}", size_of::<Subscriber>());
}
