//! The settings and the actions of channels with topics.

use std::time::Duration;

use lasse_core::{ChannelConfig, Compaction, Ending, LagPolicy, Retention, StartAt, TopicPattern};

use crate::sim::client_action::{Claim, ClientAction, Cut};
use crate::sim::random::Random;
use crate::sim::scenario::Limits;
use crate::sim::settings::{ClientSettings, MILLI, Route, SECOND};

#[derive(Clone, Debug, PartialEq)]
pub(in crate::sim) struct TopicSettings {
    pub(in crate::sim) clients: Vec<TopicClient>,
    pub(in crate::sim) events: u64,
    pub(in crate::sim) bytes: usize,
    pub(in crate::sim) age: Option<Duration>,
    pub(in crate::sim) start: StartAt,
    pub(in crate::sim) lag: LagPolicy,
    /// Whether the topics that begin with `k.` are keys.
    pub(in crate::sim) has_keys: bool,
    /// Whether all nodes give an event the same id.
    pub(in crate::sim) is_shared: bool,
    pub(in crate::sim) read_budget: usize,
    pub(in crate::sim) linger: Duration,
}

/// A client of a channel with topics.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::sim) struct TopicClient {
    pub(in crate::sim) client: ClientSettings,
    /// Its filter. None: all events.
    pub(in crate::sim) wants: Option<Vec<Want>>,
    /// Whether its filter can change while its stream is open.
    pub(in crate::sim) has_handle: bool,
}

/// An entry of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) struct Want {
    pub(in crate::sim) pattern: &'static str,
    /// It applies after the event that is this many before the newest, if that is held.
    pub(in crate::sim) after: Option<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(in crate::sim) enum TopicAction {
    /// Publishes events of one topic after the other, with so much filler.
    Publish {
        topic: usize,
        events: usize,
        size: usize,
    },
    /// Publishes an event that a node misses, which records that.
    Miss {
        topic: usize,
        node: usize,
    },
    /// Deletes a key.
    Delete {
        topic: usize,
    },
    BeginEpoch,
    /// Ends the channels of all nodes.
    End {
        ending: Ending,
    },
    /// The nodes begin with new channels, after their end.
    Reopen,
    /// A node drops its events.
    Clear {
        node: usize,
    },
    SetFilter {
        client: usize,
        wants: Vec<Want>,
    },
    /// Publishes one event, and checks that its readers receive it promptly.
    Probe {
        topic: usize,
    },
    Client {
        client: usize,
        action: ClientAction,
    },
}

impl TopicSettings {
    pub(in crate::sim) fn random(random: &mut Random) -> Self {
        let has_keys = random.one_in(2);
        let clients = (0..random.within(1..4)).map(|_| TopicClient::random(random, has_keys));
        let clients = clients.collect();
        let latest = LagPolicy::Latest { behind: random.pick(&[0, 1, 5, u64::MAX]) };
        let lags = [LagPolicy::Disconnect, LagPolicy::Skip, latest];
        let starts = [
            StartAt::Now,
            StartAt::Oldest,
            StartAt::Last(1),
            StartAt::Last(3),
            StartAt::LatestPerKey,
        ];
        Self {
            clients,
            events: random.pick(&[1, 3, 20, u64::MAX]),
            bytes: random.pick(&[0, 2_000, 20_000, 1 << 20]),
            start: random.pick(&starts),
            lag: random.pick(&lags[..if has_keys { 3 } else { 2 }]),
            has_keys,
            is_shared: random.one_in(2),
            read_budget: random.pick(&[0, 500, 16 * 1024, usize::MAX]),
            linger: random.pick(&[Duration::ZERO, Duration::ZERO, MILLI, 100 * MILLI]),
            age: random.pick(&[
                None,
                None,
                None,
                Some(Duration::ZERO),
                Some(SECOND),
                Some(60 * SECOND),
            ]),
        }
    }

    pub(in crate::sim) fn config(&self) -> ChannelConfig {
        let retention = Retention::new().with_events(self.events).with_bytes(self.bytes);
        let retention = self.age.map_or(retention, |age| retention.with_age(age));
        let config = ChannelConfig::new()
            .with_retention(retention)
            .with_start(self.start)
            .with_lag_policy(self.lag)
            .with_shared_epoch(self.is_shared)
            .with_read_budget(self.read_budget)
            .with_linger(self.linger);
        match self.has_keys {
            true => config.with_compaction(Compaction::new(TopicPattern::from_static("k.*"))),
            false => config,
        }
    }
}

impl TopicClient {
    fn random(random: &mut Random, has_keys: bool) -> Self {
        let client = ClientSettings { route: Route::Topics, ..ClientSettings::random(random) };
        let wants = match random.within(0..5) {
            0 => None,
            1 if has_keys => Some(vec![Want { pattern: "k.*", after: None }]),
            _ => Some(Want::several(random)),
        };
        Self { client, wants, has_handle: random.one_in(2) }
    }
}

impl Want {
    fn several(random: &mut Random) -> Vec<Self> {
        (0..random.within(0..4)).map(|_| Self::random(random)).collect()
    }

    fn random(random: &mut Random) -> Self {
        let after = random.pick(&[None, None, None, Some(0), Some(1), Some(4)]);
        Self { pattern: random.pick(&PATTERNS), after }
    }
}

impl TopicAction {
    pub(in crate::sim) fn random(random: &mut Random, limits: &Limits) -> Self {
        let (client, topic, node) = (random.up_to(1000), random.up_to(1000), random.up_to(1000));
        let most = u64::try_from(limits.longest_wait.as_millis()).unwrap_or(u64::MAX).max(1);
        match random.within(0..100) {
            0..38 => {
                let events = random.up_to(11) + 1;
                let size = random.pick(&[0, 10, 10, 200, 3_000]).min(limits.largest);
                Self::Publish { topic, events, size }
            }
            38..41 => Self::Miss { topic, node },
            41..46 => Self::Delete { topic },
            46..52 => Self::BeginEpoch,
            52..64 => Self::SetFilter { client, wants: Want::several(random) },
            64..74 => Self::Probe { topic },
            74..80 => Self::of_client(client, ClientAction::Stall(random.millis(0..most))),
            80..88 => Self::of_client(client, ClientAction::Cut(Cut::random(random))),
            88..94 => Self::of_client(client, ClientAction::Claim(Claim::random(random))),
            94..96 => Self::of_client(client, ClientAction::Reload),
            96 => Self::End { ending: random.pick(&[Ending::Finished, Ending::Aborted]) },
            97 | 98 => Self::Reopen,
            _ => Self::Clear { node },
        }
    }

    fn of_client(client: usize, action: ClientAction) -> Self {
        Self::Client { client, action }
    }
}

/// The topics of events. The last events have none.
pub(super) const TOPICS: [Option<&str>; 7] =
    [Some("a"), Some("a.b"), Some("a.c"), Some("d"), Some("k.x"), Some("k.y"), None];

/// The topics that are keys, if there are keys.
pub(super) const KEYS: [&str; 2] = ["k.x", "k.y"];

/// What filters consist of.
const PATTERNS: [&str; 10] = ["a", "a.b", "d", "k.x", "k.y", "a.*", "a.>", "k.*", "*", ">"];
