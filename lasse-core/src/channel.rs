//! One log, many readers: events delivered to all, in order, resumable.

mod budget;
mod channels;
mod config;
mod dispatcher;
mod idle_watch;
mod opening;
mod publisher;
mod state;
mod stats;
mod subscriber;
mod subscription;
mod waiters;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};
use std::time::Duration;

use budget::Budget;
pub use channels::Channels;
pub use config::{ChannelConfig, LagPolicy, PositionNotice, ResetNotice};
pub use dispatcher::Dispatcher;
pub use idle_watch::IdleWatch;
pub use publisher::Publisher;
use state::{Counted, Shared};
pub use stats::ChannelStats;
pub use subscriber::{ResumeOutcome, StaleSnapshot, Subscriber};
pub use subscription::Subscription;

use crate::event::Event;
use crate::field::{EventId, LastEventId};
use crate::log::{AppendError, Ending, Epoch, Log, StartAt};
use crate::time::Instant;

/// Events for many readers, encoded once, kept once, and resumable.
///
/// A channel is a [`Log`] that handles and readers share. To publish never waits
/// for a reader; a reader, however slow, costs the others nothing. A clone is
/// another handle; with the last one the channel is aborted, unless it is
/// finished, since no one could say any more that all has been said.
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
/// let id = news.publish(&Event::new("tea is ready"))?;
/// let Read::Events(frame) = reader.read() else { panic!("there is an event") };
/// assert_eq!(frame.as_bytes(), format!("data: tea is ready\nid: {id}\n\n").as_bytes());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Channel(Arc<Shared>);

impl Channel {
    /// A channel with an epoch of its own, drawn at random.
    pub fn new(config: &ChannelConfig) -> Self {
        Self::with_epoch(config, random_epoch())
    }

    /// A channel with a given epoch, for events that are numbered elsewhere.
    pub fn with_epoch(config: &ChannelConfig, epoch: Epoch) -> Self {
        Self::with_budget(config, epoch, None)
    }

    fn with_budget(config: &ChannelConfig, epoch: Epoch, budget: Option<Weak<dyn Budget>>) -> Self {
        let log = Log::new(epoch, config.settings().retention);
        Self(Shared::new(config, log, budget))
    }

    /// Publishes an event, and tells its id. Waits for no one.
    ///
    /// Without a [`Dispatcher`], this is what wakes the readers.
    ///
    /// # Errors
    ///
    /// When the channel is over, or the event has an id of its own that
    /// [`Log::append`] refuses.
    pub fn publish(&self, event: &Event<'_>) -> Result<EventId, AppendError> {
        self.0.change(|log| log.append(event))
    }

    /// Publishes an event under an id given from outside, as
    /// [`Log::append_as`] has it.
    ///
    /// # Errors
    ///
    /// When the channel is over, or the id is refused.
    pub fn publish_as(&self, id: &EventId, event: &Event<'_>) -> Result<EventId, AppendError> {
        self.0.change(|log| log.append_as(id, event))
    }

    /// Ends the channel: all has been said. Streams end cleanly once they have
    /// all of it, and clients that come back are told not to. The first ending
    /// counts.
    pub fn finish(&self) {
        self.0.change(Log::finish);
    }

    /// Publishes an event, and ends the channel with it: no other can come
    /// between.
    ///
    /// # Errors
    ///
    /// When the channel is over, or the event's id is refused.
    pub fn finish_with(&self, event: &Event<'_>) -> Result<EventId, AppendError> {
        self.0.change(|log| {
            let id = log.append(event)?;
            log.finish();
            Ok(id)
        })
    }

    /// Ends the channel: more should have come, and cannot. Streams end uncleanly
    /// once they have what there is, and clients that come back after that are
    /// told not to. The first ending counts.
    pub fn abort(&self) {
        self.0.change(Log::abort);
    }

    /// Publishes an event that says so, and aborts the channel with it.
    ///
    /// # Errors
    ///
    /// When the channel is over, or the event's id is refused.
    pub fn abort_with(&self, event: &Event<'_>) -> Result<EventId, AppendError> {
        self.0.change(|log| {
            let id = log.append(event)?;
            log.abort();
            Ok(id)
        })
    }

    /// A guard that publishes, and aborts the channel if it is dropped before the
    /// channel is finished: because its task panicked, or was cancelled.
    pub fn publisher(&self) -> Publisher {
        Publisher::new(self.clone())
    }

    /// Decides what becomes of a client that left off at `last`, before its
    /// request is answered; who is new starts as configured.
    pub fn subscribe(&self, last: &LastEventId) -> Subscription {
        self.subscribe_from(last, self.0.settings().start)
    }

    /// The same, but who is new starts at `start`, and so does who is reset.
    pub fn subscribe_from(&self, last: &LastEventId, start: StartAt) -> Subscription {
        Subscription::decide(&self.0, last, start)
    }

    /// Watches for there having been no readers for `grace`. A reader that is
    /// gone may come back: whether to stop what feeds the channel is the
    /// application's choice.
    pub fn idle(&self, grace: Duration) -> IdleWatch {
        IdleWatch::new(Arc::clone(&self.0), grace)
    }

    /// The seat of who wakes the readers instead of `publish`, if it is free.
    pub fn dispatcher(&self) -> Option<Dispatcher> {
        Dispatcher::new(Arc::clone(&self.0))
    }

    /// Tells the time, by which events grow too old. A [`Dispatcher`] does so by itself.
    pub fn advance(&self, now: Instant) {
        self.0.advance(now).into_iter().for_each(Counted::settle);
    }

    /// When [`advance`](Self::advance) will have something to do, as things are.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.lock().log.deadline()
    }

    /// Lets go of all events that are kept.
    pub fn clear(&self) {
        self.0.change(Log::clear);
    }

    /// How the channel ended, if it has.
    pub fn ending(&self) -> Option<Ending> {
        self.0.lock().log.ending()
    }

    /// The name of this incarnation of the channel.
    pub fn epoch(&self) -> Epoch {
        *self.0.lock().log.epoch()
    }

    /// What the channel has seen, and what it holds.
    pub fn stats(&self) -> ChannelStats {
        let state = self.0.lock();
        ChannelStats {
            subscribers: state.readers.taken(),
            published: state.log.appended(),
            events: state.log.len(),
            bytes: state.log.memory(),
            ..state.stats.as_deref().copied().unwrap_or_default()
        }
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

/// An epoch of eight letters and digits, which has not been before as far as
/// chance goes: one in 200 trillion.
fn random_epoch() -> Epoch {
    Epoch::from(RandomState::new().hash_one(()) % 62_u64.pow(8))
}

#[cfg(test)]
mod tests;
