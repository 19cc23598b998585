//! What cannot be merged is refused when the merge is made.

use lasse_core::{MergeError, MergedId, Subscription};

use super::*;

fn refused<const N: usize>(channels: [(&str, &Channel); N]) -> MergeError {
    let refused = MergedSubscription::of_channels(channels, &LastEventId::Absent).unwrap_err();
    for (_, channel) in channels {
        assert_eq!(channel.stats().subscribers, 0);
    }
    refused
}

#[test]
fn one_to_four_channels_are_merged() {
    let [a, b, c, d, e] =
        ["a", "b", "c", "d", "e"].map(|epoch| channel(epoch, &ChannelConfig::new()));
    assert_eq!(refused([]), MergeError::NoChannel);
    let five = [("a", &a), ("b", &b), ("c", &c), ("d", &d), ("e", &e)];
    assert_eq!(refused(five), MergeError::TooManyChannels);
    assert_eq!(first(&mut join([("a", &a)], &LastEventId::Absent)), position("a.a-0"));
    let four = [("a", &a), ("b", &b), ("c", &c), ("d", &d)];
    let at = "a.a-0~b.b-0~c.c-0~d.d-0";
    assert_eq!(first(&mut join(four, &LastEventId::Absent)), position(at));
}

#[test]
fn a_name_is_1_to_32_letters_digits_and_underscores() {
    let (a, b) = two();
    let longest = "x".repeat(32);
    let at = format!("{longest}.a-0~_9.b-0");
    let mut stream = join([(longest.as_str(), &a), ("_9", &b)], &LastEventId::Absent);
    assert_eq!(first(&mut stream), position(&at));
    drop(stream);
    for name in ["", "a-b", "a.b", "a~b", "a b", "a\n", "ä", &"x".repeat(33), &"x".repeat(300)] {
        assert_eq!(refused([("b", &b), (name, &a)]), MergeError::InvalidName(name.into()));
    }
}

#[test]
fn a_name_and_a_channel_are_there_once() {
    let (a, b) = two();
    assert_eq!(refused([("x", &a), ("x", &b)]), MergeError::NameTwice("x".into()));
    assert_eq!(refused([("x", &a), ("y", &b), ("z", &a)]), MergeError::ChannelTwice("z".into()));
}

#[test]
fn channels_whose_events_have_ids_of_their_own_are_not_merged() {
    let (a, b) = two();
    b.publish(Event::new("x").try_with_id("order 7").unwrap()).unwrap();
    assert_eq!(refused([("x", &a), ("y", &b)]), MergeError::OwnIds("y".into()));
}

#[test]
fn names_and_epochs_that_do_not_fit_are_refused() {
    let channels =
        ["a", "b", "c", "d"].map(|letter| channel(&letter.repeat(32), &ChannelConfig::new()));
    let named = std::array::from_fn(|n| (["a", "b", "c", "d"][n], &channels[n]));
    assert_eq!(refused::<4>(named), MergeError::IdTooLong(187));
    let error = "an id of these channels can have 187 bytes, and 128 are allowed; use shorter names \
                 or epochs";
    assert_eq!(refused::<4>(named).to_string(), error);
    // With two, the names can have 37 bytes.
    let [a, b, ..] = &channels;
    let (long, longest) = ("x".repeat(5), "y".repeat(32));
    join([(long.as_str(), a), (longest.as_str(), b)], &LastEventId::Absent);
    assert_eq!(refused([("xxxxxx", a), (longest.as_str(), b)]), MergeError::IdTooLong(129));
}

#[test]
fn a_channel_that_is_full_refuses_the_whole_stream() {
    let delay = std::time::Duration::from_secs(9);
    let full = ChannelConfig::new().with_max_subscribers(0).with_retry_when_full(delay);
    let (own, all) = (channel("a", &ChannelConfig::new()), channel("b", &full));
    let channels = [("me", &own), ("all", &all)];
    match MergedSubscription::of_channels(channels, &LastEventId::Absent).unwrap() {
        MergedSubscription::Full(retry) => assert!(retry >= delay, "{retry:?}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(own.stats().subscribers, 0);

    let last = MergedId::from(&LastEventId::Absent);
    let undecided = [
        ("all", all.subscribe(&last.of_channel("all"))),
        ("redis", Subscription::Undecided(delay * 3)),
        ("me", Subscription::Undecided(delay)),
    ];
    match MergedSubscription::new(undecided, &last).unwrap() {
        MergedSubscription::Undecided(retry) => assert_eq!(retry, delay * 3),
        other => panic!("{other:?}"),
    }
}
