//! A stream of Redis on this node: its keys, its channel, and the position of the channel.

mod reading;

#[cfg(feature = "metrics")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lasse_core::channel::Dispatcher;
use lasse_core::{Channel, ChannelConfig, Channels};
pub(crate) use reading::PAGE;
use redis::aio::MultiplexedConnection;
use redis::{Script, ScriptInvocation};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::Failure;
use crate::follower::{Follower, epoch_name};
use crate::reply::{self, Opened};
use crate::scripts;
use crate::shared::millis;
use crate::stream_id::StreamId;
use crate::topic_table::TopicTable;

/// A stream of Redis on this node.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) keys: StreamKeys,
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
    /// The last known state of its topics.
    pub(crate) topics: tokio::sync::Mutex<Option<TopicTable>>,
    /// Why this stream cannot be used, if so.
    problem: Mutex<Option<String>>,
    /// How long Redis keeps the stream while it is not used, in milliseconds. None: for ever.
    pub(crate) lifetime: Option<u64>,
    /// How long a node keeps the stream while it has no readers.
    pub(crate) idle_timeout: Duration,
    /// Wakes the readers, if no task does. None while it does, and for a stream that is always read.
    dispatcher: Mutex<Option<Dispatcher>>,
    /// Its place in the budget of a set of channels.
    _pooled: Option<Pooled>,
    /// Whether it is in the metrics.
    #[cfg(feature = "metrics")]
    is_reported: AtomicBool,
}

/// A channel of a set that has a budget together. It leaves the set when this is dropped.
#[derive(Debug)]
pub(crate) struct Pooled {
    pub(crate) channels: Channels<u64>,
    pub(crate) number: u64,
}

impl Drop for Pooled {
    fn drop(&mut self) {
        self.channels.remove(&self.number);
    }
}

/// The keys of a stream, which are in one slot of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamKeys {
    pub(crate) stream: String,
    /// A hash: the epoch, the server's replication id, the ending, the ends of older epochs, the
    /// newest hole.
    state: String,
    /// A hash: the last id of each topic, and that of those before.
    topics: String,
    older_topics: String,
}

impl StreamKeys {
    /// The keys of the stream `name`.
    pub(crate) fn new(name: &str) -> Result<Self, InvalidStreamName> {
        Ok(Self {
            stream: name.to_owned(),
            state: beside(name, "state")?,
            topics: beside(name, "topics")?,
            older_topics: beside(name, "topics:old")?,
        })
    }

    /// A call of a script with these keys.
    pub(crate) fn call<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = script.key(&self.stream);
        call.key(&self.state).key(&self.topics).key(&self.older_topics);
        call
    }

    /// The key of the result of an idempotent call.
    pub(crate) fn result(&self, idempotency_key: &str) -> String {
        format!("{}:once:{idempotency_key}", self.state)
    }
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
    /// A stream that is always read.
    pub(crate) fn new(keys: StreamKeys, config: &ChannelConfig) -> Self {
        let shared = config.clone().with_shared_epoch(true);
        Self::with_channel(keys, Channel::with_epoch(&shared, epoch_name(0)), config)
    }

    /// A stream that is read while it has readers, and that expires when it is not used.
    pub(crate) fn by_key(
        keys: StreamKeys,
        pool: Pooled,
        config: &ChannelConfig,
        lifetime: Duration,
    ) -> Self {
        let channel = pool.channels.open(pool.number);
        let mut stream = Self::with_channel(keys, channel, config);
        stream.dispatcher = Mutex::new(stream.channel.dispatcher());
        (stream.lifetime, stream._pooled) = (Some(millis(lifetime)), Some(pool));
        stream
    }

    fn with_channel(keys: StreamKeys, channel: Channel, config: &ChannelConfig) -> Self {
        let retention = config.retention();
        Self {
            keys,
            follower: Mutex::new(Follower::new(channel.clone())),
            channel,
            tail: Tail { events: retention.events(), bytes: retention.bytes() },
            position: watch::Sender::new(None),
            opened: Mutex::new(None),
            checked: tokio::sync::Mutex::new(None),
            topics: tokio::sync::Mutex::new(None),
            problem: Mutex::new(None),
            lifetime: None,
            idle_timeout: config.idle_timeout(),
            dispatcher: Mutex::new(None),
            _pooled: None,
            #[cfg(feature = "metrics")]
            is_reported: AtomicBool::new(false),
        }
    }

    /// Whether a stream by key is read for the first time, of several times.
    #[cfg(feature = "metrics")]
    pub(crate) fn is_first_watch(&self) -> bool {
        // Relaxed: it orders nothing else.
        !self.is_reported.swap(true, Ordering::Relaxed)
    }

    /// Its key.
    pub(crate) fn key(&self) -> &str {
        &self.keys.stream
    }

    pub(crate) fn follower(&self) -> MutexGuard<'_, Follower> {
        lock(&self.follower)
    }

    /// Opens the stream on a connection that has not used it yet. Redis keeps about `max_len` entries
    /// of it.
    pub(crate) async fn open(
        &self,
        connection: &mut MultiplexedConnection,
        max_len: u64,
    ) -> Result<Opened, Failure> {
        let (known, event) = {
            let follower = self.follower();
            (follower.known(), follower.known_event())
        };
        let mut call = self.keys.call(&scripts::OPEN);
        call.arg(self.lifetime_argument()).arg(known.epoch).arg(known.number);
        call.arg(max_len).arg(event.epoch).arg(event.number);
        let reply = call.invoke_async(connection).await;
        // If the script has begun an epoch, the next call returns that.
        let reply = reply.map_err(|error| Failure::of(&error).without_effect())?;
        let opened = reply::opened(&reply)?;
        #[cfg(feature = "tracing")]
        if opened.is_loss_recorded {
            tracing::warn!(stream = self.key(), epoch = event.epoch, "Redis has lost events");
        }
        Ok(opened)
    }

    /// The lifetime of the stream as the scripts take it.
    pub(crate) fn lifetime_argument(&self) -> String {
        self.lifetime.map(|millis| millis.to_string()).unwrap_or_default()
    }

    /// Has Redis keep the stream for another lifetime.
    pub(crate) fn prolong(&self, pipeline: &mut redis::Pipeline) {
        let Some(lifetime) = self.lifetime else { return };
        let keys = &self.keys;
        for key in [&keys.stream, &keys.topics, &keys.older_topics] {
            pipeline.cmd("PEXPIRE").arg(key).arg(lifetime);
        }
        pipeline.cmd("PEXPIRE").arg(&keys.state).arg(lifetime.saturating_mul(2));
    }

    /// The epoch of the stream on a connection for publishing, if it is open there.
    pub(crate) fn epoch_on(&self, connection: u64) -> Option<u64> {
        lock(&self.opened).filter(|(number, _)| *number == connection).map(|(_, epoch)| epoch)
    }

    pub(crate) fn set_epoch_on(&self, connection: u64, epoch: Option<u64>) {
        *lock(&self.opened) = epoch.map(|epoch| (connection, epoch));
    }

    /// Wakes the readers, and publishes the position of the channel, after entries were applied.
    pub(crate) fn show_position(&self) {
        self.wake_readers();
        let (at, is_loaded) = {
            let follower = self.follower();
            (follower.at(), follower.is_loaded())
        };
        if is_loaded {
            self.position.send_replace(Some(at));
        }
    }

    /// Wakes the readers of a stream without a task for that. No lock is held meanwhile.
    fn wake_readers(&self) {
        let Some(mut dispatcher) = lock(&self.dispatcher).take() else { return };
        while dispatcher.wake_some() {}
        *lock(&self.dispatcher) = Some(dispatcher);
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.position.borrow().is_some()
    }

    /// The stream is not read any more.
    pub(crate) fn unload(&self) {
        self.position.send_replace(None);
    }

    /// Waits until the channel has the entry `id`, and what the stream held at the start.
    pub(crate) async fn wait_for(&self, id: StreamId) {
        let mut position = self.position.subscribe();
        // The sender lives as long as this.
        let _ = position.wait_for(|at| at.is_some_and(|at| at >= id)).await;
    }

    /// Waits until the channel has the entry that records the loss of the event `id`, if that was
    /// lost.
    pub(crate) async fn wait_for_record(&self, id: StreamId) {
        let mut position = self.position.subscribe();
        // The sender lives as long as this.
        let _ = position.wait_for(|_| !self.follower().is_unrecorded(id)).await;
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
