//! Subscribing to a channel.

use std::boxed::Box;

use super::{Backfill, Channel, PendingSubscriber, Subscription};
use crate::field::LastEventId;
use crate::log::{ResetReason, Resume, StartAt};
use crate::topic::TopicFilter;

impl Channel {
    /// Decides on a client whose last event id is `last`, before its request is answered. A new
    /// client starts at the configured place.
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
    /// A [`FilterHandle`](crate::FilterHandle) changes it while the stream is open.
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
        Subscription::reset(&self.0, None, last, reason)
    }

    /// The same for a client of some topics.
    pub fn subscribe_to_reset(
        &self,
        filter: &TopicFilter,
        last: &LastEventId,
        reason: ResetReason,
    ) -> Subscription {
        Subscription::reset(&self.0, Some(filter), last, reason)
    }

    /// The same as [`subscribe`](Self::subscribe), but what the log no longer holds is read from
    /// `backfill`, after the client's last event. Use it if those events are held there.
    pub fn subscribe_with_backfill(
        &self,
        last: &LastEventId,
        backfill: impl Backfill + 'static,
    ) -> Subscription {
        Subscription::with_backfill(&self.0, None, last, Box::new(backfill))
    }

    /// The same for a client of some topics: `backfill` must leave out the events that do not match
    /// `filter`, or are not after its lower bounds.
    pub fn subscribe_to_with_backfill(
        &self,
        filter: &TopicFilter,
        last: &LastEventId,
        backfill: impl Backfill + 'static,
    ) -> Subscription {
        Subscription::with_backfill(&self.0, Some(filter), last, Box::new(backfill))
    }

    /// The decision that [`subscribe`](Self::subscribe) would make now, without a subscriber.
    pub fn resume(&self, last: &LastEventId) -> Resume {
        self.0.lock().log.resume(last, self.0.settings().start)
    }

    /// The decision that [`subscribe_to`](Self::subscribe_to) would make now, without a subscriber.
    pub fn resume_to(&self, filter: &TopicFilter, last: &LastEventId) -> Resume {
        let mut state = self.0.lock();
        let mut view = state.log.view(filter);
        let resume = state.log.resume_view(last, self.0.settings().start, &mut view);
        state.log.release(view);
        resume
    }

    /// The same, but a client that is new or reset starts with a snapshot, which the application
    /// supplies by [`PendingSubscriber::with_snapshot`].
    ///
    /// For a client that follows a state: it gets the state, and then its changes.
    pub fn subscribe_with_snapshot(&self, last: &LastEventId) -> Subscription<PendingSubscriber> {
        Subscription::decide_with_snapshot(&self.0, last)
    }
}
