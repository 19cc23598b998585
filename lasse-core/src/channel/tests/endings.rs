//! How channels end.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll};

use super::*;
use crate::source::{Next, Source};

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
}
