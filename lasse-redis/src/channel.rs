//! A channel of several nodes: published to a stream of Redis, and read from it on each node.

mod end;
mod local;
mod publish;
mod subscribe;
mod write;

use std::sync::Arc;

pub use local::LocalChannel;

use lasse_core::Channel;

use crate::backplane::Backplane;
use crate::connector::Numbered;
use crate::error::Failure;
use crate::reply::Opened;
use crate::stream::Stream;
use crate::stream_id::StreamId;

/// A channel of several nodes: published to a stream of Redis, and read from it on each node.
///
/// All events reach the readers through the reader of their node, also those that this node
/// publishes: there is one order everywhere.
#[derive(Clone, Debug)]
pub struct RedisChannel {
    backplane: Backplane,
    stream: Arc<Stream>,
}

/// The numbers that were skipped or are missing in a channel on this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamStats {
    /// Entries that other programs wrote into the stream.
    pub foreign: u64,
    /// Places where events were missing in the stream.
    pub gaps: u64,
}

impl RedisChannel {
    pub(crate) fn new(backplane: Backplane, stream: Arc<Stream>) -> Self {
        Self { backplane, stream }
    }

    /// Opens the stream on a connection that has not used it yet.
    async fn open_on(&self, numbered: &mut Numbered) -> Result<Opened, Failure> {
        let max_len = self.backplane.shared().config.max_len;
        self.stream.open(&mut numbered.connection, max_len).await
    }

    /// What this node has of the channel, for readers and counters.
    pub fn local(&self) -> LocalChannel<'_> {
        LocalChannel::new(&self.stream.channel)
    }

    /// The channel of this node, with all that a caller must not do.
    pub(crate) fn channel(&self) -> &Channel {
        &self.stream.channel
    }

    /// Waits until this node has read what the stream held at the start.
    pub(crate) async fn loaded(&self) {
        self.stream.wait_for(StreamId::default()).await;
    }

    /// The connection to Redis of this node.
    pub fn backplane(&self) -> &Backplane {
        &self.backplane
    }

    /// The numbers that were skipped or are missing in the channel on this node.
    pub fn stream_stats(&self) -> StreamStats {
        let follower = self.stream.follower();
        StreamStats { foreign: follower.foreign(), gaps: follower.gaps() }
    }
}
