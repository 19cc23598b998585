//! A scenario: the settings and the list of actions of a seed.

use std::ops::RangeInclusive;
use std::time::Duration;

use lasse_core::Ending;

use super::client_action::{Claim, ClientAction, Cut};
use super::random::Random;
use super::settings::{MILLI, NANO, SECOND, Settings};
use super::topics::{TopicAction, TopicSettings};

/// All that happens in a simulation. Actions name clients, nodes and feeds by any number, of which the
/// remainder counts, so that each action makes sense whatever else is left out.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) seed: u64,
    pub(super) settings: Settings,
    pub(super) actions: Vec<Action>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Publishes events with so much filler.
    Publish {
        feed: usize,
        events: usize,
        size: usize,
    },
    Wait(Duration),
    /// Moves the clock as the end of a suspension does: no task runs on the way.
    Jump(Duration),
    Client {
        client: usize,
        action: ClientAction,
    },
    Drain {
        node: usize,
        plan: Plan,
    },
    /// The node is killed, and another one starts in its place. It has the log of the old one, or
    /// only the newest events of the feed.
    Restart {
        node: usize,
        downtime: Duration,
        log: Reloaded,
    },
    /// The node receives no events until it catches up.
    Lag {
        node: usize,
    },
    CatchUp {
        node: usize,
    },
    /// The node misses an event that the others get, and records that.
    Miss {
        node: usize,
        feed: usize,
    },
    End {
        feed: usize,
        ending: Ending,
    },
    /// The feed restarts after its end.
    Reopen {
        feed: usize,
    },
    Clear {
        node: usize,
        feed: usize,
    },
    /// Sends messages to a client's mailbox, and may stop the stream then.
    Notify {
        client: usize,
        messages: usize,
        stops: bool,
    },
    /// Publishes one event and checks that all readers receive it promptly.
    Probe {
        feed: usize,
    },
    /// Someone connects and sends something that is not a request for a feed.
    Stranger {
        node: usize,
        kind: Stranger,
    },
    /// Concerns channels with topics, or their clients.
    Topics(TopicAction),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) notice: Duration,
    pub(super) window: Duration,
    pub(super) grace: Duration,
    pub(super) retry: (Duration, Duration),
}

impl Plan {
    pub(super) fn retry(&self) -> RangeInclusive<Duration> {
        self.retry.0..=self.retry.1
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reloaded {
    /// All that the old one held, under the same ids.
    All,
    /// The feed's newest so many events.
    Newest(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    /// Sends nothing.
    Silent,
    /// Sends half a request.
    Half,
    Garbage,
    Head,
    Post,
    /// Closes in the middle of a request.
    Leaves,
}

impl Scenario {
    pub(super) fn from_seed(seed: u64) -> Self {
        let mut random = Random::for_part(seed, 0);
        let mut settings = Settings::random(&mut random);
        let limits = Limits::of(&settings);
        let actions = (0..random.within(5..200)).map(|_| Action::random(&mut random, &limits));
        let mut actions = actions.collect();
        // All that was added later has random numbers of its own, so a seed stands for what it stood for.
        let mut random = Random::for_part(seed, TOPICS);
        if seed >= FIRST_WITH_TOPICS {
            settings.topics = Some(TopicSettings::random(&mut random));
            Self::add_topics(&mut actions, &mut random, &Limits::of(&settings));
        }
        Self { seed, actions, settings }
    }

    /// Puts actions that concern topics between the others.
    fn add_topics(actions: &mut Vec<Action>, random: &mut Random, limits: &Limits) {
        for _ in 0..random.within(5..100) {
            let at = random.up_to(actions.len());
            actions.insert(at, Action::Topics(TopicAction::random(random, limits)));
        }
    }
}

/// What keeps a scenario from taking too many steps.
pub(super) struct Limits {
    pub(super) longest_wait: Duration,
    /// The most filler of an event.
    pub(super) largest: usize,
}

impl Limits {
    fn of(settings: &Settings) -> Self {
        let of_topics = settings.topics.iter().flat_map(|topics| &topics.clients);
        let clients = settings.clients.iter().chain(of_topics.map(|client| &client.client));
        let pipes = clients.map(|client| &client.pipe);
        let slowest = pipes.map(|pipe| pipe.capacity.min(pipe.most_at_once)).min();
        let largest = if slowest.unwrap_or(0) < 100 { 200 } else { 70_000 };
        Self { longest_wait: settings.longest_wait, largest }
    }
}

impl Action {
    fn random(random: &mut Random, limits: &Limits) -> Self {
        let longest = limits.longest_wait;
        let any = |random: &mut Random| random.up_to(1000);
        let within = |random: &mut Random, most: Duration| {
            let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
            random.millis(0..most.max(1))
        };
        let (client, node, feed) = (any(random), any(random), any(random));
        match random.within(0..100) {
            0..6 => {
                let messages = random.up_to(5) + 1;
                Self::Notify { client, messages, stops: random.one_in(10) }
            }
            6..25 => Self::publish(random, feed, limits),
            25..45 => Self::Wait(within(random, longest)),
            45..48 => Self::Wait(random.pick(&[NANO, MILLI])),
            48..50 => Self::Jump(within(random, longest)),
            50..56 => Self::of_client(client, ClientAction::Stall(within(random, longest))),
            56..64 => Self::of_client(client, ClientAction::Cut(Cut::random(random))),
            64..72 => Self::of_client(client, ClientAction::Claim(Claim::random(random))),
            72..75 => Self::of_client(client, ClientAction::Reload),
            75..78 => Self::Drain { node, plan: Plan::random(random) },
            78..82 => {
                let log = random.pick(&RELOADED);
                Self::Restart { node, downtime: within(random, longest), log }
            }
            82..84 => Self::Lag { node },
            84..86 => Self::Miss { node, feed },
            86..87 => Self::CatchUp { node },
            87..88 => Self::End { feed, ending: random.pick(&[Ending::Finished, Ending::Aborted]) },
            88..90 => Self::Reopen { feed },
            90..91 => Self::Clear { node, feed },
            91..97 => Self::Probe { feed },
            _ => Self::Stranger { node, kind: random.pick(&STRANGERS) },
        }
    }

    fn of_client(client: usize, action: ClientAction) -> Self {
        Self::Client { client, action }
    }

    fn publish(random: &mut Random, feed: usize, limits: &Limits) -> Self {
        let size = random.pick(&[0, 10, 10, 200, 3_000, 70_000]).min(limits.largest);
        let most = if size > 1000 { 3 } else { 12 };
        Self::Publish { feed, events: random.up_to(most - 1) + 1, size }
    }
}

impl Plan {
    fn random(random: &mut Random) -> Self {
        let times = [Duration::ZERO, NANO, SECOND, 5 * SECOND];
        let retry = random.pick(&[Duration::ZERO, MILLI, SECOND]);
        Self {
            notice: random.pick(&times),
            window: random.pick(&times),
            grace: random.pick(&[Duration::ZERO, SECOND, 20 * SECOND, Duration::MAX]),
            retry: (retry, retry + random.pick(&times)),
        }
    }
}

/// Seeds from this one on have channels with topics, too.
const FIRST_WITH_TOPICS: u64 = 1 << 62;

/// The part of the random numbers by which channels with topics are made.
const TOPICS: u64 = u64::MAX;

const RELOADED: [Reloaded; 4] =
    [Reloaded::All, Reloaded::All, Reloaded::Newest(0), Reloaded::Newest(3)];

const STRANGERS: [Stranger; 6] = [
    Stranger::Silent,
    Stranger::Half,
    Stranger::Garbage,
    Stranger::Head,
    Stranger::Post,
    Stranger::Leaves,
];
