//! A recipe: the users that are present, as keys of a channel. `Presence` is meant to be copied.

use std::collections::BTreeMap;
use std::time::Duration;

use lasse_core::log::Read;
use lasse_core::{
    AppendError, Channel, ChannelConfig, Compaction, Epoch, Event, EventName, Instant, LastEventId,
    Retention, StartAt, Subscription, Topic, TopicFilter, TopicPattern,
};

const ENTER: EventName = EventName::from_static("enter");
const LEAVE: EventName = EventName::from_static("leave");

/// How long a user stays present after the end of their last stream: longer than a page takes to
/// reconnect.
const GRACE: Duration = Duration::from_secs(45);

/// The users that are present. Each is a key, whose newest event is `enter`. A client that starts with
/// the newest event of each key gets all users, and then each change.
struct Presence {
    channel: Channel,
    users: BTreeMap<Topic, Present>,
}

#[derive(Default)]
struct Present {
    streams: usize,
    /// When the user leaves, if no stream is opened before.
    leaves_at: Option<Instant>,
}

impl Presence {
    fn new(channel: Channel) -> Self {
        Self { channel, users: BTreeMap::new() }
    }

    /// A stream of a user was opened. Its end must be reported by [`close`](Self::close).
    fn open(&mut self, user: &Topic) -> Result<(), AppendError> {
        if !self.users.contains_key(user) {
            self.channel.publish_to(user, Event::new(user.as_str()).with_name(ENTER))?;
        }
        let present = self.users.entry(user.clone()).or_default();
        present.streams += 1;
        present.leaves_at = None;
        Ok(())
    }

    /// A stream of a user has ended.
    fn close(&mut self, user: &Topic, now: Instant) {
        let Some(present) = self.users.get_mut(user) else { return };
        present.streams = present.streams.saturating_sub(1);
        if present.streams == 0 {
            present.leaves_at = Some(now + GRACE);
        }
    }

    /// Reports the users whose grace is over. A task calls this every few seconds.
    fn advance(&mut self, now: Instant) -> Result<(), AppendError> {
        let is_over = |present: &Present| present.leaves_at.is_some_and(|at| at <= now);
        let left = self.users.iter().filter(|(_, present)| is_over(present));
        for user in left.map(|(user, _)| user.clone()).collect::<Vec<_>>() {
            self.channel.publish_tombstone(&user, Event::new(user.as_str()).with_name(LEAVE))?;
            self.users.remove(&user);
        }
        Ok(())
    }
}

const HERE: TopicPattern = TopicPattern::from_static("here.*");

fn presence() -> Presence {
    let config = ChannelConfig::new()
        .with_compaction(Compaction::new(HERE))
        .with_start(StartAt::LatestPerKey)
        .with_position(None)
        .with_retention(Retention::new().with_events(1));
    Presence::new(Channel::with_epoch(&config, Epoch::new("k").unwrap()))
}

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * 1_000_000_000)
}

fn user(name: &str) -> Topic {
    Topic::new(format!("here.{name}")).unwrap()
}

/// The names and data of the events that a new client gets.
fn state(presence: &Presence) -> String {
    let subscription =
        presence.channel.subscribe_to(&TopicFilter::from(HERE), &LastEventId::Absent);
    let Subscription::Stream(mut subscriber) = subscription else { panic!() };
    let mut text = String::new();
    while let Read::Events(frame) = subscriber.read() {
        text += std::str::from_utf8(frame.as_bytes()).unwrap();
    }
    let lines = text.lines().filter_map(|line| line.strip_prefix("event: "));
    let users = text.lines().filter_map(|line| line.strip_prefix("data: here."));
    lines.zip(users).map(|(name, user)| format!("{name} {user};")).collect()
}

#[test]
fn a_user_is_present_until_45_seconds_after_the_last_stream() {
    let mut presence = presence();
    for name in ["ada", "bob", "ada"] {
        presence.open(&user(name)).unwrap();
    }
    assert_eq!(state(&presence), "enter ada;enter bob;");
    presence.close(&user("ada"), at(0));
    presence.advance(at(1_000)).unwrap();
    assert_eq!(state(&presence), "enter ada;enter bob;", "she has another stream");
    presence.close(&user("ada"), at(1_000));
    presence.advance(at(1_044)).unwrap();
    assert_eq!(state(&presence), "enter ada;enter bob;");
    presence.advance(at(1_045)).unwrap();
    assert_eq!(state(&presence), "enter bob;");
}

#[test]
fn a_user_that_returns_within_the_grace_neither_leaves_nor_enters() {
    let mut presence = presence();
    presence.open(&user("ada")).unwrap();
    presence.close(&user("ada"), at(0));
    presence.open(&user("ada")).unwrap();
    presence.advance(at(1_000)).unwrap();
    assert_eq!(presence.channel.stats().published, 1);
}

#[test]
fn a_client_that_is_connected_is_sent_the_users_that_leave() {
    let mut presence = presence();
    presence.open(&user("ada")).unwrap();
    let subscription =
        presence.channel.subscribe_to(&TopicFilter::from(HERE), &LastEventId::Absent);
    let Subscription::Stream(mut subscriber) = subscription else { panic!() };
    assert_eq!(subscriber.first_frames().len(), 1);
    presence.close(&user("ada"), at(0));
    presence.advance(at(45)).unwrap();
    let Read::Events(frame) = subscriber.read() else { panic!() };
    assert_eq!(frame.as_bytes(), b"event: leave\ndata: here.ada\nid: k-2\n\n");
}
