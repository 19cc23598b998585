//! Channels: one log with many readers, which all get its events in order and can resume.

mod backfill;
mod budget;
mod channels;
mod config;
mod dispatcher;
mod ended;
mod filter_handle;
mod idle_watch;
mod merge;
mod notice;
mod opening;
mod pending_subscriber;
mod place;
mod publish;
mod publisher;
mod rare;
mod reader;
mod sample;
mod seat;
mod shard;
mod shard_flags;
mod shard_topics;
mod shared;
mod state;
mod stats;
mod subscribe;
mod subscriber;
mod subscription;
mod terms;
mod tip;
mod topic_calls;
mod topic_lists;
mod topic_reader;
mod waiters;
mod waker_id;
mod wakers;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};
use std::time::Duration;

pub use backfill::{Backfill, BackfillPage};
use budget::{Budget, Counted};
pub use channels::Channels;
pub use config::{ChannelConfig, LagPolicy};
pub use dispatcher::Dispatcher;
pub use ended::Ended;
pub use filter_handle::FilterHandle;
pub use idle_watch::IdleWatch;
pub use merge::{MergeError, MergedId, MergedSubscriber, MergedSubscription};
pub use notice::{NoticeName, ReservedName};
pub use pending_subscriber::{PendingSubscriber, StaleSnapshot};
pub use publisher::Publisher;
use shared::Shared;
pub use stats::{ChannelStats, StatsReader};
pub use subscriber::{ResumeOutcome, Subscriber};
pub use subscription::Subscription;

use crate::field::EventId;
use crate::log::{Ending, Epoch, Log, StartAt};
use crate::time::Instant;

/// A stream of events for many readers: encoded once, kept once, and resumable.
///
/// A channel is a [`Log`] that its handles and its readers share. Publishing never waits for a
/// reader, and a slow reader costs the others nothing. A clone is another handle. When the last
/// handle is dropped before the channel is finished, the channel is aborted, because it can no
/// longer be finished.
///
/// # Examples
///
/// ```
/// use lasse_core::log::Read;
/// use lasse_core::{Channel, ChannelConfig, Event, LastEventId, Subscription};
///
/// let news = Channel::new(&ChannelConfig::new());
/// let Subscription::Stream(mut reader) = news.subscribe(&LastEventId::Absent) else {
///     return Ok(());
/// };
/// let opening = reader.first_frames();
///
/// let id = news.publish(Event::new("tea is ready"))?;
/// let Read::Events(frame) = reader.read() else { panic!("there is an event") };
/// assert_eq!(frame.as_bytes(), format!("data: tea is ready\nid: {id}\n\n").as_bytes());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "broadcast")]
#[doc(alias = "fan-out")]
#[doc(alias = "pubsub")]
pub struct Channel(Arc<Shared>);

impl Channel {
    /// A channel with a random epoch.
    pub fn new(config: &ChannelConfig) -> Self {
        Self::with_epoch(config, random_epoch())
    }

    /// A channel with a given epoch, for events that are numbered elsewhere.
    pub fn with_epoch(config: &ChannelConfig, epoch: Epoch) -> Self {
        Self::with_budget(config, epoch, None)
    }

    fn with_budget(config: &ChannelConfig, epoch: Epoch, budget: Option<Weak<dyn Budget>>) -> Self {
        let mut log = Log::new(epoch, config.settings().retention);
        if let Some(compaction) = &config.settings().compaction {
            log = log.with_compaction(compaction.clone());
        }
        Self(Shared::new(config, log, budget))
    }

    /// Watches for the channel to have no readers for as long as `grace`. A client that left can
    /// reconnect: the application decides whether to stop the producer of the channel.
    pub fn idle(&self, grace: Duration) -> IdleWatch {
        IdleWatch::new(Arc::clone(&self.0), grace)
    }

    /// A future that is ready when the channel has ended, with the way in which it ended.
    pub fn ended(&self) -> Ended {
        Ended::new(Arc::clone(&self.0))
    }

    /// The channel's dispatcher, which wakes the readers instead of `publish`. `None` if it is
    /// already taken.
    pub fn dispatcher(&self) -> Option<Dispatcher> {
        Dispatcher::new(&self.0)
    }

    /// The dispatcher of one shard, counted from 0, for a loop that polls the readers of that
    /// shard: it is woken once for all events that are published until it runs. The channel is
    /// divided into shards by this. `None` if it is already taken, or if there is no such shard.
    ///
    /// [`Dispatcher::take_shards`] returns the dispatchers of all shards.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::{Channel, ChannelConfig, LastEventId, Subscription};
    ///
    /// let news = Channel::new(&ChannelConfig::new().with_shards(4));
    /// let dispatcher = news.shard_dispatcher(3).expect("there are four");
    /// assert!(news.shard_dispatcher(4).is_none());
    /// if let Subscription::Stream(mut reader) = news.subscribe(&LastEventId::Absent) {
    ///     reader.set_shard(3);
    /// }
    /// # let _ = dispatcher;
    /// ```
    pub fn shard_dispatcher(&self, shard: usize) -> Option<Dispatcher> {
        Dispatcher::of_shard(&self.0, shard)
    }

    /// Sets the time, by which events grow too old. A [`Dispatcher`] does this by itself.
    pub fn advance(&self, now: Instant) {
        self.0.advance(now).into_iter().for_each(Counted::settle);
    }

    /// When [`advance`](Self::advance) must be called next, unless something changes before.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.lock().log.deadline()
    }

    /// Drops all events.
    pub fn clear(&self) {
        self.0.clear();
    }

    /// How the channel ended, if it has.
    pub fn ending(&self) -> Option<Ending> {
        self.0.lock().log.ending()
    }

    /// The id after which a client has everything that was published so far. `None`, if there is
    /// no such id yet.
    ///
    /// To take a snapshot, read this first and then the state.
    pub fn last_id(&self) -> Option<EventId> {
        let state = self.0.lock();
        state.log.id_before(state.log.cursor(StartAt::Now))
    }

    /// The id after which a client that resumes receives everything that the channel holds. `None`,
    /// if there is no such id.
    pub fn first_id(&self) -> Option<EventId> {
        let state = self.0.lock();
        state.log.id_before(state.log.cursor(StartAt::Oldest))
    }

    /// The name of this incarnation of the channel.
    pub fn epoch(&self) -> Epoch {
        *self.0.lock().log.epoch()
    }

    /// Counters, and what the channel holds now.
    #[doc(alias = "metrics")]
    pub fn stats(&self) -> ChannelStats {
        self.0.lock().stats()
    }

    /// Reads the counters of the channel, and does not keep it alive.
    pub fn stats_reader(&self) -> StatsReader {
        StatsReader(Arc::downgrade(&self.0))
    }
}

impl Clone for Channel {
    fn clone(&self) -> Self {
        self.0.add_handle();
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if self.0.drop_handle() {
            self.abort();
        }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("epoch", &self.epoch()).finish_non_exhaustive()
    }
}

/// A random epoch of eight letters and digits. Two are equal with a probability of one in 200
/// trillion.
fn random_epoch() -> Epoch {
    Epoch::from(RandomState::new().hash_one(()) % 62_u64.pow(8))
}

/// The locks and atomics of a channel. `testkit/models` builds them from loom, which runs the
/// operations of several threads in all orders.
mod sync {
    #[cfg(loom)]
    pub(super) use loom::sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering},
    };
    #[cfg(not(loom))]
    pub(super) use std::sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering},
    };
}

#[cfg(test)]
mod tests;
