//! The settings of a channel.

use std::sync::Arc;
use std::time::Duration;

use super::notice::{CONFLATED, NoticeName, POSITION, RESET};
use super::shard::thread_number;
use super::waker_id::WakerIds;
use crate::log::{Compaction, Retention, StartAt};

/// The settings of a [`Channel`](crate::Channel). A clone shares them.
///
/// | setting | default |
/// |---|---|
/// | retention | 1 MiB |
/// | start of new clients and of clients that are reset | now |
/// | start of a client whose id has expired | like a new client |
/// | a client that is ahead of the channel | is reset |
/// | a reader that lags | is disconnected, reconnects and is reset |
/// | position notice | an event named `position` |
/// | reset notice | an event named `reset` |
/// | notice of events that were skipped, under [`LagPolicy::Latest`] | an event named `conflated` |
/// | keys | none |
/// | subscribers | unlimited; beyond a limit: retry after 3 to 6 seconds |
/// | read budget | 16 KiB |
/// | linger | none |
/// | shards | two for each core, once there are more than 256 subscribers |
/// | idle timeout, in [`Channels`](crate::Channels) | 5 minutes |
/// | bytes of all channels, in [`Channels`](crate::Channels) | 256 MiB |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use lasse_core::{Channel, ChannelConfig, Retention, StartAt};
///
/// let config = ChannelConfig::new()
///     .with_retention(Retention::new().with_age(Duration::from_secs(3600)))
///     .with_start(StartAt::Last(10));
/// let news = Channel::new(&config);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ChannelConfig(Arc<Settings>);

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) retention: Retention,
    pub(super) start: StartAt,
    pub(super) backfill: bool,
    pub(super) shared_epoch: bool,
    pub(super) lag_policy: LagPolicy,
    pub(super) position: Option<NoticeName>,
    pub(super) reset: Option<NoticeName>,
    pub(super) conflated: Option<NoticeName>,
    pub(super) compaction: Option<Compaction>,
    pub(super) max_subscribers: usize,
    pub(super) retry_when_full: Duration,
    pub(super) read_budget: usize,
    pub(super) linger: Duration,
    /// None, for as many as the cores make useful.
    pub(super) shards: Option<usize>,
    pub(super) shards_above: usize,
    pub(super) thread_number: fn() -> usize,
    pub(super) waker_ids: WakerIds,
    pub(super) idle_timeout: Duration,
    pub(super) total_bytes: usize,
}

/// What happens to a reader that lags: the log has dropped events that it has not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LagPolicy {
    /// Its stream ends cleanly. The client reconnects, and is reset.
    #[default]
    Disconnect,
    /// It is sent a reset, and continues with the oldest event that is held.
    ///
    /// A stream that started with a snapshot is disconnected all the same: the client needs a new
    /// snapshot.
    Skip,
    /// It is sent only the newest event of each key, and all events that have none, up to the newest
    /// event of that moment. Then it continues as before. An event named `conflated` is sent first,
    /// once.
    ///
    /// It takes a channel with [keys](ChannelConfig::with_compaction). If events without a key are
    /// gone, or the deletion of a key, the reader is sent a reset, and the state of all keys. A client
    /// that resumes too late is treated the same.
    Latest {
        /// How many events a reader can be behind before it skips any. It skips in any case when the
        /// log has dropped what it has not read.
        behind: u64,
    },
}

impl ChannelConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how much of the past the channel keeps.
    #[doc(alias = "history")]
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> Self {
        self.change(|settings| settings.retention = retention)
    }

    /// Sets where new clients start, and clients that cannot resume where they left off.
    #[must_use]
    pub fn with_start(self, start: StartAt) -> Self {
        self.change(|settings| settings.start = start)
    }

    /// Sets whether a client whose id has expired is sent the rest of the events that it
    /// lacks, after the reset, wherever other clients start.
    #[must_use]
    pub fn with_backfill(self, backfill: bool) -> Self {
        self.change(|settings| settings.backfill = backfill)
    }

    /// Sets whether other channels, such as those of other servers, have the same epoch and get
    /// their events from the same source, perhaps earlier.
    ///
    /// Then a client that is ahead of this channel waits for it, and resumes without a loss or a
    /// repeat. It is reset if the channel ends, or begins another epoch, before it gets there.
    /// Otherwise such a client is reset at once, because the channel has lost events.
    #[must_use]
    pub fn with_shared_epoch(self, shared: bool) -> Self {
        self.change(|settings| settings.shared_epoch = shared)
    }

    /// Sets what happens to a reader that lags.
    #[doc(alias = "backpressure")]
    #[must_use]
    pub fn with_lag_policy(self, policy: LagPolicy) -> Self {
        self.change(|settings| settings.lag_policy = policy)
    }

    /// Sets which topics are keys: the channel keeps the newest event of each, whatever else its
    /// retention drops.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::{ChannelConfig, Compaction, LagPolicy, StartAt, TopicPattern};
    ///
    /// let prices = Compaction::new(TopicPattern::from_static("price.*"));
    /// let ticker = ChannelConfig::new()
    ///     .with_compaction(prices)
    ///     .with_start(StartAt::LatestPerKey)
    ///     .with_lag_policy(LagPolicy::Latest { behind: 1_000 });
    /// ```
    #[doc(alias = "keys")]
    #[must_use]
    pub fn with_compaction(self, compaction: Compaction) -> Self {
        self.change(|settings| settings.compaction = Some(compaction))
    }

    /// Sets the name of the event that reports that a reader skips events that newer ones of their
    /// keys superseded, or `None` for no such event. Its data is a JSON object with the string
    /// `until`: the id up to which it skips.
    #[must_use]
    pub fn with_conflated(self, name: impl Into<Option<NoticeName>>) -> Self {
        self.change(|settings| settings.conflated = name.into())
    }

    /// Sets the name of the event that reports where a stream starts, or `None` for no such event.
    ///
    /// A client that is cut off before its first event can resume by the event's id. Its data, a
    /// JSON object, repeats the id as the string `at`: an id without data is not enough, because
    /// Firefox ignores it, `WebKit` loses it if the connection is cut before the next event, and
    /// some other clients report an empty message.
    ///
    /// Clients of [`Dialect::DataOnly`](crate::Dialect::DataOnly) are not sent it.
    #[must_use]
    pub fn with_position(self, name: impl Into<Option<NoticeName>>) -> Self {
        self.change(|settings| settings.position = name.into())
    }

    /// Sets the name of the event that reports that a client cannot resume where it left off, or
    /// `None` for no such event: then the application reads the
    /// [outcome](crate::Subscriber::outcome).
    ///
    /// Its data is a JSON object with the strings `reason`, `requested` and `resumed_at`. Clients of
    /// [`Dialect::DataOnly`](crate::Dialect::DataOnly) get the same object as the body of a 410.
    #[must_use]
    pub fn with_reset(self, name: impl Into<Option<NoticeName>>) -> Self {
        self.change(|settings| settings.reset = name.into())
    }

    /// Sets how many subscribers the channel admits. Other clients retry later.
    #[must_use]
    pub fn with_max_subscribers(self, limit: usize) -> Self {
        self.change(|settings| settings.max_subscribers = limit)
    }

    /// Sets when a client retries if it was not admitted: after `delay` to twice `delay`, spread
    /// evenly, so that such clients do not reconnect all at once.
    #[must_use]
    pub fn with_retry_when_full(self, delay: Duration) -> Self {
        self.change(|settings| settings.retry_when_full = delay)
    }

    /// Sets how many bytes a subscriber reads at once, if there are more. An event that is larger
    /// is read alone.
    #[must_use]
    pub fn with_read_budget(self, bytes: usize) -> Self {
        self.change(|settings| settings.read_budget = bytes)
    }

    /// Sets how long events gather before readers are woken, for fewer and larger writes.
    ///
    /// This takes a [`Dispatcher`](crate::channel::Dispatcher): without one, `publish` wakes readers at
    /// once.
    #[doc(alias = "debounce")]
    #[must_use]
    pub fn with_linger(self, linger: Duration) -> Self {
        self.change(|settings| settings.linger = linger)
    }

    /// Sets into how many shards the subscribers of a busy channel are divided, at most 64. With one,
    /// or none, they are not divided.
    ///
    /// Subscribers that have read everything wait in their shard alone, so those of different
    /// threads do not wait for each other. Each shard takes some 256 bytes, and a copy of the
    /// latest slice.
    #[doc(alias = "cores")]
    #[must_use]
    pub fn with_shards(self, shards: usize) -> Self {
        self.change(|settings| settings.shards = Some(shards))
    }

    /// Sets how many subscribers a channel must exceed to be divided into shards. It stays divided.
    #[must_use]
    pub fn with_shards_above(self, subscribers: usize) -> Self {
        self.change(|settings| settings.shards_above = subscribers)
    }

    /// Sets a function that returns the number of the thread that calls it. A subscriber waits in
    /// the shard of the thread that polls it first, unless the caller
    /// [names one](crate::Subscriber::set_shard).
    ///
    /// By default, threads are numbered in the order in which they first poll a subscriber. A
    /// simulation that must repeat passes a function of its own, and so does a runtime that knows
    /// its threads better.
    #[must_use]
    pub fn with_thread_number(self, number: fn() -> usize) -> Self {
        self.change(|settings| settings.thread_number = number)
    }

    /// Sets how long [`Channels`](crate::Channels) keep a channel that is not used.
    #[must_use]
    pub fn with_idle_timeout(self, timeout: Duration) -> Self {
        self.change(|settings| settings.idle_timeout = timeout)
    }

    /// Sets how many bytes the logs of all channels of [`Channels`](crate::Channels) can take
    /// together.
    #[must_use]
    pub fn with_total_bytes(self, bytes: usize) -> Self {
        self.change(|settings| settings.total_bytes = bytes)
    }

    /// How much of the past the channel keeps.
    pub fn retention(&self) -> Retention {
        self.0.retention
    }

    /// How long [`Channels`](crate::Channels) keep a channel that is not used.
    pub fn idle_timeout(&self) -> Duration {
        self.0.idle_timeout
    }

    /// Which topics are keys, if any are.
    pub fn compaction(&self) -> Option<&Compaction> {
        self.0.compaction.as_ref()
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.0
    }

    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retention: Retention::new(),
            start: StartAt::Now,
            backfill: false,
            shared_epoch: false,
            lag_policy: LagPolicy::Disconnect,
            position: Some(POSITION),
            reset: Some(RESET),
            conflated: Some(CONFLATED),
            compaction: None,
            max_subscribers: usize::MAX,
            retry_when_full: Duration::from_secs(3),
            read_budget: 16 * 1024,
            linger: Duration::ZERO,
            shards: None,
            shards_above: 256,
            thread_number,
            waker_ids: WakerIds::default(),
            idle_timeout: Duration::from_secs(300),
            total_bytes: 256 << 20,
        }
    }
}

#[cfg(test)]
mod tests;
