//! The settings of a simulation: every setting at zero, at one, at a usual value and at a huge one.

use std::time::Duration;

use lasse_core::{ChannelConfig, StreamConfig};
use lasse_tokio::ServeConfig;

use super::channel_settings::ChannelSettings;
use super::pipe::PipeSettings;
use super::random::Random;
use super::threads::thread_number;
use super::topics::TopicSettings;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) nodes: Vec<NodeSettings>,
    pub(super) clients: Vec<ClientSettings>,
    pub(super) feeds: usize,
    pub(super) numbering: Numbering,
    pub(super) channel: ChannelSettings,
    pub(super) has_dispatcher: bool,
    /// The number before the first event of each log that numbers its events.
    pub(super) number_before: u64,
    /// Whether nodes miss events now and then, and know it.
    pub(super) has_holes: bool,
    /// Whether a node's channels are those of a `Channels`, with this budget of bytes.
    pub(super) budget: Option<usize>,
    /// How long clients and the world wait at most.
    pub(super) longest_wait: Duration,
    /// Into how many shards a channel is divided, once it has more than so many subscribers.
    pub(super) shards: (usize, usize),
    /// Channels with topics, if there are any.
    pub(super) topics: Option<TopicSettings>,
}

/// What numbers the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbering {
    /// Each node for itself.
    PerNode,
    /// The application, by ids of its own, the same on all nodes.
    OwnIds,
    /// A store, for all nodes, whose logs share an epoch.
    Shared,
}

/// Which adapter a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stack {
    /// `lasse_tokio::serve_connection`.
    Tokio,
    /// hyper's HTTP/1.1 server with `lasse_hyper`'s bodies.
    Hyper,
    /// `lasse_hyper`'s own server, for HTTP/1.1 and HTTP/2.
    Serve,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct NodeSettings {
    pub(super) stack: Stack,
    pub(super) limit: usize,
    pub(super) limit_per_client: Option<usize>,
    pub(super) keep_alive: Option<Duration>,
    pub(super) write_timeout: Option<Duration>,
    pub(super) max_age: Option<Duration>,
    pub(super) has_first_byte: bool,
    pub(super) head_timeout: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ClientSettings {
    pub(super) kind: ClientKind,
    pub(super) route: Route,
    pub(super) is_http10: bool,
    /// Whether a proxy forwards its requests over HTTP/2, to nodes that support it.
    pub(super) is_http2: bool,
    pub(super) pipe: PipeSettings,
    /// One connection in so many goes to another node.
    pub(super) hops_one_in: u64,
    pub(super) read_timeout: Option<Duration>,
    /// How long the client pauses after each read.
    pub(super) pause: Duration,
    /// How many bytes of its request the client writes at once.
    pub(super) request_piece: usize,
    /// Whether the id goes into the query, not the header.
    pub(super) uses_query: bool,
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// The events of a channel.
    Feed,
    /// An answer that ends by itself, or fails.
    Tokens,
    /// The messages of a mailbox.
    Mail,
    /// The events of some topics.
    Topics,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientKind {
    /// `lasse_core::Client`.
    Lasse,
    Chrome,
    Firefox,
    WebKit,
}

impl Settings {
    pub(super) fn random(random: &mut Random) -> Self {
        let longest_wait = random.pick(&[SECOND, 5 * SECOND, 40 * SECOND]);
        let is_slow = longest_wait > SECOND;
        let nodes = (0..random.within(1..4)).map(|_| NodeSettings::random(random, is_slow));
        let nodes = nodes.collect();
        let clients = (0..random.within(1..7)).map(|_| ClientSettings::random(random)).collect();
        let (numbering, channel) = (random.pick(&NUMBERINGS), ChannelSettings::random(random));
        let may_have_holes = numbering != Numbering::OwnIds && !channel.backfill;
        Self {
            nodes,
            clients,
            feeds: random.within(1..3) as usize,
            numbering,
            channel,
            number_before: random.pick(&[0, 0, 0, 999_999_999_999_999_999, u64::MAX - 10_000]),
            has_holes: random.one_in(2) && may_have_holes,
            has_dispatcher: random.one_in(2),
            budget: random.pick(&[None, None, Some(0), Some(3_000), Some(usize::MAX)]),
            longest_wait,
            shards: (random.pick(&[1, 2, 3]), random.pick(&[0, 1, 2])),
            topics: None,
        }
    }

    /// The settings of a node's channels.
    pub(super) fn channel_config(&self, budget: Option<usize>) -> ChannelConfig {
        self.with_shards(self.channel.config(budget))
    }

    /// The settings of a node's channel with topics.
    pub(super) fn topic_config(&self, topics: &TopicSettings) -> ChannelConfig {
        self.with_shards(topics.config())
    }

    fn with_shards(&self, config: ChannelConfig) -> ChannelConfig {
        let (shards, above) = self.shards;
        let config = config.with_shards(shards).with_shards_above(above);
        config.with_thread_number(thread_number)
    }
}

impl NodeSettings {
    /// Settings in which nothing goes wrong by itself.
    pub(super) fn calm(stack: Stack) -> Self {
        Self {
            stack,
            limit: usize::MAX,
            limit_per_client: None,
            keep_alive: Some(15 * SECOND),
            write_timeout: Some(30 * SECOND),
            max_age: None,
            has_first_byte: true,
            head_timeout: 10 * SECOND,
        }
    }

    fn random(random: &mut Random, is_slow: bool) -> Self {
        let shortest = if is_slow { 100 * MILLI } else { MILLI };
        Self {
            stack: random.pick(&[Stack::Tokio, Stack::Hyper, Stack::Serve, Stack::Serve]),
            limit: random.pick(&[usize::MAX, usize::MAX, usize::MAX, 3, 1, 0]),
            limit_per_client: random.pick(&[None, None, Some(1), Some(0)]),
            keep_alive: random.pick(&[
                None,
                None,
                Some(shortest),
                Some(SECOND),
                Some(15 * SECOND),
                Some(Duration::MAX),
            ]),
            write_timeout: random.pick(&[
                None,
                Some(NANO),
                Some(SECOND),
                Some(30 * SECOND),
                Some(Duration::MAX),
            ]),
            max_age: random.pick(&[
                None,
                None,
                None,
                Some(NANO),
                Some(7 * SECOND),
                Some(60 * SECOND),
                Some(Duration::MAX),
            ]),
            has_first_byte: random.one_in(2),
            head_timeout: random.pick(&[NANO, SECOND, 10 * SECOND, 10 * SECOND, Duration::MAX]),
        }
    }

    pub(super) fn stream_config(&self) -> StreamConfig {
        StreamConfig::new()
            .with_first_byte(self.has_first_byte)
            .with_keep_alive(self.keep_alive)
            .with_write_timeout(self.write_timeout)
            .with_max_age(self.max_age)
    }

    pub(super) fn serve_config(&self) -> ServeConfig {
        let config = ServeConfig::new();
        config.with_head_timeout(self.head_timeout).expect("it is not zero")
    }
}

impl ClientSettings {
    /// A client on a network in which nothing goes wrong by itself.
    pub(super) fn calm() -> Self {
        Self {
            kind: ClientKind::Lasse,
            route: Route::Feed,
            is_http10: false,
            is_http2: false,
            pipe: PipeSettings::default(),
            hops_one_in: 0,
            read_timeout: None,
            pause: Duration::ZERO,
            request_piece: usize::MAX,
            uses_query: false,
        }
    }

    pub(super) fn random(random: &mut Random) -> Self {
        let capacity = random.pick(&[1, 7, 300, 64 * 1024, 64 * 1024, usize::MAX]);
        let pipe = PipeSettings {
            capacity,
            most_at_once: random.pick(&[1, 5, 100, usize::MAX, usize::MAX]),
            pending_one_in: random.pick(&[0, 2, 5]),
            holds_until_flush: random.one_in(2),
            is_vectored: random.one_in(2),
        };
        Self {
            kind: random.pick(&[
                ClientKind::Lasse,
                ClientKind::Lasse,
                ClientKind::Chrome,
                ClientKind::Firefox,
                ClientKind::WebKit,
            ]),
            route: random.pick(&[
                Route::Feed,
                Route::Feed,
                Route::Feed,
                Route::Feed,
                Route::Tokens,
                Route::Mail,
            ]),
            is_http10: random.one_in(3),
            is_http2: random.one_in(3),
            pipe,
            hops_one_in: random.pick(&[0, 0, 1, 3]),
            read_timeout: random.pick(&[None, None, Some(20 * SECOND), Some(45 * SECOND)]),
            pause: random.pick(&[Duration::ZERO, Duration::ZERO, Duration::ZERO, 50 * MILLI]),
            request_piece: random.pick(&[usize::MAX, usize::MAX, 1, 17]),
            uses_query: random.one_in(8),
        }
    }
}

pub(super) const NANO: Duration = Duration::from_nanos(1);
pub(super) const MILLI: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);

const NUMBERINGS: [Numbering; 3] = [Numbering::PerNode, Numbering::OwnIds, Numbering::Shared];
