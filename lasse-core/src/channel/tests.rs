use std::boxed::Box;
use std::format;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::{String, ToString};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::vec::Vec;

use super::*;
use crate::config::StreamConfig;
use crate::connection::{Close, Connection, Output};
use crate::end::EndReason;
use crate::field::EventName;
use crate::frame::Frame;
use crate::log::{Read, ResetReason, Retention};
use crate::source::{Next, Source};

fn channel(config: ChannelConfig) -> Channel {
    Channel::with_epoch(&config, Epoch::new("k").unwrap())
}

pub(super) fn keeping(events: u64) -> ChannelConfig {
    ChannelConfig::new().with_retention(Retention::new().with_events(events))
}

pub(super) fn publish(channel: &Channel, range: std::ops::RangeInclusive<u64>) {
    for n in range {
        channel.publish(&Event::new(n.to_string())).unwrap();
    }
}

fn said(text: &str) -> LastEventId {
    LastEventId::Id(EventId::new(text.to_string()).unwrap())
}

pub(super) fn join(channel: &Channel, last: &LastEventId) -> Subscriber {
    match channel.subscribe(last) {
        Subscription::Stream(subscriber) => subscriber,
        other => panic!("{other:?}"),
    }
}

fn text(frames: impl IntoIterator<Item = Frame>) -> String {
    let bytes: Vec<u8> = frames.into_iter().flat_map(|frame| frame.as_bytes().to_vec()).collect();
    String::from_utf8(bytes).unwrap()
}

pub(super) fn read(subscriber: &mut Subscriber) -> String {
    match subscriber.read() {
        Read::Events(frame) => text([frame]),
        other => format!("{other:?}"),
    }
}

pub(super) fn at(seconds: u64) -> Instant {
    Instant::from_nanos(0) + Duration::from_secs(seconds)
}

/// How often it was woken.
#[derive(Default)]
struct Alarm(AtomicUsize);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Alarm {
    fn new() -> (Arc<Self>, Waker) {
        let alarm = Arc::new(Self::default());
        (Arc::clone(&alarm), Waker::from(alarm))
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn who_is_new_is_told_its_position_and_then_hears_what_comes() {
    let news = channel(keeping(10));
    publish(&news, 1..=2);
    let mut reader = join(&news, &LastEventId::Absent);
    assert_eq!(reader.outcome(), ResumeOutcome::Fresh);
    assert_eq!(text(reader.first_frames()), "id: k-2\n\n");
    assert_eq!(read(&mut reader), "Wait");
    publish(&news, 3..=4);
    assert_eq!(read(&mut reader), "data: 3\nid: k-3\n\ndata: 4\nid: k-4\n\n");
}

#[test]
fn a_stream_begins_the_same_whether_asked_for_its_first_frames_or_read() {
    let news = channel(keeping(10).with_start(StartAt::Oldest));
    publish(&news, 1..=1);
    let mut asked = join(&news, &LastEventId::Absent);
    assert_eq!(text(asked.first_frames()), "id: k-0\n\ndata: 1\nid: k-1\n\n");
    let mut reader = join(&news, &LastEventId::Absent);
    assert_eq!(read(&mut reader), "id: k-0\n\n");
    assert_eq!(read(&mut reader), "data: 1\nid: k-1\n\n");
    assert_eq!(read(&mut reader), "Wait");
}

#[test]
fn who_comes_back_is_told_nothing_but_what_it_missed() {
    let news = channel(keeping(10));
    publish(&news, 1..=3);
    let mut reader = join(&news, &said("k-2"));
    assert_eq!(reader.outcome(), ResumeOutcome::Resumed);
    assert_eq!(text(reader.first_frames()), "data: 3\nid: k-3\n\n");
}

#[test]
fn a_reset_says_why_and_moves_the_client_along() {
    let news = channel(keeping(2));
    publish(&news, 1..=5);
    for (last, reason, requested) in [
        (said("k-2"), "expired", "\"k-2\""),
        (said("j-2"), "foreign", "\"j-2\""),
        (said("k-9"), "ahead", "\"k-9\""),
        (said("\"\\ \u{1}ä"), "unknown", "\"\\\"\\\\ \\u0001ä\""),
        (LastEventId::from_values([b"\xff".as_slice()]), "unknown", "null"),
    ] {
        let mut reader = join(&news, &last);
        let data =
            format!("{{\"reason\":\"{reason}\",\"requested\":{requested},\"resumed_at\":\"k-5\"}}");
        let expected = format!("event: reset\ndata: {data}\nid: k-5\n\n");
        assert_eq!(text(reader.first_frames()), expected);
    }
}

#[test]
fn who_comes_back_too_late_may_be_given_what_is_left() {
    let news = channel(keeping(2).with_backfill(true));
    publish(&news, 1..=5);
    let frames = join(&news, &said("k-1")).first_frames();
    assert!(text(frames.clone()).contains("\"resumed_at\":\"k-3\"}\nid: k-3\n\ndata: 4\n"));
    let foreign = join(&news, &said("j-1")).first_frames();
    assert!(text(foreign).ends_with("\"resumed_at\":\"k-5\"}\nid: k-5\n\n"));
}

#[test]
fn notices_are_as_configured() {
    let name = EventName::from_static("gap");
    let data = "{\"reason\":\"foreign\",\"requested\":\"j-1\",\"resumed_at\":\"k-0\"}";
    let id = "id: k-0\n\n";
    let opened = "event: open\ndata: \nid: k-0\n\n";
    for (reset, position, fresh, foreign) in [
        (
            ResetNotice::Event(name),
            PositionNotice::Open,
            opened.to_string(),
            format!("event: gap\ndata: {data}\nid: k-0\n\n"),
        ),
        (
            ResetNotice::Comment,
            PositionNotice::Id,
            id.to_string(),
            format!(": reset: {data}\n{id}"),
        ),
        (ResetNotice::Untold, PositionNotice::Open, opened.to_string(), opened.to_string()),
        (ResetNotice::Untold, PositionNotice::Untold, String::new(), String::new()),
    ] {
        let news = channel(ChannelConfig::new().with_reset(reset).with_position(position));
        assert_eq!(text(join(&news, &LastEventId::Absent).first_frames()), fresh);
        assert_eq!(text(join(&news, &said("j-1")).first_frames()), foreign);
    }
}

#[test]
fn a_snapshot_goes_first_and_the_position_after_it() {
    let news = channel(keeping(3));
    publish(&news, 1..=3);
    let snapshot = || [Frame::comment("a"), Event::new("1..2").encode()];
    let two = EventId::new("k-2").unwrap();
    let mut fresh = join(&news, &LastEventId::Absent);
    fresh.begin_with(snapshot(), &two).unwrap();
    let expected = ": a\ndata: 1..2\n\nid: k-2\n\ndata: 3\nid: k-3\n\n";
    assert_eq!(text(fresh.first_frames()), expected);

    let mut foreign = join(&news, &said("j-1"));
    foreign.begin_with(snapshot(), &two).unwrap();
    let frames = text(foreign.first_frames());
    assert!(frames.starts_with("event: reset\n"), "{frames}");
    assert!(frames.contains("\"resumed_at\":\"k-2\"}\n\n: a\n"), "no id before the snapshot");
    assert!(frames.ends_with(expected));

    publish(&news, 4..=6);
    let stale = join(&news, &LastEventId::Absent).begin_with(snapshot(), &two).unwrap_err();
    assert_eq!(
        stale.to_string(),
        "the channel cannot go on after the snapshot's id (expired); take a newer one"
    );
}

#[test]
fn a_snapshot_may_be_made_while_it_is_taken() {
    let news = channel(keeping(3));
    publish(&news, 1..=1);
    let mut reader = join(&news, &LastEventId::Absent);
    let made = std::iter::once_with(|| {
        publish(&news, 2..=2);
        Frame::comment("1")
    });
    reader.begin_with(made, &EventId::from_static("k-1")).unwrap();
    assert_eq!(text(reader.first_frames()), ": 1\nid: k-1\n\ndata: 2\nid: k-2\n\n");
}

#[test]
fn who_lagged_can_be_given_a_new_snapshot() {
    let news = channel(keeping(2));
    let mut reader = join(&news, &LastEventId::Absent);
    publish(&news, 1..=3);
    reader.first_frames();
    assert_eq!(read(&mut reader), "Lagged");
    reader.begin_with([Frame::comment("all")], &EventId::new("k-2").unwrap()).unwrap();
    let frames = text(reader.first_frames());
    assert!(frames.starts_with("event: reset\ndata: {\"reason\":\"lagged\",\"requested\":null"));
    assert!(frames.ends_with(": all\nid: k-2\n\ndata: 3\nid: k-3\n\n"));
}

#[test]
fn a_finished_channel_ends_its_streams_and_is_complete_for_who_comes_back() {
    let answer = channel(keeping(10));
    publish(&answer, 1..=1);
    let mut reader = join(&answer, &said("k-0"));
    answer.finish_with(&Event::new("2")).unwrap();
    assert!(answer.finish_with(&Event::new("3")).unwrap_err().ending().is_some());
    assert_eq!(read(&mut reader), "data: 1\nid: k-1\n\ndata: 2\nid: k-2\n\n");
    assert_eq!(read(&mut reader), "Over(Finished)");
    for last in [said("k-2"), LastEventId::Absent, LastEventId::Empty] {
        assert!(matches!(answer.subscribe(&last), Subscription::Complete), "{last:?}");
    }
    assert_eq!(text(join(&answer, &said("k-1")).first_frames()), "data: 2\nid: k-2\n\n");
    assert_eq!(answer.stats().complete, 3);
}

#[test]
fn who_could_not_be_told_to_stop_asking_is_told_by_the_status() {
    let notices = [ResetNotice::Untold, ResetNotice::Comment];
    for (notice, position) in
        notices.into_iter().zip([PositionNotice::Untold, PositionNotice::Untold])
    {
        let config = ChannelConfig::new().with_reset(notice).with_position(position);
        let answer = channel(config);
        assert!(matches!(answer.subscribe(&said("j-1")), Subscription::Stream(_)));
        answer.finish();
        assert!(matches!(answer.subscribe(&said("j-1")), Subscription::Complete));
    }
}

#[test]
fn a_publisher_that_panics_aborts_its_channel() {
    let answer = channel(keeping(10));
    let mut reader = join(&answer, &LastEventId::Absent);
    reader.first_frames();
    let publisher = answer.publisher().with_farewell(Event::new("the model failed"));
    let task = AssertUnwindSafe(move || {
        publisher.publish(&Event::new("to be")).unwrap();
        panic!("of the test");
    });
    assert!(catch_unwind(task).is_err());
    assert!(read(&mut reader).ends_with("data: the model failed\nid: k-2\n\n"));
    assert_eq!(reader.poll_next(at(0), &mut Context::from_waker(Waker::noop())), Next::Abort);
    assert!(matches!(answer.subscribe(&said("k-2")), Subscription::Complete));
}

#[test]
fn a_publisher_that_finishes_leaves_no_farewell() {
    let answer = channel(keeping(10));
    let publisher = answer.publisher().with_farewell(Event::new("failed"));
    publisher.finish();
    assert_eq!((answer.ending(), answer.stats().published), (Some(Ending::Finished), 0));
    drop(answer.publisher());
    assert_eq!(answer.ending(), Some(Ending::Finished));
}

#[test]
fn the_last_handle_takes_the_channel_with_it() {
    let news = channel(keeping(10));
    let mut reader = join(&news, &LastEventId::Absent);
    let other = news.clone();
    drop(news);
    publish(&other, 1..=1);
    drop(other);
    assert_eq!(text(reader.first_frames()), "id: k-0\n\ndata: 1\nid: k-1\n\n");
    assert_eq!(read(&mut reader), "Over(Aborted)");
}

#[test]
fn a_reader_that_is_too_slow_is_let_go_or_skips_and_is_counted() {
    for slow in [LagPolicy::Disconnect, LagPolicy::Skip] {
        let news = channel(keeping(2).with_lag_policy(slow));
        let mut reader = join(&news, &LastEventId::Absent);
        reader.first_frames();
        publish(&news, 1..=3);
        if slow == LagPolicy::Disconnect {
            assert_eq!(
                reader.poll_next(at(0), &mut Context::from_waker(Waker::noop())),
                Next::Lagged
            );
            assert_eq!(
                reader.poll_next(at(0), &mut Context::from_waker(Waker::noop())),
                Next::Lagged
            );
        } else {
            let data = "{\"reason\":\"lagged\",\"requested\":null,\"resumed_at\":\"k-1\"}";
            assert_eq!(read(&mut reader), format!("event: reset\ndata: {data}\nid: k-1\n\n"));
            assert_eq!(read(&mut reader), "data: 2\nid: k-2\n\ndata: 3\nid: k-3\n\n");
        }
        assert_eq!(news.stats().resets(ResetReason::Lagged), 1, "{slow:?}");
    }
}

#[test]
fn who_waits_is_woken_once_for_whatever_comes() {
    let news = channel(keeping(10));
    let (alarm, waker) = Alarm::new();
    let mut cx = Context::from_waker(&waker);
    let mut readers: Vec<_> = (0..1000).map(|_| join(&news, &LastEventId::Absent)).collect();
    for reader in &mut readers {
        assert_eq!(reader.poll_wake(&mut cx), Poll::Ready(()), "there is an opening");
        reader.first_frames();
        assert_eq!(reader.poll_wake(&mut cx), Poll::Pending);
        assert_eq!(reader.poll_wake(&mut cx), Poll::Pending);
    }
    publish(&news, 1..=3);
    assert_eq!(alarm.count(), 1000);
    for reader in &mut readers {
        assert_eq!(reader.poll_wake(&mut cx), Poll::Ready(()));
        assert!(read(reader).ends_with("id: k-3\n\n"));
        assert_eq!(reader.poll_wake(&mut cx), Poll::Pending);
    }
    readers.truncate(10);
    news.finish();
    assert_eq!(alarm.count(), 1010);
    assert_eq!(news.stats().subscribers, 10);
    assert_eq!(readers[0].poll_wake(&mut cx), Poll::Ready(()));
}

/// A waker that runs a function.
struct Run(Box<dyn Fn() + Send + Sync>);

impl Wake for Run {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

#[test]
fn a_waker_that_panics_does_not_keep_others_from_being_woken() {
    for has_dispatcher in [false, true] {
        let news = channel(keeping(10));
        let panics = Waker::from(Arc::new(Run(Box::new(|| panic!("of the test")))));
        let (alarm, waker) = Alarm::new();
        let mut readers: Vec<_> = (0..200).map(|_| join(&news, &LastEventId::Absent)).collect();
        for (n, reader) in readers.iter_mut().enumerate() {
            reader.first_frames();
            let waker = if n % 70 == 3 { &panics } else { &waker };
            assert!(reader.poll_wake(&mut Context::from_waker(waker)).is_pending());
        }
        let mut dispatcher = news.dispatcher().filter(|_| has_dispatcher);
        let mut panics = 0;
        if catch_unwind(AssertUnwindSafe(|| publish(&news, 1..=1))).is_err() {
            panics += 1;
        }
        while let Some(dispatcher) = &mut dispatcher {
            match catch_unwind(AssertUnwindSafe(|| dispatcher.wake_some())) {
                Ok(false) => break,
                Ok(true) => {}
                Err(_) => panics += 1,
            }
        }
        assert_eq!(alarm.count(), 197, "dispatcher: {has_dispatcher}");
        assert_eq!(panics, if has_dispatcher { 3 } else { 1 }, "the caller learns of it");
    }
}

#[test]
fn a_publisher_wakes_those_that_waited_when_it_published_and_no_others() {
    let news = channel(keeping(10));
    let reader = Arc::new(Mutex::new(join(&news, &LastEventId::Absent)));
    reader.lock().unwrap().first_frames();
    let (alarm, _) = Alarm::new();
    let dispatchers = Mutex::new(Vec::new());
    // Waits again each time, and has another publisher make it due.
    let waker = Arc::new_cyclic(|itself: &Weak<Run>| {
        let (itself, news) = (itself.clone(), news.clone());
        let (alarm, reader) = (Arc::clone(&alarm), Arc::clone(&reader));
        Run(Box::new(move || {
            alarm.0.fetch_add(1, Ordering::Relaxed);
            if alarm.count() < 10 {
                dispatchers.lock().unwrap().extend(news.dispatcher());
                let mut reader = reader.lock().unwrap();
                while let Read::Events(_) = reader.read() {}
                let waker = Waker::from(itself.upgrade().unwrap());
                assert!(reader.poll_wake(&mut Context::from_waker(&waker)).is_pending());
                publish(&news, 1..=1);
            }
        }))
    });
    let waker = Waker::from(waker);
    assert!(reader.lock().unwrap().poll_wake(&mut Context::from_waker(&waker)).is_pending());
    publish(&news, 1..=1);
    assert_eq!(alarm.count(), 1);
}

#[test]
fn who_waits_is_not_woken_for_nothing() {
    let answer = channel(keeping(10));
    let (alarm, waker) = Alarm::new();
    let mut reader = join(&answer, &LastEventId::Absent);
    reader.first_frames();
    assert!(reader.poll_wake(&mut Context::from_waker(&waker)).is_pending());
    let unfit = EventId::from_static("k-7");
    answer.publish(&Event::new("").with_id(unfit)).unwrap_err();
    answer.clear();
    answer.advance(at(1));
    assert_eq!(alarm.count(), 0);
    answer.finish();
    answer.finish();
    assert_eq!(alarm.count(), 1);
}

#[test]
fn who_left_is_not_woken_and_its_waker_is_gone() {
    let news = channel(keeping(10));
    let (alarm, waker) = Alarm::new();
    for _ in 0..1000 {
        let mut reader = join(&news, &LastEventId::Absent);
        reader.first_frames();
        assert!(reader.poll_wake(&mut Context::from_waker(&waker)).is_pending());
    }
    publish(&news, 1..=1);
    assert_eq!((alarm.count(), Arc::strong_count(&alarm)), (0, 2));
}

#[test]
fn a_pump_wakes_instead_of_publish() {
    let config = ChannelConfig::new().with_linger(Duration::from_millis(5));
    let news = channel(config);
    let mut dispatcher = news.dispatcher().unwrap();
    assert!(news.dispatcher().is_none(), "there is one seat");
    assert_eq!(dispatcher.linger(), Duration::from_millis(5));
    let ((alarm, waker), (dispatcher_alarm, dispatcher_waker)) = (Alarm::new(), Alarm::new());
    let (mut cx, mut dispatcher_cx) =
        (Context::from_waker(&waker), Context::from_waker(&dispatcher_waker));
    assert!(dispatcher.poll_due(at(0), &mut dispatcher_cx).is_pending());
    publish(&news, 1..=1);
    assert_eq!(dispatcher_alarm.count(), 0, "no one waits");

    let mut readers: Vec<_> = (0..100).map(|_| join(&news, &LastEventId::Absent)).collect();
    for reader in &mut readers {
        reader.first_frames();
        assert!(reader.poll_wake(&mut cx).is_pending());
    }
    publish(&news, 2..=5);
    assert_eq!((alarm.count(), dispatcher_alarm.count()), (0, 1));
    assert_eq!(dispatcher.poll_due(at(0), &mut dispatcher_cx), Poll::Ready(true));
    assert!(dispatcher.wake_some());
    assert_eq!(alarm.count(), 64);
    assert!(!dispatcher.wake_some());
    assert_eq!(alarm.count(), 100);
    assert!(dispatcher.poll_due(at(0), &mut dispatcher_cx).is_pending());

    for reader in &mut readers {
        read(reader);
        assert!(reader.poll_wake(&mut cx).is_pending());
    }
    publish(&news, 6..=6);
    drop(dispatcher);
    assert_eq!(alarm.count(), 200, "nobody is forgotten when the dispatcher goes");
    let mut dispatcher = news.dispatcher().unwrap();
    assert!(dispatcher.poll_due(at(0), &mut dispatcher_cx).is_pending());
    drop((readers, news));
    assert_eq!(dispatcher_alarm.count(), 3);
    assert_eq!(dispatcher.poll_due(at(0), &mut dispatcher_cx), Poll::Ready(false));
}

#[test]
fn a_pump_tells_the_time() {
    let retention = Retention::new().with_age(Duration::from_secs(16));
    let news = channel(ChannelConfig::new().with_retention(retention));
    let mut dispatcher = news.dispatcher().unwrap();
    let (alarm, waker) = Alarm::new();
    let mut cx = Context::from_waker(&waker);
    assert!(dispatcher.poll_due(at(0), &mut cx).is_pending());
    assert_eq!(dispatcher.deadline(), None);
    publish(&news, 1..=1);
    assert_eq!(alarm.count(), 1, "to learn of a deadline");
    assert!(dispatcher.poll_due(at(1), &mut cx).is_pending());
    assert_eq!(dispatcher.deadline(), Some(at(1 + 1 + 16)));
    assert!(dispatcher.poll_due(at(18), &mut cx).is_pending());
    assert_eq!((news.stats().events, dispatcher.deadline()), (0, None));
}

#[test]
fn a_channel_is_deserted_when_no_one_has_listened_for_the_time_of_grace() {
    let answer = channel(keeping(10));
    let (alarm, waker) = Alarm::new();
    let mut cx = Context::from_waker(&waker);
    let mut watch = answer.idle(Duration::from_secs(10));
    assert!(watch.poll_idle(at(0), &mut cx).is_pending());
    assert_eq!(watch.deadline(), Some(at(10)));
    let reader = join(&answer, &LastEventId::Absent);
    assert!(watch.poll_idle(at(10), &mut cx).is_pending());
    assert_eq!((watch.deadline(), alarm.count()), (None, 0));
    drop(reader);
    assert_eq!(alarm.count(), 1);
    assert!(watch.poll_idle(at(11), &mut cx).is_pending());
    drop(join(&answer, &LastEventId::Absent));
    assert!(watch.poll_idle(at(20), &mut cx).is_pending(), "someone was here");
    assert_eq!(watch.deadline(), Some(at(30)));
    assert!(watch.poll_idle(at(30), &mut cx).is_ready());
}

#[test]
fn there_are_no_more_subscribers_than_there_may_be() {
    let config = keeping(10).with_max_subscribers(2).with_retry_when_full(Duration::from_secs(4));
    let news = channel(config);
    let readers = [(), ()].map(|()| join(&news, &LastEventId::Absent));
    let mut delays = Vec::new();
    for _ in 0..8 {
        let Subscription::Full(delay) = news.subscribe(&LastEventId::Absent) else { panic!() };
        delays.push(delay);
    }
    delays.sort();
    assert!(delays[0] >= Duration::from_secs(4) && delays[7] <= Duration::from_secs(8));
    assert!(delays.windows(2).all(|pair| pair[1] - pair[0] > Duration::from_millis(200)));
    drop(readers);
    join(&news, &LastEventId::Absent);
    assert_eq!((news.stats().full, news.stats().fresh), (8, 3));
}

#[test]
fn a_subscriber_is_the_source_of_a_stream() {
    let news = channel(keeping(10));
    let (now, config) = (at(0), StreamConfig::new().with_first_byte(false));
    let mut reader = join(&news, &LastEventId::Absent);
    let first = reader.first_frames();
    let mut stream = Connection::open(reader, first, &config, now);
    let (alarm, waker) = Alarm::new();
    let mut cx = Context::from_waker(&waker);
    let mut write_all = |stream: &mut Connection<Subscriber>| {
        let mut sent = String::new();
        loop {
            match stream.poll_output(now, &mut cx) {
                Output::Write(bytes) => {
                    sent.push_str(core::str::from_utf8(&bytes).unwrap());
                    stream.handle_written(bytes.len(), now);
                }
                Output::Close(close) => return (sent, Some(close)),
                Output::Wait => return (sent, None),
            }
        }
    };
    assert_eq!(write_all(&mut stream), ("id: k-0\n\n".to_string(), None));
    publish(&news, 1..=1);
    assert_eq!(alarm.count(), 1);
    assert_eq!(write_all(&mut stream), ("data: 1\nid: k-1\n\n".to_string(), None));
    publish(&news, 2..=2);
    news.finish();
    let expected = ("data: 2\nid: k-2\n\n".to_string(), Some(Close::Clean));
    assert_eq!(write_all(&mut stream), expected);
    assert_eq!(stream.reason(), Some(EndReason::Stopped));
    assert_eq!(news.stats().subscribers, 0, "it left when the stream ended");
}

#[cfg(feature = "http")]
#[test]
fn a_request_for_a_channel_is_answered_by_its_events() {
    use crate::connection::Body;

    let answer = channel(keeping(10).with_max_subscribers(1).with_start(StartAt::Oldest));
    publish(&answer, 1..=2);
    let config = StreamConfig::new().with_first_byte(false);
    let ask = |uri: &str| {
        let request = http::Request::get(uri).body(()).unwrap();
        Connection::<Subscriber>::accept(&request, || answer.clone(), &config, at(0))
    };
    let (head, body) = ask("/?last_event_id=k-1").into_parts();
    let Body::Stream(mut stream) = body else { panic!("{body:?}") };
    assert_eq!(head.status, 200);
    assert_eq!(
        stream.poll_output(at(0), &mut Context::from_waker(Waker::noop())),
        Output::Write("data: 2\nid: k-2\n\n".into())
    );

    let Body::Full(come_back) = ask("/").into_body() else { panic!("there is no room") };
    assert!(come_back.starts_with(b"retry: "));
    drop(stream);
    answer.finish();
    assert_eq!(ask("/?last_event_id=k-2").status(), 204);
    assert_eq!(ask("/").status(), 200);
}
