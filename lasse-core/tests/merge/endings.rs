//! Channels that end, and streams that do.

use lasse_core::{EndReason, LagPolicy, ResumeOutcome, StartAt};

use super::*;

#[test]
fn a_stream_ends_when_all_its_channels_have_finished() {
    let (own, all) = two();
    let channels = [("me", &own), ("all", &all)];
    let mut stream = join(channels, &LastEventId::Absent);
    own.finish_with(Event::new("bye")).unwrap();
    let (sent, next) = read_to_end(&mut stream);
    assert_eq!(sent, position("me.a-0~all.b-0") + &event("bye", "me.a-1~all.b-0"));
    assert_eq!(next, Next::Wait(None));
    assert_eq!(own.stats().subscribers, 0);
    publish(&all, 1..=1);
    all.finish();
    assert_eq!(read_to_end(&mut stream), (event(1, "me.a-1~all.b-1"), Next::Stop));
}

#[test]
fn a_client_keeps_its_place_in_a_channel_that_has_ended() {
    let (own, all) = two();
    publish(&own, 1..=2);
    own.finish();
    let channels = [("me", &own), ("all", &all)];
    let mut stream = join(channels, &last("me.a-2~all.b-0"));
    assert_eq!(stream.outcome("me"), None);
    publish(&all, 1..=1);
    assert_eq!(first(&mut stream), event(1, "me.a-2~all.b-1"));
    // It has nothing of a channel that it found ended, and is new there again.
    let mut stream = join(channels, &last("me~all.b-0"));
    assert_eq!(first(&mut stream), event(1, "me~all.b-1"));
    all.finish();
    let done = MergedSubscription::of_channels(channels, &last("me.a-2~all.b-1")).unwrap();
    assert!(matches!(done, MergedSubscription::Complete));
    let mut stream = join(channels, &last("me.a-1~all.b-1"));
    assert_eq!(read_to_end(&mut stream), (event(2, "me.a-2~all.b-1"), Next::Stop));
}

#[test]
fn a_channel_that_is_aborted_aborts_the_stream_once() {
    let (own, all) = two();
    let channels = [("me", &own), ("all", &all)];
    let mut stream = join(channels, &LastEventId::Absent);
    own.abort_with(Event::new("the disk is full")).unwrap();
    let (sent, next) = read_to_end(&mut stream);
    assert_eq!(next, Next::Abort);
    assert!(sent.ends_with(&event("the disk is full", "me.a-1~all.b-0")), "{sent}");
    // When the client reconnects, it has all of that channel.
    let mut stream = join(channels, &last("me.a-1~all.b-0"));
    publish(&all, 1..=1);
    assert_eq!(read_to_end(&mut stream), (event(1, "me.a-1~all.b-1"), Next::Wait(None)));
}

#[test]
fn a_reader_that_lags_in_one_channel_is_reset_there_and_resumes_in_the_others() {
    let (own, all) = (channel("a", &keeping(2)), channel("b", &ChannelConfig::new()));
    let channels = [("me", &own), ("all", &all)];
    let mut stream = join(channels, &LastEventId::Absent);
    first(&mut stream);
    publish(&own, 1..=9);
    publish(&all, 1..=1);
    assert_eq!(read_to_end(&mut stream).1, Next::Lagged);
    let mut stream = join(channels, &last("me.a-0~all.b-0"));
    let expected = reset("me", "expired", "a-0", "a-9", "me.a-9~all.b-0");
    assert_eq!(first(&mut stream), expected + &event(1, "me.a-9~all.b-1"));
}

#[test]
fn a_reader_that_skips_is_sent_a_reset_that_names_the_channel() {
    let config = keeping(2).with_lag_policy(LagPolicy::Skip);
    let (own, all) = (channel("a", &config), channel("b", &ChannelConfig::new()));
    let mut stream = join([("me", &own), ("all", &all)], &last("me.a-0~all.b-0"));
    publish(&own, 1..=9);
    let reset = reset("me", "lagged", "null", "a-7", "me.a-7~all.b-0");
    let events = event(8, "me.a-8~all.b-0") + &event(9, "me.a-9~all.b-0");
    assert_eq!(read(&mut stream), reset + &events);
    own.publish_hole().unwrap();
    publish(&own, 11..=11);
    let sent = read(&mut stream);
    assert!(sent.contains("{\"channel\":\"me\",\"reason\":\"hole\""), "{sent}");
    assert!(sent.ends_with(&event(11, "me.a-B~all.b-0")), "{sent}");
}

#[test]
fn a_stream_that_terminates_leaves_all_channels() {
    let (own, all) = two();
    let channels = [("me", &own), ("all", &all)];
    let mut stream = join(channels, &LastEventId::Absent);
    read(&mut stream);
    stream.terminate(EndReason::PeerClosed);
    assert_eq!((own.stats().subscribers, all.stats().subscribers), (0, 0));
    drop(join(channels, &LastEventId::Absent));
    assert_eq!((own.stats().subscribers, all.stats().subscribers), (0, 0));
}

#[test]
fn a_client_that_is_ahead_in_one_channel_reads_the_other() {
    let config = ChannelConfig::new().with_shared_epoch(true).with_start(StartAt::Oldest);
    let (own, all) = (channel("a", &config), channel("b", &ChannelConfig::new()));
    let mut stream = join([("me", &own), ("all", &all)], &last("me.a-2~all.b-0"));
    assert_eq!(stream.outcome("me"), Some(ResumeOutcome::Resumed));
    publish(&own, 1..=1);
    publish(&all, 1..=1);
    assert_eq!(first(&mut stream), event(1, "me.a-2~all.b-1"));
    publish(&own, 2..=3);
    assert_eq!(read(&mut stream), event(3, "me.a-3~all.b-1"));
}
