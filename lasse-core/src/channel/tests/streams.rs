//! How streams start, resume and skip.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use super::*;
use crate::config::StreamConfig;
use crate::connection::{Close, Connection, Output};
use crate::end::EndReason;
use crate::field::EventName;
use crate::log::ResetReason;
use crate::source::{Next, Source};

#[test]
fn a_new_client_receives_its_position_and_then_new_events() {
    let news = channel(keeping(10));
    publish(&news, 1..=2);
    let mut reader = join(&news, &LastEventId::Absent);
    assert_eq!(reader.outcome(), ResumeOutcome::Fresh);
    assert_eq!(text(reader.first_frames()), position("k-2"));
    assert_eq!(read(&mut reader), "Wait");
    publish(&news, 3..=4);
    assert_eq!(read(&mut reader), "data: 3\nid: k-3\n\ndata: 4\nid: k-4\n\n");
}

#[test]
fn a_stream_starts_the_same_with_and_without_a_call_of_first_frames() {
    let news = channel(keeping(10).with_start(StartAt::Oldest));
    publish(&news, 1..=1);
    let mut reader = join(&news, &LastEventId::Absent);
    assert_eq!(text(reader.first_frames()), position("k-0") + "data: 1\nid: k-1\n\n");
    let mut reader = join(&news, &LastEventId::Absent);
    assert_eq!(read(&mut reader), position("k-0"));
    assert_eq!(read(&mut reader), "data: 1\nid: k-1\n\n");
    assert_eq!(read(&mut reader), "Wait");
}

#[test]
fn a_client_that_resumes_is_sent_what_it_missed_and_nothing_else() {
    let news = channel(keeping(10));
    publish(&news, 1..=3);
    let mut reader = join(&news, &last("k-2"));
    assert_eq!(reader.outcome(), ResumeOutcome::Resumed);
    assert_eq!(text(reader.first_frames()), "data: 3\nid: k-3\n\n");
}

#[test]
fn a_reset_gives_the_reason_and_moves_the_client() {
    let news = channel(keeping(2));
    publish(&news, 1..=5);
    for (last, reason, requested) in [
        (last("k-2"), "expired", "\"k-2\""),
        (last("j-2"), "foreign", "\"j-2\""),
        (last("k-9"), "ahead", "\"k-9\""),
        (last("\"\\ \u{1}ä"), "unknown", "\"\\\"\\\\ \\u0001ä\""),
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
fn a_client_whose_id_has_expired_can_receive_the_rest() {
    let news = channel(keeping(2).with_backfill(true));
    publish(&news, 1..=5);
    let expired = join(&news, &last("k-1")).first_frames();
    assert!(text(expired).contains("\"resumed_at\":\"k-3\"}\nid: k-3\n\ndata: 4\n"));
    let foreign = join(&news, &last("j-1")).first_frames();
    assert!(text(foreign).ends_with("\"resumed_at\":\"k-5\"}\nid: k-5\n\n"));
}

#[test]
fn notices_have_the_configured_form() {
    let data = "{\"reason\":\"foreign\",\"requested\":\"j-1\",\"resumed_at\":\"k-0\"}";
    let here = "event: here\ndata: {\"at\":\"k-0\"}\nid: k-0\n\n";
    let [gap, named] = ["gap", "here"].map(NoticeName::from_static);
    let reset = format!("event: gap\ndata: {data}\nid: k-0\n\n");
    for (gap, named, fresh, foreign) in [
        (Some(gap.clone()), Some(named.clone()), here, &*reset),
        (Some(gap), None, "", &*reset),
        (None, Some(named), here, here),
        (None, None, "", ""),
    ] {
        let news = channel(ChannelConfig::new().with_reset(gap).with_position(named));
        assert_eq!(text(join(&news, &LastEventId::Absent).first_frames()), fresh);
        assert_eq!(text(join(&news, &last("j-1")).first_frames()), foreign);
    }
}

#[test]
fn no_notice_has_a_name_that_event_source_uses_itself() {
    for name in ["open", "error"] {
        let refused = NoticeName::new(EventName::new(name).unwrap()).unwrap_err();
        let message = "EventSource dispatches events named `open` and `error` itself";
        assert_eq!(refused.to_string(), message);
    }
    let name = NoticeName::new(EventName::from_static("opened")).unwrap();
    assert_eq!((name.as_str(), &name), ("opened", &NoticeName::from_static("opened")));
}

#[test]
fn a_client_that_is_ahead_of_a_channel_with_a_shared_epoch_waits_for_it() {
    let news = channel(keeping(10).with_shared_epoch(true));
    publish(&news, 1..=3);
    let (wakes, waker) = WakeCount::new();
    let mut cx = Context::from_waker(&waker);
    let mut reader = join(&news, &last("k-5"));
    assert_eq!(
        (reader.outcome(), text(reader.first_frames())),
        (ResumeOutcome::Resumed, String::new())
    );
    for n in 4..=5 {
        assert!(reader.poll_wake(&mut cx).is_pending());
        publish(&news, n..=n);
        assert_eq!((read(&mut reader), wakes.get()), ("Wait".into(), n as usize - 3));
    }
    assert!(reader.poll_wake(&mut cx).is_pending());
    publish(&news, 6..=6);
    assert_eq!(read(&mut reader), "data: 6\nid: k-6\n\n");
    assert_eq!(news.stats().resets(ResetReason::Ahead), 0);
}

#[test]
fn a_client_that_is_ahead_of_a_channel_is_reset_when_the_channel_ends() {
    let news = channel(keeping(10).with_shared_epoch(true));
    publish(&news, 1..=3);
    let mut reader = join(&news, &last("k-5"));
    assert_eq!(read(&mut reader), "Wait");
    news.finish();
    let data = "{\"reason\":\"ahead\",\"requested\":\"k-5\",\"resumed_at\":\"k-3\"}";
    assert_eq!(read(&mut reader), format!("event: reset\ndata: {data}\nid: k-3\n\n"));
    assert_eq!(
        (read(&mut reader), news.stats().resets(ResetReason::Ahead)),
        ("Over(Finished)".into(), 1)
    );

    let lost = channel(keeping(10));
    assert_eq!(join(&lost, &last("k-5")).outcome(), ResumeOutcome::Reset(ResetReason::Ahead));
}

#[test]
fn a_client_that_is_ahead_of_an_epoch_is_reset_when_the_next_epoch_begins() {
    let news = channel(keeping(10).with_shared_epoch(true));
    publish(&news, 1..=3);
    let (wakes, waker) = WakeCount::new();
    let mut reader = join(&news, &last("k-5"));
    assert_eq!(read(&mut reader), "Wait");
    assert!(reader.poll_wake(&mut Context::from_waker(&waker)).is_pending());
    news.begin_epoch(Epoch::new("m").unwrap()).unwrap();
    assert_eq!(wakes.get(), 1);
    // With the id k-3, a node that has k-4 and k-5 would send them again.
    let data = "{\"reason\":\"ahead\",\"requested\":\"k-5\",\"resumed_at\":\"m-0\"}";
    assert_eq!(read(&mut reader), format!("event: reset\ndata: {data}\nid: m-0\n\n"));

    let late = join(&news, &last("k-5"));
    assert_eq!(late.outcome(), ResumeOutcome::Reset(ResetReason::Ahead));
}

#[test]
fn a_caller_can_reset_a_client_for_a_reason_of_its_own() {
    let news = channel(keeping(10));
    publish(&news, 1..=3);
    let Subscription::Stream(mut reader) = news.subscribe_reset(&last("k-2"), ResetReason::Hole)
    else {
        panic!();
    };
    assert_eq!(reader.outcome(), ResumeOutcome::Reset(ResetReason::Hole));
    let data = "{\"reason\":\"hole\",\"requested\":\"k-2\",\"resumed_at\":\"k-3\"}";
    assert_eq!(text(reader.first_frames()), format!("event: reset\ndata: {data}\nid: k-3\n\n"));
    assert_eq!(news.stats().resets(ResetReason::Hole), 1);
}

/// Pages of events of the epoch `k`: a first number and a last one each, or a reset.
#[derive(Debug)]
struct Pages(VecDeque<Result<(u64, u64), ResetReason>>);

impl Backfill for Pages {
    fn poll_page(&mut self, _: &mut Context<'_>) -> Poll<BackfillPage> {
        Poll::Ready(match self.0.pop_front() {
            None => BackfillPage::Failed,
            Some(Err(reason)) => BackfillPage::Missing(reason),
            Some(Ok((first, last))) => {
                let frames: Vec<_> = (first..=last)
                    .map(|n| Event::new(n.to_string()).with_id(id(&format!("k-{n}"))).encode())
                    .collect();
                BackfillPage::Events(Frame::concat(&frames), id(&format!("k-{last}")))
            }
        })
    }
}

fn backfilled(
    channel: &Channel,
    pages: impl IntoIterator<Item = Result<(u64, u64), ResetReason>>,
) -> Subscriber {
    let pages = Pages(pages.into_iter().collect());
    match channel.subscribe_with_backfill(&last("k-1"), pages) {
        Subscription::Stream(subscriber) => subscriber,
        other => panic!("{other:?}"),
    }
}

fn poll(reader: &mut Subscriber) -> String {
    match reader.poll_read(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => "Wait".into(),
        Poll::Ready(Read::Events(frame)) => text([frame]),
        Poll::Ready(read) => format!("{read:?}"),
    }
}

fn events(numbers: impl IntoIterator<Item = u64>) -> String {
    numbers.into_iter().map(|n| format!("data: {n}\nid: k-{n}\n\n")).collect()
}

#[test]
fn a_backfill_is_read_in_pages_until_one_reaches_the_log() {
    let news = channel(keeping(3));
    publish(&news, 1..=8);
    let mut reader = backfilled(&news, [Ok((2, 3)), Ok((4, 6)), Ok((7, 8))]);
    assert_eq!(reader.outcome(), ResumeOutcome::Resumed);
    assert!(reader.first_frames().is_empty());
    assert_eq!(read(&mut reader), "Wait", "only a poll reads a page");
    assert_eq!(poll(&mut reader), events(2..=3));
    assert_eq!(poll(&mut reader), events(4..=6), "a page can end within the log");
    publish(&news, 9..=9);
    assert_eq!(poll(&mut reader), events(7..=9), "from the log");
    assert_eq!(poll(&mut reader), "Wait");
    publish(&news, 10..=10);
    assert_eq!(poll(&mut reader), events(10..=10));
}

#[test]
fn a_backfill_of_what_the_log_holds_is_not_read() {
    let news = channel(keeping(10));
    publish(&news, 1..=3);
    let mut reader = backfilled(&news, []);
    assert_eq!(poll(&mut reader), events(2..=3));
}

#[test]
fn a_backfill_that_is_ahead_of_the_log_waits_for_it() {
    let news = channel(keeping(3).with_shared_epoch(true));
    publish(&news, 1..=8);
    let mut reader = backfilled(&news, [Ok((2, 9))]);
    assert_eq!(poll(&mut reader), events(2..=9));
    assert_eq!(poll(&mut reader), "Wait");
    publish(&news, 9..=9);
    assert_eq!(poll(&mut reader), "Wait");
    publish(&news, 10..=10);
    assert_eq!(poll(&mut reader), events(10..=10));
}

#[test]
fn a_backfill_without_the_next_events_resets_the_client() {
    let news = channel(keeping(3));
    publish(&news, 1..=8);
    let mut reader = backfilled(&news, [Ok((2, 2)), Err(ResetReason::Hole)]);
    assert_eq!(poll(&mut reader), events(2..=2));
    let data = "{\"reason\":\"hole\",\"requested\":\"k-1\",\"resumed_at\":\"k-8\"}";
    assert_eq!(poll(&mut reader), format!("event: reset\ndata: {data}\nid: k-8\n\n"));
    assert_eq!(news.stats().resets(ResetReason::Hole), 1);
    publish(&news, 9..=9);
    assert_eq!(poll(&mut reader), events(9..=9));
}

#[test]
fn a_backfill_that_fails_ends_the_stream_and_resets_nobody() {
    let news = channel(keeping(3));
    publish(&news, 1..=8);
    let mut reader = backfilled(&news, [Ok((2, 2))]);
    assert_eq!(poll(&mut reader), events(2..=2));
    assert_eq!(poll(&mut reader), "Lagged");
}

#[test]
fn a_backfill_ends_with_a_finished_log() {
    let news = channel(keeping(3));
    publish(&news, 1..=8);
    news.finish();
    let mut reader = backfilled(&news, [Ok((2, 6))]);
    assert_eq!(poll(&mut reader), events(2..=6));
    assert_eq!(poll(&mut reader), events(7..=8));
    assert_eq!(poll(&mut reader), "Over(Finished)");
}

/// The subscriber of a client that needs a snapshot.
fn pending(channel: &Channel, last: &LastEventId) -> PendingSubscriber {
    match channel.subscribe_with_snapshot(last) {
        Subscription::NeedsSnapshot(pending) => pending,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_snapshot_is_sent_before_the_position_and_after_a_reset() {
    let news = channel(keeping(3));
    publish(&news, 1..=3);
    let snapshot = || [Frame::comment("a"), Event::new("1..2").encode()];
    let fresh = pending(&news, &LastEventId::Absent);
    assert_eq!(fresh.outcome(), ResumeOutcome::Fresh);
    let mut fresh = fresh.with_snapshot(snapshot(), &id("k-2")).unwrap();
    let expected = format!(": a\ndata: 1..2\n\n{}data: 3\nid: k-3\n\n", position("k-2"));
    assert_eq!(text(fresh.first_frames()), expected);

    let foreign = pending(&news, &last("j-1"));
    assert_eq!(foreign.outcome(), ResumeOutcome::Reset(ResetReason::Foreign));
    let frames = text(foreign.with_snapshot(snapshot(), &id("k-2")).unwrap().first_frames());
    assert!(frames.starts_with("event: reset\n"), "{frames}");
    assert!(frames.contains("\"resumed_at\":\"k-2\"}\n\n: a\n"), "no id before the snapshot");
    assert!(frames.ends_with(&expected));
}

#[test]
fn a_stale_snapshot_is_refused_and_a_newer_one_taken() {
    let news = channel(keeping(3));
    publish(&news, 1..=6);
    let fresh = pending(&news, &LastEventId::Absent);
    let stale = fresh.with_snapshot([Frame::comment("1..2")], &id("k-2")).unwrap_err();
    assert_eq!(stale.reason(), ResetReason::Expired);
    assert_eq!(
        stale.to_string(),
        "the channel cannot continue after the snapshot's id (expired); take a newer one"
    );
    let newer = stale.into_pending().with_snapshot([Frame::comment("1..6")], &id("k-6"));
    assert_eq!(text(newer.unwrap().first_frames()), format!(": 1..6\n{}", position("k-6")));
    assert_eq!((news.stats().subscribers, news.stats().fresh), (0, 1));
}

#[test]
fn the_frames_of_a_snapshot_can_use_the_channel() {
    let news = channel(keeping(3));
    publish(&news, 1..=1);
    let frames = std::iter::once_with(|| {
        publish(&news, 2..=2);
        Frame::comment("1")
    });
    let mut reader =
        pending(&news, &LastEventId::Absent).with_snapshot(frames, &id("k-1")).unwrap();
    let expected = format!(": 1\n{}data: 2\nid: k-2\n\n", position("k-1"));
    assert_eq!(text(reader.first_frames()), expected);
}

#[test]
fn only_a_client_that_cannot_resume_needs_a_snapshot() {
    let scores = channel(keeping(3));
    publish(&scores, 1..=3);
    let subscription = scores.subscribe_with_snapshot(&last("k-2"));
    let subscription = subscription.or_snapshot(|_| Err("it resumes")).unwrap();
    let Subscription::Stream(mut reader) = subscription else { panic!("{subscription:?}") };
    assert_eq!(text(reader.first_frames()), "data: 3\nid: k-3\n\n");

    scores.finish();
    assert!(matches!(scores.subscribe_with_snapshot(&last("k-3")), Subscription::Complete));
    let fresh = pending(&scores, &LastEventId::Absent);
    let mut fresh = fresh.with_snapshot([Frame::comment("3:3")], &id("k-3")).unwrap();
    assert_eq!(text(fresh.first_frames()), format!(": 3:3\n{}", position("k-3")));
    assert_eq!(read(&mut fresh), "Over(Finished)");
}

#[test]
fn a_client_that_waits_for_its_snapshot_counts_as_a_subscriber() {
    let scores = channel(keeping(3).with_max_subscribers(1));
    let first = pending(&scores, &LastEventId::Absent);
    assert!(matches!(scores.subscribe_with_snapshot(&LastEventId::Absent), Subscription::Full(_)));
    drop(first);
    drop(pending(&scores, &LastEventId::Absent));
}

#[test]
fn a_client_that_follows_a_state_gets_a_new_snapshot_when_it_lags() {
    let scores = channel(keeping(2).with_lag_policy(LagPolicy::Skip));
    for last in [LastEventId::Absent, last("k-0")] {
        scores.clear();
        let subscription = scores.subscribe_with_snapshot(&last);
        let subscription = subscription
            .or_snapshot(|pending| pending.with_snapshot([], &scores.last_id().unwrap()));
        let Ok(Subscription::Stream(mut reader)) = subscription else { panic!() };
        reader.first_frames();
        publish(&scores, 1..=3);
        assert_eq!(read(&mut reader), "Lagged", "{last:?}");
    }
}

#[test]
fn a_reader_that_lags_is_disconnected_or_skips_and_is_counted() {
    for policy in [LagPolicy::Disconnect, LagPolicy::Skip] {
        let news = channel(keeping(2).with_lag_policy(policy));
        let mut reader = join_at_end(&news);
        publish(&news, 1..=3);
        if policy == LagPolicy::Disconnect {
            let mut cx = Context::from_waker(Waker::noop());
            assert_eq!(reader.poll_next(at(0), &mut cx), Next::Lagged);
            assert_eq!(reader.poll_next(at(0), &mut cx), Next::Lagged);
        } else {
            let data = "{\"reason\":\"lagged\",\"requested\":null,\"resumed_at\":\"k-1\"}";
            assert_eq!(read(&mut reader), format!("event: reset\ndata: {data}\nid: k-1\n\n"));
            assert_eq!(read(&mut reader), "data: 2\nid: k-2\n\ndata: 3\nid: k-3\n\n");
        }
        assert_eq!(news.stats().resets(ResetReason::Lagged), 1, "{policy:?}");
    }
}

#[test]
fn a_reader_skips_without_a_notice_if_notices_are_off() {
    let config = keeping(2).with_lag_policy(LagPolicy::Skip).with_reset(None);
    let news = channel(config);
    let mut reader = join_at_end(&news);
    publish(&news, 1..=3);
    assert_eq!(read(&mut reader), "data: 2\nid: k-2\n\ndata: 3\nid: k-3\n\n");
}

#[test]
fn events_are_published_all_or_none() {
    let news = channel(keeping(10));
    let mut reader = join_at_end(&news);
    assert_eq!(news.publish_all(["1", "2"].map(Event::new)).unwrap(), Some(id("k-2")));
    assert_eq!(news.last_id(), Some(id("k-2")));
    assert_eq!(read(&mut reader), "data: 1\nid: k-1\n\ndata: 2\nid: k-2\n\n");
    let unfit = [Event::new("3"), Event::new("4").with_id(id("k-7"))];
    news.publish_all(&unfit).unwrap_err();
    assert_eq!(news.publish_all(Vec::<Event<'_>>::new()).unwrap(), None);
    assert_eq!((read(&mut reader), news.stats().published), ("Wait".to_string(), 2));
}

#[test]
fn a_channel_admits_no_more_subscribers_than_its_limit() {
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
    let (wakes, waker) = WakeCount::new();
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
    assert_eq!(write_all(&mut stream), (position("k-0"), None));
    publish(&news, 1..=1);
    assert_eq!(wakes.get(), 1);
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
fn a_request_for_a_channel_is_answered_with_its_events() {
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

    let Body::Full(refusal) = ask("/").into_body() else { panic!("there is no room") };
    assert!(std::str::from_utf8(&refusal).unwrap().lines().any(|line| line.starts_with("retry: ")));
    drop(stream);
    answer.finish();
    assert_eq!(ask("/?last_event_id=k-2").status(), 204);
    assert_eq!(ask("/").status(), 200);
}
