//! Channels: one log with many readers, which all get its events in order and can resume.

mod backfill;
mod budget;
mod channels;
mod config;
mod dispatcher;
mod ended;
mod filter_handle;
mod idle_watch;
mod notice;
mod opening;
mod pending_subscriber;
mod place;
mod publisher;
mod rare;
mod reader;
mod seat;
mod shard;
mod shard_flags;
mod shared;
mod state;
mod stats;
mod subscriber;
mod subscription;
mod terms;
mod tip;
mod topic_lists;
mod topic_reader;
mod waiters;
mod waker_id;
mod wakers;

use std::borrow::Borrow;
use std::boxed::Box;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};
use std::time::Duration;
use std::vec::Vec;

pub use backfill::{Backfill, BackfillPage};
use budget::{Budget, Counted};
pub use channels::Channels;
pub use config::{ChannelConfig, LagPolicy};
pub use dispatcher::Dispatcher;
pub use ended::Ended;
pub use filter_handle::FilterHandle;
pub use idle_watch::IdleWatch;
pub use notice::{NoticeName, ReservedName};
pub use pending_subscriber::{PendingSubscriber, StaleSnapshot};
pub use publisher::Publisher;
use shared::Shared;
pub use stats::{ChannelStats, StatsReader};
pub use subscriber::{ResumeOutcome, Subscriber};
pub use subscription::Subscription;

use crate::event::Event;
use crate::field::{EventId, LastEventId};
use crate::log::{AppendError, Ending, Epoch, Log, ResetReason, Resume, StartAt};
use crate::time::Instant;
use crate::topic::{Topic, TopicFilter};

/// A stream of events for many readers: encoded once, kept once, and resumable.
///
/// A channel is a [`Log`] that its handles and its readers share. Publishing never waits for a
/// reader, and a slow reader costs the others nothing. A clone is another handle. When the last
/// handle is dropped before the channel is finished, the channel is aborted, because nobody can
/// finish it any more.
///
/// # Examples
///
/// ```
/// use lasse_core::{Channel, ChannelConfig, Event, LastEventId, Read, Subscription};
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

    /// Publishes an event, and returns its id. It never waits for a reader.
    ///
    /// Without a [`Dispatcher`], this wakes the readers.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if [`Log::append`] refuses the event's own id.
    #[doc(alias = "send")]
    pub fn publish<'a>(&self, event: impl Borrow<Event<'a>>) -> Result<EventId, AppendError> {
        let event = event.borrow();
        self.0.change(|log| log.append(event))
    }

    /// Publishes an event of a topic. It wakes the readers of that topic, and those of all events.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if [`Log::append_to`] refuses the event.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::{Channel, ChannelConfig, Event, LastEventId, Topic, TopicPattern};
    ///
    /// let rooms = Channel::new(&ChannelConfig::new());
    /// let all_rooms = TopicPattern::from_static("room.*").into();
    /// let subscription = rooms.subscribe_to(&all_rooms, &LastEventId::Absent);
    /// rooms.publish_to(&Topic::new("room.tea")?, Event::new("The kettle is on."))?;
    /// # let _ = subscription;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish_to<'a>(
        &self,
        topic: &Topic,
        event: impl Borrow<Event<'a>>,
    ) -> Result<EventId, AppendError> {
        let event = event.borrow();
        self.0.change(|log| log.append_to(topic, event))
    }

    /// Publishes an event of a topic under an id that comes from outside, as [`Log::append_to_as`]
    /// does.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if [`Log::append_to_as`] refuses the event or its id.
    pub fn publish_to_as<'a>(
        &self,
        id: &EventId,
        topic: &Topic,
        event: impl Borrow<Event<'a>>,
    ) -> Result<EventId, AppendError> {
        let event = event.borrow();
        self.0.change(|log| log.append_to_as(id, topic, event))
    }

    /// Deletes a key, and publishes an event from which readers learn it, as
    /// [`Log::append_tombstone`] does.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if the topic is not a [key](ChannelConfig::with_compaction).
    pub fn publish_tombstone<'a>(
        &self,
        topic: &Topic,
        event: impl Borrow<Event<'a>>,
    ) -> Result<EventId, AppendError> {
        let event = event.borrow();
        self.0.change(|log| log.append_tombstone(topic, event))
    }

    /// Publishes several events, all or none: no other event comes between, and readers see all of
    /// them at once. Returns the id of the last one, or `None` if there were no events.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if [`Log::append`] refuses one of the events. Then none is
    /// published.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::{Channel, ChannelConfig, Event};
    ///
    /// let news = Channel::new(&ChannelConfig::new());
    /// let last = news.publish_all(["one", "two"].map(Event::new))?;
    /// assert_eq!(last, news.last_id());
    /// # Ok::<(), lasse_core::AppendError>(())
    /// ```
    pub fn publish_all<'a, E: Borrow<Event<'a>>>(
        &self,
        events: impl IntoIterator<Item = E>,
    ) -> Result<Option<EventId>, AppendError> {
        // Collected first, because it is the caller's code that runs.
        let events: Vec<E> = events.into_iter().collect();
        let events: Vec<&Event<'a>> = events.iter().map(Borrow::borrow).collect();
        self.0.change(|log| log.append_all(&events))
    }

    /// Publishes an event under an id that comes from outside, as [`Log::append_as`] does.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if the id is refused.
    pub fn publish_as<'a>(
        &self,
        id: &EventId,
        event: impl Borrow<Event<'a>>,
    ) -> Result<EventId, AppendError> {
        let event = event.borrow();
        self.0.change(|log| log.append_as(id, event))
    }

    /// Records that events are missing here, as [`Log::append_hole`] does: readers are reset when
    /// they reach the hole. Returns the id of the place after it, if the place has one.
    ///
    /// # Errors
    ///
    /// If the channel has ended.
    pub fn publish_hole(&self) -> Result<Option<EventId>, AppendError> {
        self.0.change(Log::append_hole)
    }

    /// Records that the events after the newest, up to `number`, are missing, as
    /// [`Log::append_hole_up_to`] does.
    ///
    /// # Errors
    ///
    /// If [`Log::append_hole_up_to`] refuses it.
    pub fn publish_hole_up_to(&self, number: u64) -> Result<(), AppendError> {
        self.0.change(|log| log.append_hole_up_to(number))
    }

    /// Declares that no event was ever given the numbers after the newest, up to `number`, as
    /// [`Log::skip_unused`] does.
    ///
    /// # Errors
    ///
    /// If [`Log::skip_unused`] refuses it.
    pub fn skip_unused(&self, number: u64) -> Result<(), AppendError> {
        self.0.change(|log| log.skip_unused(number))
    }

    /// Goes on under another epoch, from number 1, as [`Log::begin_epoch`] does. Older events stay.
    ///
    /// # Errors
    ///
    /// If [`Log::begin_epoch`] refuses it.
    pub fn begin_epoch(&self, epoch: Epoch) -> Result<(), AppendError> {
        self.0.change(|log| log.begin_epoch(epoch))
    }

    /// Ends the channel as complete. Streams end cleanly once they have sent everything, and
    /// clients that reconnect after that receive a 204. The first ending counts.
    pub fn finish(&self) {
        self.0.change(Log::finish);
    }

    /// Publishes an event and finishes the channel. No other event can come between.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if the event's id is refused.
    pub fn finish_with<'a>(&self, event: impl Borrow<Event<'a>>) -> Result<EventId, AppendError> {
        let event = event.borrow();
        self.0.change(|log| {
            let id = log.append(event)?;
            log.finish();
            Ok(id)
        })
    }

    /// Ends the channel as incomplete: there should have been more events. Streams end uncleanly
    /// once they have sent what there is, and clients that reconnect after that receive a 204.
    /// The first ending counts.
    pub fn abort(&self) {
        self.0.change(Log::abort);
    }

    /// Publishes an event that explains the failure, and aborts the channel.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if the event's id is refused.
    pub fn abort_with<'a>(&self, event: impl Borrow<Event<'a>>) -> Result<EventId, AppendError> {
        let event = event.borrow();
        self.0.change(|log| {
            let id = log.append(event)?;
            log.abort();
            Ok(id)
        })
    }

    /// A guard that publishes, and that aborts the channel if it is dropped before the channel is
    /// finished: because its task panicked, or was cancelled.
    pub fn publisher(&self) -> Publisher {
        Publisher::new(self.clone())
    }

    /// Decides on a client whose last event id is `last`, before its request is answered. A new
    /// client starts where the configuration says.
    pub fn subscribe(&self, last: &LastEventId) -> Subscription {
        self.subscribe_from(last, self.0.settings().start)
    }

    /// The same, but a client that is new or reset starts at `start`.
    pub fn subscribe_from(&self, last: &LastEventId, start: StartAt) -> Subscription {
        Subscription::decide(&self.0, last, start)
    }

    /// Decides on a client that gets only the events whose topics match `filter`. It is reset only if
    /// it lacks one of these, and waits without being woken for others.
    ///
    /// Which topics a client may read is the application's decision: the filter is not checked here.
    /// A [`FilterHandle`] changes it while the stream is open.
    pub fn subscribe_to(&self, filter: &TopicFilter, last: &LastEventId) -> Subscription {
        self.subscribe_to_from(filter, last, self.0.settings().start)
    }

    /// The same, but a client that is new or reset starts at `start`.
    pub fn subscribe_to_from(
        &self,
        filter: &TopicFilter,
        last: &LastEventId,
        start: StartAt,
    ) -> Subscription {
        Subscription::decide_view(&self.0, Some(filter), last, start)
    }

    /// The same, but the client is reset for a reason that the caller knows, whatever the channel
    /// holds.
    pub fn subscribe_reset(&self, last: &LastEventId, reason: ResetReason) -> Subscription {
        Subscription::reset(&self.0, last, reason)
    }

    /// The same as [`subscribe`](Self::subscribe), but what the log no longer holds is read from
    /// `backfill`, after the client's last event. Use it if those events are held there.
    pub fn subscribe_with_backfill(
        &self,
        last: &LastEventId,
        backfill: impl Backfill + 'static,
    ) -> Subscription {
        Subscription::with_backfill(&self.0, last, Box::new(backfill))
    }

    /// The decision that [`subscribe`](Self::subscribe) would make now, without a subscriber.
    pub fn resume(&self, last: &LastEventId) -> Resume {
        self.0.lock().log.resume(last, self.0.settings().start)
    }

    /// The same, but a client that is new or reset starts with a snapshot, which the application
    /// supplies by [`PendingSubscriber::with_snapshot`].
    ///
    /// For a client that follows a state: it gets the state, and then what changes it.
    pub fn subscribe_with_snapshot(&self, last: &LastEventId) -> Subscription<PendingSubscriber> {
        Subscription::decide_with_snapshot(&self.0, last)
    }

    /// Watches for the channel to have no readers for as long as `grace`. A client that left can
    /// reconnect: whether to stop what feeds the channel is the application's decision.
    pub fn idle(&self, grace: Duration) -> IdleWatch {
        IdleWatch::new(Arc::clone(&self.0), grace)
    }

    /// A future that is ready when the channel has ended, with the way in which it ended.
    pub fn ended(&self) -> Ended {
        Ended::new(Arc::clone(&self.0))
    }

    /// The channel's dispatcher, which wakes the readers instead of `publish`. `None`, if somebody
    /// else has it.
    pub fn dispatcher(&self) -> Option<Dispatcher> {
        Dispatcher::new(&self.0)
    }

    /// The dispatcher of one shard, counted from 0, for a loop that polls the readers of that shard:
    /// it is woken once for all that is published meanwhile. The channel is divided into shards by
    /// this. `None`, if somebody else has it, or if there is no such shard.
    ///
    /// [`Dispatcher::take_shards`] returns those of all shards.
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

    /// When [`advance`](Self::advance) has to be called next, unless something changes before.
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

/// What the flags of a shard take from std, and their model from loom.
mod sync {
    pub(super) use std::sync::atomic::{AtomicU8, Ordering};
}

#[cfg(test)]
mod tests;
