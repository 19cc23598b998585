//! What a node has of a channel, for readers and counters.

use std::time::Duration;

use lasse_core::channel::{ChannelStats, Ended, IdleWatch, StatsReader};
use lasse_core::log::Epoch;
use lasse_core::{Channel, Ending, EventId, LastEventId, StartAt, Subscription, TopicFilter};

/// What a node has of a channel, for readers and counters. It cannot publish: all events come from the
/// stream.
///
/// Its `subscribe` decides by what this node holds: a client whose id only Redis knows is reset.
/// [`RedisChannel::subscribe`](crate::RedisChannel::subscribe) asks Redis.
#[derive(Clone, Copy, Debug)]
pub struct LocalChannel<'a>(&'a Channel);

impl<'a> LocalChannel<'a> {
    pub(crate) fn new(channel: &'a Channel) -> Self {
        Self(channel)
    }

    /// Decides on a client by what this node holds, as [`Channel::subscribe`] does.
    pub fn subscribe(self, last: &LastEventId) -> Subscription {
        self.0.subscribe(last)
    }

    /// The same, but a client that is new or reset starts at `start`.
    pub fn subscribe_from(self, last: &LastEventId, start: StartAt) -> Subscription {
        self.0.subscribe_from(last, start)
    }

    /// Decides on a client of some topics by what this node holds, as [`Channel::subscribe_to`] does.
    pub fn subscribe_to(self, filter: &TopicFilter, last: &LastEventId) -> Subscription {
        self.0.subscribe_to(filter, last)
    }

    /// Counters, and what the node holds now.
    #[doc(alias = "metrics")]
    pub fn stats(self) -> ChannelStats {
        self.0.stats()
    }

    /// Reads the counters, and does not keep the channel alive.
    pub fn stats_reader(self) -> StatsReader {
        self.0.stats_reader()
    }

    /// The id after which a client has everything that this node has read.
    pub fn last_id(self) -> Option<EventId> {
        self.0.last_id()
    }

    /// The epoch that this node has read last.
    pub fn epoch(self) -> Epoch {
        self.0.epoch()
    }

    /// How the channel ended, if this node has read its end.
    pub fn ending(self) -> Option<Ending> {
        self.0.ending()
    }

    /// A future that is ready when this node has read the end of the channel.
    pub fn ended(self) -> Ended {
        self.0.ended()
    }

    /// Watches for the channel to have no readers on this node for as long as `grace`.
    pub fn idle(self, grace: Duration) -> IdleWatch {
        self.0.idle(grace)
    }
}
