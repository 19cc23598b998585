//! One id for all channels, by which the client resumes in each.

use lasse_core::{EventName, MergedId, ResetReason, ResumeOutcome, StartAt, Subscription};

use super::*;

#[test]
fn a_new_client_is_sent_one_position_and_then_the_events_of_all_channels() {
    let (own, all) = two();
    publish(&all, 1..=2);
    let mut stream = join([("me", &own), ("all", &all)], &LastEventId::Absent);
    assert_eq!(first(&mut stream), position("me.a-0~all.b-2"));
    publish(&own, 1..=1);
    publish(&all, 3..=3);
    let expected = event(1, "me.a-1~all.b-2") + &event(3, "me.a-1~all.b-3");
    assert_eq!(read(&mut stream), expected);
    assert_eq!(read(&mut stream), "");
    assert_eq!(stream.outcome("me"), Some(ResumeOutcome::Fresh));
    assert_eq!(stream.outcome("other"), None);
}

#[test]
fn without_first_frames_the_stream_sends_the_same() {
    let (own, all) = two();
    let config = ChannelConfig::new().with_start(StartAt::Oldest);
    let third = channel("c", &config);
    publish(&third, 1..=1);
    let channels = [("me", &own), ("all", &all), ("third", &third)];
    let mut stream = join(channels, &LastEventId::Absent);
    let sent = read(&mut stream);
    assert!(sent.ends_with(&event(1, "me.a-0~all.b-0~third.c-1")), "{sent}");
}

#[test]
fn a_client_resumes_in_each_channel() {
    let (own, all) = two();
    publish(&own, 1..=3);
    publish(&all, 1..=70);
    // 68 to the base of 62.
    let mut stream = join([("me", &own), ("all", &all)], &last("me.a-1~all.b-16"));
    let expected = event(2, "me.a-2~all.b-16") + &event(3, "me.a-3~all.b-16");
    assert_eq!(
        first(&mut stream),
        expected + &event(69, "me.a-3~all.b-17") + &event(70, "me.a-3~all.b-18")
    );
    // In another order.
    let mut stream = join([("all", &all), ("me", &own)], &last("me.a-2~all.b-18"));
    assert_eq!(first(&mut stream), event(3, "all.b-18~me.a-3"));
}

#[test]
fn a_channel_that_cannot_resume_resets_the_client_in_its_part_only() {
    let own = channel("a", &keeping(2));
    let all = channel("b", &ChannelConfig::new());
    publish(&own, 1..=9);
    publish(&all, 1..=2);
    for (place, reason, requested) in [
        ("~me.a-1", "expired", "a-1"),
        ("~me.z-1", "foreign", "z-1"),
        ("~me.a-F", "ahead", "a-15"),
        ("", "unknown", "null"),
        ("~other.a-9", "unknown", "null"),
    ] {
        let channels = [("me", &own), ("all", &all)];
        let mut stream = join(channels, &last(&format!("all.b-1{place}")));
        let expected = reset("me", reason, requested, "a-9", "me.a-9~all.b-1");
        assert_eq!(first(&mut stream), expected + &event(2, "me.a-9~all.b-2"), "{place}");
        assert_eq!(stream.outcome("all"), Some(ResumeOutcome::Resumed));
    }
    // A client that left a set of channels with one more loses only that.
    let mut stream = join([("all", &all)], &last("me.a-9~all.b-1"));
    assert_eq!(first(&mut stream), event(2, "all.b-2"));
}

#[test]
fn an_id_of_another_kind_resets_the_client_in_all_channels() {
    let (own, all) = two();
    let long = "x".repeat(257);
    let conflicting = LastEventId::from_values([b"me.a-0".as_slice(), b"me.a-1"]);
    let mut ids = vec![conflicting, last("a-0"), last("me.a-0~~"), last(&long), last("\u{7f}")];
    ids.push(LastEventId::from_values([b"\xff".as_slice()]));
    for last in ids {
        let mut stream = join([("me", &own), ("all", &all)], &last);
        let expected = reset("me", "unknown", "null", "a-0", "me.a-0")
            + &reset("all", "unknown", "null", "b-0", "me.a-0~all.b-0");
        assert_eq!(first(&mut stream), expected, "{last:?}");
        assert_eq!(stream.outcome("me"), Some(ResumeOutcome::Reset(ResetReason::Unknown)));
    }
}

#[test]
fn a_client_that_was_cut_off_before_its_position_is_new_again() {
    let (own, all) = two();
    publish(&all, 1..=1);
    let channels = [("me", &own), ("all", &all)];
    let mut stream = join(channels, &last("me~all.b-0"));
    assert_eq!(stream.outcome("me"), Some(ResumeOutcome::Fresh));
    let sent = first(&mut stream);
    assert_eq!(sent, position("me.a-0~all.b-0") + &event(1, "me.a-0~all.b-1"));
}

#[test]
fn before_the_end_of_a_snapshot_no_id_has_the_place_of_its_channel() {
    let (scores, all) = two();
    publish(&scores, 1..=1);
    publish(&all, 1..=1);
    let subscribe = |id_of_client: &str| {
        let last = MergedId::from(&last(id_of_client));
        let supplied = scores.subscribe_with_snapshot(&last.of_channel("scores"));
        let snapshot = [Event::new("2:1").encode(), Event::new("id: forged").encode()];
        let supplied = supplied.or_snapshot(|wait| wait.with_snapshot(snapshot, &id("a-1")));
        let all = ("all", all.subscribe(&last.of_channel("all")));
        stream(MergedSubscription::new([("scores", supplied.unwrap()), all], &last).unwrap())
    };
    let snapshot = "data: 2:1\n\ndata: id: forged\n\n";
    let rest = position("scores.a-1~all.b-0") + &event(1, "scores.a-1~all.b-1");
    assert_eq!(first(&mut subscribe("scores~all.b-0")), format!("{snapshot}{rest}"));
    // The reset comes before the snapshot. Until the snapshot is sent, the client keeps its id.
    let sent = first(&mut subscribe("scores.z-1~all.b-0"));
    let reset = reset("scores", "foreign", "z-1", "a-1", "").replace("id: \n", "");
    assert_eq!(sent, format!("{reset}{snapshot}{rest}"));
}

#[test]
fn events_of_the_application_are_not_taken_for_notices() {
    let (own, all) = two();
    let mut stream = join([("me", &own), ("all", &all)], &last("me.a-0~all.b-0"));
    for (name, data) in [
        ("reset", "{\"reason\":\"x\"}"),
        ("position", "{\"at\":\"a-1\"}"),
        ("conflated", "{\"until\":1}"),
    ] {
        let event = Event::new(data).with_name(EventName::new(name).unwrap());
        let number = own.publish(event.with_comment("id: 1")).unwrap();
        let number = number.as_str().trim_start_matches("a-");
        let expected =
            format!(": id: 1\nevent: {name}\ndata: {data}\nid: me.a-{number}~all.b-0\n\n");
        assert_eq!(read(&mut stream), expected);
    }
    own.publish(Event::new("id: 1\n\0\r\nid: 2\r{").with_retry(std::time::Duration::from_secs(1)))
        .unwrap();
    let expected =
        "data: id: 1\ndata: \0\ndata: id: 2\ndata: {\nretry: 1000\nid: me.a-4~all.b-0\n\n";
    assert_eq!(read(&mut stream), expected);
}

#[test]
fn no_id_is_longer_than_128_bytes() {
    let epochs = [1, 2, 3, 4].map(|n| format!("176375520012{n}"));
    let channels = epochs.clone().map(|epoch| channel(&epoch, &ChannelConfig::new()));
    let names = ["member", "all", "rooms", "notices"];
    let mut stream =
        join::<4>(std::array::from_fn(|n| (names[n], &channels[n])), &LastEventId::Absent);
    for (channel, epoch) in channels.iter().zip(&epochs) {
        channel.publish_as(&id(&format!("{epoch}-{}", u64::MAX)), Event::new("x")).unwrap();
    }
    let sent = read(&mut stream);
    let longest = sent.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap();
    assert_eq!(longest.len(), MergedId::MAX_LEN);
    let read = MergedId::from(&last(longest));
    for (name, epoch) in names.iter().zip(&epochs) {
        assert_eq!(read.of_channel(name), last(&format!("{epoch}-{}", u64::MAX)));
    }
}

#[test]
fn an_epoch_that_is_too_long_loses_the_place_in_its_channel_only() {
    let (long, longer) = ("l".repeat(30), "n".repeat(32));
    let (own, all) = (channel("a", &ChannelConfig::new()), channel(&long, &ChannelConfig::new()));
    let third = channel(&"m".repeat(27), &ChannelConfig::new());
    let channels = [("me", &own), ("all", &all), ("third", &third)];
    let mut stream = join(channels, &LastEventId::Absent);
    first(&mut stream);
    own.begin_epoch(Epoch::new(&longer).unwrap()).unwrap();
    publish(&own, 1..=1);
    publish(&all, 1..=1);
    let lost = format!("all.{long}-1~third.{}-0", "m".repeat(27));
    assert!(read(&mut stream).ends_with(&event(1, &lost)));
    let refused = MergedSubscription::of_channels(channels, &last(&lost));
    assert_eq!(refused.unwrap_err(), lasse_core::MergeError::IdTooLong(140));
    // If the epoch returns to a short one, so does the place.
    own.begin_epoch(Epoch::new("b").unwrap()).unwrap();
    publish(&own, 2..=2);
    assert_eq!(read(&mut stream), event(2, &format!("me.b-1~{lost}")));
}

#[test]
fn a_channel_that_turns_out_to_have_ids_of_its_own_has_no_place() {
    let (own, all) = two();
    let mut stream = join([("me", &own), ("all", &all)], &LastEventId::Absent);
    first(&mut stream);
    own.publish(Event::new("1").try_with_id("order 7").unwrap()).unwrap();
    assert_eq!(read(&mut stream), event(1, "all.b-0"));
    let alone = join([("me", &channel("c", &ChannelConfig::new()))], &last("all.b-0"));
    assert_eq!(alone.outcome("me"), Some(ResumeOutcome::Reset(ResetReason::Unknown)));
}

#[test]
fn a_place_of_an_older_epoch_that_does_not_fit_is_left_out() {
    let (own, all) = two();
    let channels = [("me", &own), ("all", &all)];
    let old = format!("me.{}-1~all.{}-1", "x".repeat(32), "y".repeat(32));
    let mut stream = join(channels, &last(&old));
    let sent = first(&mut stream);
    assert!(sent.contains("\"reason\":\"foreign\"") && sent.contains("\"channel\":\"all\""));
    assert!(sent.ends_with("id: me.a-0~all.b-0\n\n"), "{sent}");
    let none =
        MergedSubscription::new([("me", Subscription::Complete)], &MergedId::from(&last(&old)));
    assert!(matches!(none, Ok(MergedSubscription::Complete)));
}
