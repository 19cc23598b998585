//! Channels by key that several nodes share: one for each user or each chat.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use lasse_core::{ChannelConfig, Channels};
use tokio::task::AbortHandle;

use crate::backplane::Backplane;
use crate::channel::RedisChannel;
use crate::follower::epoch_name;
use crate::stream::{Pooled, Stream, StreamKeys};

/// Channels by key that several nodes share, each with a stream of Redis: one for each user or each
/// chat, a hundred thousand of them.
///
/// A node reads only the streams whose channels have readers there, when Redis announces that
/// something was published to them. A channel without readers costs a node nothing. One connection
/// and one task read all of them.
///
/// After the [idle timeout](ChannelConfig::with_idle_timeout) without readers, a node releases a
/// channel. The logs of all channels together have the [total
/// bytes](ChannelConfig::with_total_bytes): beyond that, the least recently used are cleared, and
/// their clients receive the missing events from Redis. Redis deletes a stream that no node has
/// used for its [lifetime](crate::BackplaneConfig::with_stream_lifetime).
///
/// The [`Display`](fmt::Display) of `K`, such as `u64` or `str`, is a part of the key in Redis.
///
/// # Examples
///
/// ```
/// use lasse_core::{ChannelConfig, Event};
/// use lasse_redis::{Backplane, RedisChannels};
///
/// async fn greet(backplane: &Backplane) -> Result<(), Box<dyn std::error::Error>> {
///     let chats: RedisChannels<str> = backplane.channels("chat", &ChannelConfig::new())?;
///     chats.open("tea")?.publish(Event::new("milk first")).await?;
///     Ok(())
/// }
/// ```
pub struct RedisChannels<K: ?Sized>(Arc<Set>, PhantomData<fn(&K)>);

struct Set {
    backplane: Backplane,
    name: String,
    config: ChannelConfig,
    /// The logs, which share a budget.
    pool: Channels<u64>,
    sweeper: AbortHandle,
    streams: Mutex<Streams>,
}

/// The streams that are in use.
#[derive(Default)]
struct Streams {
    by_key: HashMap<String, Weak<Stream>>,
    /// The number of the newest.
    number: u64,
    /// How many keys there can be until unused ones are removed.
    most: usize,
}

impl<K: fmt::Display + ?Sized> RedisChannels<K> {
    pub(crate) fn new(backplane: Backplane, name: &str, config: &ChannelConfig) -> Self {
        let shared = config.clone().with_shared_epoch(true);
        let pool = Channels::with_epochs(&shared, || epoch_name(0));
        let sweeper = tokio::spawn(lasse_tokio::sweep(&pool)).abort_handle();
        let set = Set {
            backplane,
            name: name.to_owned(),
            config: config.clone(),
            pool,
            sweeper,
            streams: Mutex::default(),
        };
        Self(Arc::new(set), PhantomData)
    }

    /// The channel of `key`. This calls nothing in Redis: the stream begins with the first event or
    /// the first reader.
    ///
    /// # Errors
    ///
    /// If the key cannot be a part of a key of Redis.
    pub fn open(&self, key: &K) -> Result<RedisChannel, InvalidKey> {
        let name = format!("{}:{key}", self.0.name);
        let mut streams = self.0.lock();
        if let Some(stream) = streams.by_key.get(&name).and_then(Weak::upgrade) {
            return Ok(RedisChannel::new(self.0.backplane.clone(), stream));
        }
        check(&self.0.name, &name)?;
        let keys = StreamKeys::new(&name).map_err(|_| InvalidKey(Problem::Byte))?;
        streams.number += 1;
        let pooled = Pooled { channels: self.0.pool.clone(), number: streams.number };
        let shared = self.0.backplane.shared();
        let lifetime = shared.config.stream_lifetime;
        let stream = Arc::new(Stream::by_key(keys, pooled, &self.0.config, lifetime));
        if let Some(id) = shared.acknowledged.last(&name) {
            stream.follower().acknowledge(id);
        }
        streams.insert(name, &stream);
        drop(streams);
        Ok(RedisChannel::new(self.0.backplane.clone(), stream))
    }

    /// How many channels are in use on this node: they have readers, or had some lately, or there is a
    /// handle.
    pub fn len(&self) -> usize {
        self.0.lock().by_key.values().filter(|stream| stream.strong_count() > 0).count()
    }

    /// Whether no channel is in use on this node.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes the logs of all channels take on this node.
    pub fn bytes(&self) -> usize {
        self.0.pool.bytes()
    }
}

impl Set {
    fn lock(&self) -> MutexGuard<'_, Streams> {
        // Poison is ignored, because no panic can leave a change half done.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        self.sweeper.abort();
    }
}

impl Streams {
    fn insert(&mut self, name: String, stream: &Arc<Stream>) {
        if self.by_key.len() >= self.most {
            self.by_key.retain(|_, stream| stream.strong_count() > 0);
            self.most = (2 * self.by_key.len()).max(LEAST_KEYS);
            self.by_key.shrink_to(self.most);
        }
        self.by_key.insert(name, Arc::downgrade(stream));
    }
}

impl<K: ?Sized> Clone for RedisChannels<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), PhantomData)
    }
}

impl<K: ?Sized> fmt::Debug for RedisChannels<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisChannels").field("name", &self.0.name).finish_non_exhaustive()
    }
}

/// A key that cannot be a part of a key of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidKey(Problem);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    Empty,
    TooLong { len: usize },
    Byte,
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Problem::Empty => f.write_str("the key of a channel is empty"),
            Problem::TooLong { len } => {
                write!(f, "the name and the key have {len} bytes; they can have {MOST_BYTES}")
            }
            Problem::Byte => f.write_str(
                "the key of a channel has no blanks, no control characters and no braces",
            ),
        }
    }
}

impl std::error::Error for InvalidKey {}

/// Checks the key in the name of a stream.
fn check(set: &str, name: &str) -> Result<(), InvalidKey> {
    let key = name.get(set.len() + 1..).unwrap_or_default();
    let is_bad = |char: char| char.is_control() || char.is_whitespace() || "{}".contains(char);
    match name.len() {
        _ if key.is_empty() => Err(InvalidKey(Problem::Empty)),
        len if len > MOST_BYTES => Err(InvalidKey(Problem::TooLong { len })),
        _ if key.contains(is_bad) => Err(InvalidKey(Problem::Byte)),
        _ => Ok(()),
    }
}

/// How many bytes the key of a stream can have.
const MOST_BYTES: usize = 512;

/// How many keys there are before unused ones are removed.
const LEAST_KEYS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_checked() {
        for key in ["tea", "42", "räume", "a:b", &"x".repeat(507)] {
            assert_eq!(check("chat", &format!("chat:{key}")), Ok(()), "{key}");
        }
        let problem = |key: &str| check("chat", &format!("chat:{key}")).unwrap_err().to_string();
        assert_eq!(problem(""), "the key of a channel is empty");
        let long = problem(&"x".repeat(508));
        assert_eq!(long, "the name and the key have 513 bytes; they can have 512");
        for key in ["a b", "a\n", "{a}", "a}", "\u{7f}", "a\u{a0}"] {
            let bad = "the key of a channel has no blanks, no control characters and no braces";
            assert_eq!(problem(key), bad, "{key:?}");
        }
    }
}
