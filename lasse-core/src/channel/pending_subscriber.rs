//! A subscriber that waits for the snapshot that its stream starts with.

use std::boxed::Box;
use std::error::Error;
use std::fmt;

use super::opening::Opening;
use super::subscriber::{ResumeOutcome, Subscriber};
use crate::field::{EventId, LastEventId};
use crate::frame::Frame;
use crate::log::ResetReason;

/// A subscriber that waits for the snapshot that its stream starts with.
///
/// It counts as a subscriber already, and can be held across an await.
#[derive(Debug)]
#[must_use]
pub struct PendingSubscriber {
    subscriber: Subscriber,
    requested: LastEventId,
}

impl PendingSubscriber {
    pub(super) fn new(subscriber: Subscriber, requested: LastEventId) -> Self {
        Self { subscriber, requested }
    }

    /// Why the client needs a snapshot: it is new, or it cannot resume where it left off.
    pub fn outcome(&self) -> ResumeOutcome {
        self.subscriber.outcome()
    }

    /// Starts the stream with `snapshot`, and continues after the event `id`, the last one that the
    /// snapshot reflects. Nothing is lost or repeated between the two, whatever is published in the
    /// meantime.
    ///
    /// The client is sent the position after the snapshot, never before it: if the connection is
    /// cut within the snapshot, the client gets all of the next one. For the same reason the
    /// frames must not have ids.
    ///
    /// # Errors
    ///
    /// If the log no longer has all events after `id`, or never had that event. The error gives
    /// the subscriber back: take a newer snapshot.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::{Channel, ChannelConfig, Event, LastEventId, Subscription};
    ///
    /// let scores = Channel::new(&ChannelConfig::new());
    /// let latest = scores.publish(Event::new("2:1"))?;
    /// let subscription = scores.subscribe_with_snapshot(&LastEventId::Absent);
    /// let Subscription::NeedsSnapshot(pending) = subscription else { return Ok(()) };
    /// // Load the state, which can take a while.
    /// scores.publish(Event::new("3:1"))?;
    /// let mut subscriber = pending.with_snapshot([Event::new("2:1").encode()], &latest)?;
    ///
    /// let frames = subscriber.first_frames();
    /// assert_eq!(frames[0].as_bytes(), b"data: 2:1\n\n");
    /// assert!(frames[1].as_bytes().starts_with(b"event: position\n"));
    /// assert!(frames[2].as_bytes().starts_with(b"data: 3:1\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_snapshot(
        self,
        snapshot: impl IntoIterator<Item = Frame>,
        id: &EventId,
    ) -> Result<Subscriber, StaleSnapshot> {
        // Collected first, because it is the caller's code that runs.
        let snapshot = Some(snapshot.into_iter().collect());
        let cursor = match self.subscriber.place_after(id) {
            Ok(cursor) => cursor,
            Err(reason) => return Err(StaleSnapshot { reason, pending: Box::new(self) }),
        };
        let Self { mut subscriber, requested } = self;
        let reset = match subscriber.outcome() {
            ResumeOutcome::Reset(reason) => Some(reason),
            ResumeOutcome::Fresh | ResumeOutcome::Resumed => None,
        };
        let opening = Opening {
            reset,
            is_ahead: false,
            changes: 0,
            backfill: None,
            requested,
            at: Some(id.clone()),
            snapshot,
        };
        subscriber.start_at(cursor, opening);
        Ok(subscriber)
    }
}

/// A snapshot after which the channel cannot continue.
#[derive(Debug)]
pub struct StaleSnapshot {
    reason: ResetReason,
    pending: Box<PendingSubscriber>,
}

impl StaleSnapshot {
    /// Why the channel cannot continue after the snapshot's id.
    pub fn reason(&self) -> ResetReason {
        self.reason
    }

    /// The subscriber, which still waits for a snapshot.
    pub fn into_pending(self) -> PendingSubscriber {
        *self.pending
    }
}

impl fmt::Display for StaleSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.reason;
        write!(
            f,
            "the channel cannot continue after the snapshot's id ({reason}); take a newer one"
        )
    }
}

impl Error for StaleSnapshot {}
