//! A node's connection to Redis, and the channels that it shares with other nodes.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lasse_core::ChannelConfig;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::announcements;
use crate::channel::RedisChannel;
use crate::channels::RedisChannels;
use crate::config::BackplaneConfig;
use crate::reader;
use crate::server::RedisServer;
use crate::shared::Shared;
use crate::stream::{InvalidStreamName, Stream, StreamKeys};

/// A node's connection to Redis, and the channels that it shares with other nodes.
///
/// One task and one connection read the streams of all its channels, up to
/// [`MAX_CHANNELS`](Self::MAX_CHANNELS); a second connection publishes. If Redis is away, streams to
/// clients stay open, and the reader connects again. A clone is another handle. The reader stops
/// when the last handle and the last channel are dropped.
///
/// # Examples
///
/// ```no_run
/// use lasse_core::{ChannelConfig, Event};
/// use lasse_redis::{Backplane, BackplaneConfig, RedisServer};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let server = RedisServer::new("redis://127.0.0.1:6379")?;
/// let backplane = Backplane::start(server, &BackplaneConfig::new());
/// let news = backplane.channel("news", &ChannelConfig::new())?;
/// let id = news.publish(Event::new("tea is ready")).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Backplane(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    reader: AbortHandle,
    /// The task that reads the channels by key, once there are some.
    announcements: OnceLock<AbortHandle>,
    #[cfg(feature = "metrics")]
    report: AbortHandle,
}

/// The state of a node's connections to Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Whether the node can take clients: each channel was loaded once, and the node does not
    /// drain. It does not matter whether Redis answers now, because otherwise all nodes would leave
    /// their load balancer at once, unless
    /// [`with_ready_only_connected`](BackplaneConfig::with_ready_only_connected) is set.
    pub is_ready: bool,
    /// Whether the reader has a connection that answers.
    pub is_connected: bool,
    /// The time since the last reply to the reader, which has one at least each block time. `None`
    /// before the first.
    pub lag: Option<Duration>,
    /// The reason, if Redis or a stream cannot be used now.
    pub problem: Option<String>,
}

impl Backplane {
    /// How many channels a backplane can have.
    pub const MAX_CHANNELS: usize = 100;

    /// Starts the reader. It connects in the background, so the server can still be missing.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start(server: RedisServer, config: &BackplaneConfig) -> Self {
        let shared = Arc::new(Shared::new(server, config));
        let reader = tokio::spawn(reader::run(Arc::clone(&shared))).abort_handle();
        Self(Arc::new(Handle {
            #[cfg(feature = "metrics")]
            report: tokio::spawn(crate::report::run(Arc::clone(&shared))).abort_handle(),
            shared,
            reader,
            announcements: OnceLock::new(),
        }))
    }

    /// The channel on the stream `name`, which is a key of Redis. Other nodes share it under the
    /// same name. On this node, the first call makes it, with this configuration.
    ///
    /// # Errors
    ///
    /// If the name cannot be the key of a stream, or if there are too many channels.
    pub fn channel(
        &self,
        name: &str,
        config: &ChannelConfig,
    ) -> Result<RedisChannel, ChannelError> {
        let shared = &self.0.shared;
        let mut streams = shared.lock_streams();
        if let Some(stream) = streams.iter().find(|stream| stream.key() == name) {
            return Ok(RedisChannel::new(self.clone(), Arc::clone(stream)));
        }
        if streams.len() >= Self::MAX_CHANNELS {
            return Err(ChannelError::TooMany);
        }
        let keys = StreamKeys::new(name)?;
        check(config)?;
        let stream = Arc::new(Stream::new(keys, config));
        streams.push(Arc::clone(&stream));
        drop(streams);
        tokio::spawn(lasse_tokio::dispatch(&stream.channel));
        #[cfg(feature = "metrics")]
        tokio::spawn(lasse_tokio::report_metrics(&stream.channel));
        tokio::spawn(wake_reader(Arc::clone(shared)));
        Ok(RedisChannel::new(self.clone(), stream))
    }

    /// Channels by key, such as one for each user or each chat. The key of a stream in Redis is
    /// `name:key`. Other nodes share the channels under the same name.
    ///
    /// # Errors
    ///
    /// If the name cannot be the beginning of a key.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn channels<K: fmt::Display + ?Sized>(
        &self,
        name: &str,
        config: &ChannelConfig,
    ) -> Result<RedisChannels<K>, ChannelError> {
        StreamKeys::new(name)?;
        check(config)?;
        let shared = &self.0.shared;
        let start = || tokio::spawn(announcements::run(Arc::clone(shared))).abort_handle();
        self.0.announcements.get_or_init(start);
        Ok(RedisChannels::new(self.clone(), name, config))
    }

    /// The state of the node's connections to Redis.
    pub fn health(&self) -> Health {
        let shared = &self.0.shared;
        let (link, streams) = (shared.link(), shared.streams());
        let has_channels = !streams.is_empty() || self.0.announcements.get().is_some();
        let is_loaded = link.last_reply.is_some()
            && has_channels
            && streams.iter().all(|stream| stream.is_loaded());
        let is_enough = link.is_connected || !shared.config.is_ready_only_connected;
        Health {
            is_ready: is_loaded && is_enough && !shared.is_draining(),
            is_connected: link.is_connected,
            lag: link.last_reply.map(|reply| Instant::now().saturating_duration_since(reply)),
            problem: link
                .problem
                .or_else(|| streams.iter().find_map(|stream| stream.problem()))
                .or_else(|| shared.watched.problem())
                .or_else(|| shared.problems.all()),
        }
    }

    /// Ends the readiness of the node, before it shuts down. Channels can still be used.
    pub fn drain(&self) {
        self.0.shared.drain();
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.shared
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.reader.abort();
        if let Some(task) = self.announcements.get() {
            task.abort();
        }
        #[cfg(feature = "metrics")]
        self.report.abort();
    }
}

/// Checks whether a channel can have this configuration: a stream keeps no state of keys.
fn check(config: &ChannelConfig) -> Result<(), ChannelError> {
    config.compaction().map_or(Ok(()), |_| Err(ChannelError::Compaction))
}

/// Ends the wait of the reader, so that it reads a new stream at once. If this fails, the wait ends
/// after the block time.
async fn wake_reader(shared: Arc<Shared>) {
    let Ok(mut numbered) = shared.connector.connection().await else { return };
    let mut pipeline = redis::pipe();
    pipeline.cmd("XADD").arg(&shared.wake_key).arg("MAXLEN").arg(1).arg("*").arg("wake").arg("");
    pipeline.cmd("PEXPIRE").arg(&shared.wake_key).arg(WAKE_LIFETIME_MILLIS);
    let _ = pipeline.query_async::<redis::Value>(&mut numbered.connection).await;
}

/// Why there is no channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelError {
    /// The name cannot be the key of a stream.
    InvalidName(InvalidStreamName),
    /// The backplane has [`Backplane::MAX_CHANNELS`] channels.
    TooMany,
    /// The configuration has [keys](ChannelConfig::with_compaction). A node starts with the end of the
    /// stream, which does not have the newest event of each key.
    Compaction,
}

impl From<InvalidStreamName> for ChannelError {
    fn from(error: InvalidStreamName) -> Self {
        Self::InvalidName(error)
    }
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName(error) => error.fmt(f),
            Self::Compaction => f.write_str(
                "a channel on Redis cannot have keys: the end of a stream does not have the newest \
                 event of each; omit `with_compaction`",
            ),
            Self::TooMany => {
                write!(f, "the backplane has {} channels already", Backplane::MAX_CHANNELS)
            }
        }
    }
}

impl std::error::Error for ChannelError {}

/// How long the stream of a node lives after it was written.
const WAKE_LIFETIME_MILLIS: u64 = 60_000;
