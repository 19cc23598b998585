//! Where the events of a run are stored, if not on this node alone.

use lasse_core::{Event, EventId};

use super::{RunOutcome, RunWriteError};

/// Where the events of a run are stored and its outcome is decided, if not on this node alone, such as
/// in Redis.
///
/// A [`Run`](crate::Run) of [`Runs`](crate::Runs) has none: what its producer publishes is in its
/// channel at once, and the first outcome counts. With a log, the producer's events and the outcomes
/// that this node asks for pass through the log. The log publishes the events to
/// [`Run::channel`](crate::Run::channel) once they are stored, on each node, and calls
/// [`Run::decide`](crate::Run::decide) with the outcome that counts.
pub trait RunLog: Send + Sync {
    /// Takes the next event of the producer, and returns the id that it will have.
    ///
    /// # Errors
    ///
    /// When the run has ended or is about to, or the event has an id of its own.
    fn append(&self, event: Event<'static>) -> Result<EventId, RunWriteError>;

    /// The approximate size of the events that are not in the channel yet.
    fn pending_bytes(&self) -> usize;

    /// Asks for an outcome. All that was appended before comes first.
    fn end(&self, outcome: RunOutcome);
}
