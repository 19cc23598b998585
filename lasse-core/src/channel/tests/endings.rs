//! How channels end.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll};

use super::topics::join_to;
use super::*;
use crate::log::{AppendError, Compaction};
use crate::source::{Next, Source};
use crate::topic::{Topic, TopicFilter, TopicPattern};

#[test]
fn a_finished_channel_ends_its_streams_and_is_complete_for_clients_that_have_all_of_it() {
    let answer = channel(keeping(10));
    publish(&answer, 1..=1);
    let mut reader = join(&answer, &last("k-0"));
    answer.finish_with(Event::new("2")).unwrap();
    assert!(answer.finish_with(Event::new("3")).unwrap_err().ending().is_some());
    assert_eq!(read(&mut reader), "data: 1\nid: k-1\n\ndata: 2\nid: k-2\n\n");
    assert_eq!(read(&mut reader), "Over(Finished)");
    for last in [last("k-2"), LastEventId::Absent, LastEventId::Empty] {
        assert!(matches!(answer.subscribe(&last), Subscription::Complete), "{last:?}");
    }
    assert_eq!(text(join(&answer, &last("k-1")).first_frames()), "data: 2\nid: k-2\n\n");
    assert_eq!(answer.stats().complete, 3);
}

#[test]
fn a_client_that_no_notice_would_move_is_stopped_by_the_status() {
    let answer = channel(ChannelConfig::new().with_reset(None).with_position(None));
    assert!(matches!(answer.subscribe(&last("j-1")), Subscription::Stream(_)));
    answer.finish();
    assert!(matches!(answer.subscribe(&last("j-1")), Subscription::Complete));
    for config in [ChannelConfig::new().with_reset(None), ChannelConfig::new().with_position(None)]
    {
        let answer = channel(config);
        answer.finish();
        let stream = answer.subscribe(&last("j-1"));
        assert!(matches!(stream, Subscription::Stream(_)), "a notice moves it");
    }
}

#[test]
fn a_publisher_that_panics_aborts_its_channel() {
    let answer = channel(keeping(10));
    let mut reader = join_at_end(&answer);
    let publisher = answer.publisher().with_last_event(Event::new("the model failed"));
    let task = AssertUnwindSafe(move || {
        publisher.publish(Event::new("to be")).unwrap();
        panic!("of the test");
    });
    assert!(catch_unwind(task).is_err());
    assert!(read(&mut reader).ends_with("data: the model failed\nid: k-2\n\n"));
    assert_eq!(reader.poll_next(at(0), &mut Context::from_waker(Waker::noop())), Next::Abort);
    assert!(matches!(answer.subscribe(&last("k-2")), Subscription::Complete));
}

#[test]
fn the_last_event_of_a_publisher_can_have_a_topic() {
    let topic = |name: &'static str| Topic::from_static(name);
    for fails in [true, false] {
        let rooms = channel(keeping(10));
        let readers = ["room.tea", "room.cake"].map(|name| TopicFilter::from(topic(name)));
        let [mut tea, mut cake] = readers.map(|filter| join_to(&rooms, &filter, &last("k-0")));
        let failed = Event::new("the kettle failed");
        let publisher = rooms.publisher().with_last_event_to(&topic("room.tea"), failed);
        let (event, ending) = match fails {
            true => {
                drop(publisher);
                ("data: the kettle failed\nid: k-1\n\n", "Over(Aborted)")
            }
            false => {
                publisher.finish_with_to(&topic("room.tea"), Event::new("tea is over")).unwrap();
                ("data: tea is over\nid: k-1\n\n", "Over(Finished)")
            }
        };
        assert_eq!((read(&mut tea).as_str(), read(&mut tea).as_str()), (event, ending));
        assert_eq!(read(&mut cake), ending);
    }
}

#[test]
fn a_last_event_that_is_refused_aborts_the_channel() {
    let own = EventId::new("own").unwrap();
    for topic in [None, Some(Topic::from_static("room.tea"))] {
        let rooms = channel(keeping(10));
        publish(&rooms, 1..=1);
        let event = Event::new("failed").with_id(own.clone());
        drop(match &topic {
            Some(topic) => rooms.publisher().with_last_event_to(topic, event),
            None => rooms.publisher().with_last_event(event),
        });
        assert_eq!((rooms.ending(), rooms.stats().published), (Some(Ending::Aborted), 1));
    }
}

#[test]
fn a_publisher_that_finishes_leaves_no_last_event() {
    let answer = channel(keeping(10));
    let publisher = answer.publisher().with_last_event(Event::new("failed"));
    publisher.finish();
    assert_eq!((answer.ending(), answer.stats().published), (Some(Ending::Finished), 0));
    drop(answer.publisher());
    assert_eq!(answer.ending(), Some(Ending::Finished));
}

#[test]
fn a_channel_without_handles_is_aborted() {
    let news = channel(keeping(10));
    let mut reader = join(&news, &LastEventId::Absent);
    let other = news.clone();
    drop(news);
    publish(&other, 1..=1);
    drop(other);
    assert_eq!(text(reader.first_frames()), position("k-0") + "data: 1\nid: k-1\n\n");
    assert_eq!(read(&mut reader), "Over(Aborted)");
}

#[test]
fn the_end_of_a_channel_can_be_awaited() {
    let answer = channel(keeping(10));
    let (wakes, waker) = WakeCount::new();
    let mut cx = Context::from_waker(&waker);
    let mut ended = pin!(answer.ended());
    assert_eq!(ended.as_mut().poll(&mut cx), Poll::Pending);
    publish(&answer, 1..=1);
    assert_eq!((ended.as_mut().poll(&mut cx), wakes.get()), (Poll::Pending, 0));
    drop(answer);
    assert_eq!(wakes.get(), 1, "the future does not keep the channel from ending");
    assert_eq!(ended.as_mut().poll(&mut cx), Poll::Ready(Ending::Aborted));

    let (answer, (unused, waker)) = (channel(keeping(10)), WakeCount::new());
    let mut left = Box::pin(answer.ended());
    assert!(left.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(left);
    answer.finish();
    assert_eq!((unused.get(), Arc::strong_count(&unused)), (0, 2));
    assert_eq!(pin!(answer.ended()).poll(&mut cx), Poll::Ready(Ending::Finished));
}

#[test]
fn a_channel_is_idle_when_it_has_had_no_reader_for_the_grace_period() {
    let answer = channel(keeping(10));
    let (wakes, waker) = WakeCount::new();
    let mut cx = Context::from_waker(&waker);
    let mut watch = answer.idle(Duration::from_secs(10));
    assert!(watch.poll_idle(at(0), &mut cx).is_pending());
    assert_eq!(watch.deadline(), Some(at(10)));
    let reader = join(&answer, &LastEventId::Absent);
    assert!(watch.poll_idle(at(10), &mut cx).is_pending());
    assert_eq!((watch.deadline(), wakes.get()), (None, 0));
    drop(reader);
    assert_eq!(wakes.get(), 1);
    assert!(watch.poll_idle(at(11), &mut cx).is_pending());
    drop(join(&answer, &LastEventId::Absent));
    assert!(watch.poll_idle(at(20), &mut cx).is_pending(), "there was a reader in between");
    assert_eq!(watch.deadline(), Some(at(30)));
    assert!(watch.poll_idle(at(30), &mut cx).is_ready());

    let (unused, waker) = WakeCount::new();
    let mut watch = answer.idle(Duration::from_secs(10));
    assert!(watch.poll_idle(at(30), &mut Context::from_waker(&waker)).is_pending());
    assert_eq!(Arc::strong_count(&unused), 3);
    drop(watch);
    assert_eq!(Arc::strong_count(&unused), 2, "it leaves no waker");
}

#[test]
fn the_last_event_of_a_channel_can_have_a_topic() {
    let (tea, cake) = (Topic::from_static("tea"), Topic::from_static("cake"));
    for (ends_well, ending) in [(true, Ending::Finished), (false, Ending::Aborted)] {
        let rooms = channel(keeping(10));
        let mut readers = [&tea, &cake].map(|topic| {
            match rooms.subscribe_to(&TopicFilter::from(topic.clone()), &LastEventId::Absent) {
                Subscription::Stream(reader) => reader,
                other => panic!("{other:?}"),
            }
        });
        let event = Event::new("closed");
        let id = if ends_well {
            rooms.finish_with_to(&tea, &event)
        } else {
            rooms.abort_with_to(&tea, &event)
        };
        assert_eq!(id.unwrap().as_str(), "k-1");
        assert_eq!(rooms.ending(), Some(ending));
        let all = readers.each_mut().map(|reader| text(reader.first_frames()));
        assert_eq!(all, [position("k-0") + "data: closed\nid: k-1\n\n", position("k-0")]);
        let refused = rooms.finish_with_to(&tea, &event);
        assert_eq!(refused, Err(AppendError::Ended(ending)));
    }
}

#[test]
fn several_events_of_topics_are_published_all_or_none() {
    let prices = TopicFilter::from(TopicPattern::from_static("price.*"));
    let config = keeping(10).with_compaction(Compaction::new(prices.clone()).with_max_keys(2));
    let ticker = channel(config);
    let topic = |name: &str| Topic::new(format!("price.{name}")).unwrap();
    let publish = |names: &[&str]| {
        ticker.publish_all_to(names.iter().map(|name| (topic(name), Event::new(name.to_string()))))
    };
    assert_eq!(publish(&[]), Ok(None));
    assert_eq!(publish(&["tea", "tea", "cake"]).unwrap().unwrap().as_str(), "k-3");
    assert_eq!(publish(&["tea", "pie", "cake"]), Err(AppendError::TooManyKeys { max: 2 }));
    let own = [(topic("tea"), Event::new("x")), (topic("tea"), Event::new("y").with_id(id("own")))];
    assert_eq!(ticker.publish_all_to(own), Err(AppendError::TopicWithOwnId));
    assert_eq!((ticker.stats().published, ticker.last_id()), (3, Some(id("k-3"))));
    ticker.finish();
    assert_eq!(publish(&[]), Ok(None));
    assert_eq!(publish(&["tea"]), Err(AppendError::Ended(Ending::Finished)));
}
