//! Streams of entries, and what readers of the channel receive.

use lasse_core::log::{Read, Resume};
use lasse_core::{
    ChannelConfig, EventId, LastEventId, ResetReason, StartAt, Subscriber, Subscription,
};

use super::*;

fn follower() -> (Follower, Channel) {
    let config = ChannelConfig::new().with_start(StartAt::Oldest).with_shared_epoch(true);
    let channel = Channel::with_epoch(&config, epoch_name(0));
    (Follower::new(channel.clone()), channel)
}

fn event(number: u64) -> Entry {
    Entry::Event(Event::new(number.to_string()), None)
}

fn begin(after: Option<(u64, u64)>) -> Entry {
    Entry::Epoch { after: after.map(|(epoch, number)| StreamId::new(epoch, number)) }
}

/// Epoch 5 with these many events.
fn with_events(count: u64) -> (Follower, Channel) {
    let (mut follower, channel) = follower();
    follower.apply(StreamId::new(5, 0), &begin(None));
    for number in 1..=count {
        assert!(follower.is_next(StreamId::new(5, number), &event(number)));
        follower.apply(StreamId::new(5, number), &event(number));
    }
    (follower, channel)
}

fn last(id: &str) -> LastEventId {
    LastEventId::Id(EventId::new(id.to_owned()).unwrap())
}

fn reason(channel: &Channel, id: &str) -> Option<ResetReason> {
    match channel.resume(&last(id)) {
        Resume::Reset(reason, _) => Some(reason),
        _ => None,
    }
}

fn join(channel: &Channel, last: &LastEventId) -> Subscriber {
    match channel.subscribe(last) {
        Subscription::Stream(subscriber) => subscriber,
        other => panic!("{other:?}"),
    }
}

/// What a reader receives: the number of each event, and `reset` for each reset.
fn received(subscriber: &mut Subscriber) -> Vec<String> {
    let mut received = Vec::new();
    while let Read::Events(frame) = subscriber.read() {
        let text = std::str::from_utf8(frame.as_bytes()).unwrap().to_owned();
        for block in text.split_terminator("\n\n") {
            match block.lines().next().unwrap() {
                "event: position" => {}
                line => received.push(line.split(": ").nth(1).unwrap().to_owned()),
            }
        }
    }
    received
}

#[test]
fn entries_become_events_under_their_ids() {
    let (follower, channel) = with_events(3);
    assert_eq!(channel.last_id().unwrap().as_str(), "5-3");
    assert_eq!((follower.at(), follower.known()), (StreamId::new(5, 3), StreamId::new(5, 3)));
    assert_eq!(received(&mut join(&channel, &last("5-1"))), ["2", "3"]);
}

#[test]
fn events_that_are_missing_before_the_first_one_are_a_hole_once_the_stream_is_loaded() {
    let (mut follower, channel) = with_events(0);
    follower.set_loaded();
    let mut reader = join(&channel, &LastEventId::Absent);
    follower.apply(StreamId::new(5, 3), &event(3));
    assert_eq!(received(&mut reader), ["reset", "3"]);

    // What was trimmed before this node started concerns no reader.
    let (mut follower, channel) = with_events(0);
    follower.apply(StreamId::new(5, 3), &event(3));
    follower.set_loaded();
    assert_eq!(received(&mut join(&channel, &LastEventId::Absent)), ["3"]);
}

#[test]
fn an_entry_that_is_read_twice_is_applied_once() {
    let (mut follower, channel) = with_events(3);
    follower.apply(StreamId::new(5, 2), &event(2));
    follower.apply(StreamId::new(5, 3), &event(3));
    assert_eq!((channel.stats().published, follower.gaps()), (3, 0));
}

#[test]
fn a_stream_that_was_trimmed_before_the_start_begins_at_its_first_event() {
    let (mut follower, channel) = follower();
    follower.apply(StreamId::new(5, 100), &event(100));
    follower.apply(StreamId::new(5, 101), &event(101));
    assert_eq!(reason(&channel, "5-98"), Some(ResetReason::Expired));
    assert_eq!(received(&mut join(&channel, &last("5-99"))), ["100", "101"]);
    assert_eq!(follower.gaps(), 0);
}

#[test]
fn a_number_that_is_left_out_is_a_hole() {
    let (mut follower, channel) = with_events(3);
    let mut reader = join(&channel, &last("5-3"));
    assert!(!follower.is_next(StreamId::new(5, 7), &event(7)));
    follower.apply(StreamId::new(5, 7), &event(7));
    assert_eq!(received(&mut reader), ["reset", "7"]);
    assert_eq!(reason(&channel, "5-3"), Some(ResetReason::Hole));
    assert_eq!(reason(&channel, "5-6"), None, "the client has event 6");
    assert_eq!(follower.gaps(), 1);
}

#[test]
fn an_epoch_after_the_newest_event_resets_nobody() {
    let (mut follower, channel) = with_events(3);
    let mut reader = join(&channel, &last("5-3"));
    let next = begin(Some((5, 3)));
    assert!(follower.is_next(StreamId::new(8, 0), &next));
    follower.apply(StreamId::new(8, 0), &next);
    follower.apply(StreamId::new(8, 1), &event(1));
    assert_eq!(received(&mut reader), ["1"]);
    assert_eq!(received(&mut join(&channel, &last("5-2"))), ["3", "1"]);
    assert_eq!(channel.last_id().unwrap().as_str(), "8-1");
    assert_eq!(follower.unrecorded_losses().count(), 0);
}

#[test]
fn an_epoch_after_events_that_were_not_read_leaves_a_hole_up_to_the_last_of_them() {
    let (mut follower, channel) = with_events(3);
    let mut reader = join(&channel, &last("5-3"));
    let next = begin(Some((5, 9)));
    assert!(!follower.is_next(StreamId::new(8, 0), &next));
    follower.apply(StreamId::new(8, 0), &next);
    follower.apply(StreamId::new(8, 1), &event(1));
    assert_eq!(received(&mut reader), ["reset", "1"]);
    assert_eq!(reason(&channel, "5-8"), Some(ResetReason::Hole));
    assert_eq!(received(&mut join(&channel, &last("5-9"))), ["1"]);
    assert_eq!(follower.unrecorded_losses().count(), 0);
}

#[test]
fn an_epoch_whose_beginning_is_missing_leaves_one_hole() {
    for first in [1, 7] {
        let (mut follower, channel) = with_events(3);
        let mut reader = join(&channel, &last("5-3"));
        assert!(!follower.is_next(StreamId::new(8, first), &event(first)));
        follower.apply(StreamId::new(8, first), &event(first));
        assert_eq!(received(&mut reader), ["reset".to_owned(), first.to_string()]);
        assert!(reason(&channel, "5-3").is_some() && reason(&channel, "5-4").is_some());
    }
}

#[test]
fn a_lost_end_is_recorded_once_and_resets_each_reader_once() {
    let (mut follower, channel) = with_events(3);
    let mut reader = join(&channel, &last("5-3"));
    // The stream has only two of the three events.
    follower.apply(StreamId::new(8, 0), &begin(Some((5, 2))));
    assert_eq!(follower.unrecorded_losses().collect::<Vec<_>>(), [5]);
    follower.apply(StreamId::new(8, 1), &event(1));
    follower.apply(StreamId::new(8, 2), &Entry::Lost { epoch: 5 });
    follower.apply(StreamId::new(8, 3), &event(3));
    assert_eq!(follower.unrecorded_losses().count(), 0);
    assert_eq!(received(&mut reader), ["1", "reset", "3"]);
    assert_eq!(reason(&channel, "8-1"), Some(ResetReason::Hole));
    assert_eq!(received(&mut join(&channel, &last("8-2"))), ["3"]);
}

#[test]
fn a_loss_is_found_by_the_node_that_was_sent_the_acknowledgement() {
    let (mut follower, channel) = with_events(3);
    follower.acknowledge(StreamId::new(5, 4));
    assert_eq!(follower.known(), StreamId::new(5, 4));
    follower.apply(StreamId::new(8, 0), &begin(Some((5, 3))));
    assert_eq!(follower.unrecorded_losses().collect::<Vec<_>>(), [5]);
    // A node that does not know event 4 finds nothing, but its readers are reset, too.
    let (mut other, others) = with_events(3);
    let mut reader = join(&others, &last("5-3"));
    other.apply(StreamId::new(8, 0), &begin(Some((5, 3))));
    assert_eq!(other.unrecorded_losses().count(), 0);
    other.apply(StreamId::new(8, 1), &Entry::Lost { epoch: 5 });
    assert_eq!(received(&mut reader), ["reset"]);
    // An acknowledgement can arrive after the epoch is over.
    let (mut late, _) = with_events(3);
    late.apply(StreamId::new(8, 0), &begin(Some((5, 3))));
    late.acknowledge(StreamId::new(5, 4));
    assert_eq!(late.unrecorded_losses().collect::<Vec<_>>(), [5]);
    drop(channel);
}

#[test]
fn a_stream_that_is_gone_resets_each_reader_once_on_all_nodes() {
    for read in [0, 2, 3] {
        let (mut follower, channel) = with_events(read);
        let mut reader = join(&channel, &last(&format!("5-{read}")));
        follower.apply(StreamId::new(8, 0), &begin(Some((0, 0))));
        follower.apply(StreamId::new(8, 1), &event(1));
        assert_eq!(received(&mut reader), ["reset", "1"]);
        assert_eq!(reason(&channel, "5-3"), Some(ResetReason::Hole));
        assert_eq!(follower.unrecorded_losses().count(), 0);
    }
}

#[test]
fn a_client_of_a_lost_event_is_reset_at_once() {
    let (mut follower, channel) = with_events(3);
    follower.apply(StreamId::new(8, 0), &begin(Some((5, 3))));
    assert_eq!(reason(&channel, "5-4"), Some(ResetReason::Ahead));
    let subscriber = join(&channel, &last("5-4"));
    assert!(matches!(subscriber.outcome(), lasse_core::ResumeOutcome::Reset(ResetReason::Ahead)));
}

#[test]
fn a_foreign_entry_is_counted_and_neither_an_event_nor_a_hole() {
    let (mut follower, channel) = with_events(2);
    let mut reader = join(&channel, &last("5-2"));
    follower.apply(StreamId::new(5, 3), &Entry::Foreign);
    follower.apply(StreamId::new(5, 4), &event(4));
    // An id of another epoch: the next epoch began because of it.
    follower.apply(StreamId::new(7, 0), &Entry::Foreign);
    follower.apply(StreamId::new(8, 0), &begin(Some((5, 4))));
    follower.apply(StreamId::new(8, 1), &event(1));
    assert_eq!((follower.foreign(), follower.gaps()), (2, 0));
    assert_eq!(received(&mut reader), ["4", "1"]);
    assert_eq!(received(&mut join(&channel, &last("5-2"))), ["4", "1"]);
}

#[test]
fn an_end_ends_the_channel_and_nothing_follows() {
    let (mut follower, channel) = with_events(2);
    let after = StreamId::new(5, 2);
    let end = Entry::End { ending: Ending::Finished, after };
    follower.apply(StreamId::new(5, u64::MAX), &end);
    assert_eq!(channel.ending(), Some(Ending::Finished));
    assert!(matches!(channel.subscribe(&last("5-2")), Subscription::Complete));
    follower.apply(StreamId::new(9, 1), &event(1));
    assert_eq!(channel.stats().published, 2);
}

#[test]
fn an_end_after_events_that_were_not_read_leaves_a_hole() {
    let (mut follower, channel) = with_events(2);
    let mut reader = join(&channel, &last("5-2"));
    let after = StreamId::new(5, 4);
    let end = Entry::End { ending: Ending::Aborted, after };
    assert!(!follower.is_next(StreamId::new(5, u64::MAX), &end));
    follower.apply(StreamId::new(5, u64::MAX), &end);
    assert_eq!(received(&mut reader), ["reset"]);
    assert_eq!(channel.ending(), Some(Ending::Aborted));
}
