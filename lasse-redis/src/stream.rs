//! A stream of Redis on this node: its keys, its channel, and where the channel stands.

use std::sync::{Mutex, MutexGuard, PoisonError};

use lasse_core::{Channel, ChannelConfig};
use redis::aio::MultiplexedConnection;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::Failure;
use crate::follower::{Follower, epoch_name};
use crate::reply::{self, Opened};
use crate::scripts;
use crate::stream_id::StreamId;

/// A stream of Redis on this node.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) key: String,
    /// The key of the hash beside the stream: its epoch, the server's replication id, its ending.
    pub(crate) state_key: String,
    pub(crate) channel: Channel,
    /// How much of the stream's end is loaded at the start.
    pub(crate) tail: Tail,
    follower: Mutex<Follower>,
    /// The entry that was read last. None before the tail is loaded.
    position: watch::Sender<Option<StreamId>>,
    /// The connection for publishing on which the stream is open, by its number, and its epoch.
    opened: Mutex<Option<(u64, u64)>>,
    /// When Redis was last asked where the stream ends, and the answer.
    pub(crate) checked: tokio::sync::Mutex<Option<(Instant, Opened)>>,
    /// Why this stream cannot be used, if so.
    problem: Mutex<Option<String>>,
}

/// How much of a stream's end is loaded: the strictest limit counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    pub(crate) events: u64,
    pub(crate) bytes: usize,
}

/// A name that cannot be the key of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidStreamName;

impl std::fmt::Display for InvalidStreamName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the name of a stream is not empty, and has no braces but those of a hash tag")
    }
}

impl std::error::Error for InvalidStreamName {}

impl Stream {
    pub(crate) fn new(key: &str, config: &ChannelConfig) -> Result<Self, InvalidStreamName> {
        let state_key = beside(key, "state")?;
        let retention = config.retention();
        let config = config.clone().with_shared_epoch(true);
        let channel = Channel::with_epoch(&config, epoch_name(0));
        Ok(Self {
            key: key.to_owned(),
            state_key,
            follower: Mutex::new(Follower::new(channel.clone())),
            channel,
            tail: Tail { events: retention.events(), bytes: retention.bytes() },
            position: watch::Sender::new(None),
            opened: Mutex::new(None),
            checked: tokio::sync::Mutex::new(None),
            problem: Mutex::new(None),
        })
    }

    pub(crate) fn follower(&self) -> MutexGuard<'_, Follower> {
        lock(&self.follower)
    }

    /// Opens the stream on a connection that has not used it yet.
    pub(crate) async fn open(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<Opened, Failure> {
        let known = self.follower().known();
        let mut call = scripts::OPEN.key(&self.key);
        call.key(&self.state_key).arg(known.epoch).arg(known.number);
        let reply = call.invoke_async(connection).await;
        // If the script has begun an epoch, the next call returns that.
        let reply = reply.map_err(|error| Failure::of(&error).without_effect())?;
        reply::opened(&reply)
    }

    /// The epoch of the stream on a connection for publishing, if it is open there.
    pub(crate) fn epoch_on(&self, connection: u64) -> Option<u64> {
        lock(&self.opened).filter(|(number, _)| *number == connection).map(|(_, epoch)| epoch)
    }

    pub(crate) fn set_epoch_on(&self, connection: u64, epoch: Option<u64>) {
        *lock(&self.opened) = epoch.map(|epoch| (connection, epoch));
    }

    /// Publishes where the channel stands, after entries were applied.
    pub(crate) fn show_position(&self) {
        let (at, is_loaded) = {
            let follower = self.follower();
            (follower.at(), follower.is_loaded())
        };
        if is_loaded {
            self.position.send_replace(Some(at));
        }
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.position.borrow().is_some()
    }

    /// Waits until the channel has the entry `id`, and what the stream held at the start.
    pub(crate) async fn wait_for(&self, id: StreamId) {
        let mut position = self.position.subscribe();
        // The sender lives as long as this.
        let _ = position.wait_for(|at| at.is_some_and(|at| at >= id)).await;
    }

    pub(crate) fn problem(&self) -> Option<String> {
        lock(&self.problem).clone()
    }

    pub(crate) fn set_problem(&self, problem: Option<String>) {
        *lock(&self.problem) = problem;
    }
}

/// A key in the same slot of a cluster as the stream.
pub(crate) fn beside(key: &str, what: &str) -> Result<String, InvalidStreamName> {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    match tag {
        Some((tag, _)) if !tag.is_empty() => Ok(format!("{key}:{what}")),
        None if !key.is_empty() && !key.contains(['{', '}']) => Ok(format!("{{{key}}}:{what}")),
        _ => Err(InvalidStreamName),
    }
}

/// Poison is ignored, because no panic can leave a change half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_stream_have_one_hash_tag() {
        assert_eq!(beside("news", "state").unwrap(), "{news}:state");
        assert_eq!(beside("{news}", "state").unwrap(), "{news}:state");
        assert_eq!(beside("a{news}b", "state").unwrap(), "a{news}b:state");
        for key in ["", "{", "}", "{}", "a{}b", "a}b", "a{b"] {
            assert_eq!(beside(key, "state"), Err(InvalidStreamName), "{key}");
        }
    }
}
