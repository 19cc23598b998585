//! The producer's side of a run.

use std::borrow::Borrow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use lasse_core::{AppendError, Event, EventId};

use super::{Registry, Run, RunFailure, RunOutcome};

/// Publishes the events of a run. Its producer holds it.
#[derive(Clone)]
pub struct RunWriter {
    run: Run,
    registry: Arc<Registry>,
}

impl RunWriter {
    pub(super) fn new(run: Run, registry: Arc<Registry>) -> Self {
        Self { run, registry }
    }

    /// Publishes an event, without waiting for any reader.
    ///
    /// # Errors
    ///
    /// When the run has ended: there is nothing more to do, so return the error with `?`. A run
    /// ends here if the event would take it over its limit of bytes. Or when the event has an id of
    /// its own that the log refuses.
    pub fn publish<'a>(&self, event: impl Borrow<Event<'a>>) -> Result<EventId, RunWriteError> {
        let event = event.borrow();
        let (config, len) = (&self.registry.config, event.data().len());
        let is_too_large = self.run.bytes().saturating_add(len) > config.max_run_bytes;
        if is_too_large || !self.registry.has_room(len) {
            self.run.end(RunOutcome::Failed(RunFailure::TooLarge));
            return Err(RunWriteError::Ended);
        }
        let published = self.run.publish(event);
        self.run.count_bytes(&self.registry.bytes);
        published
    }

    /// The run.
    pub fn run(&self) -> &Run {
        &self.run
    }
}

impl fmt::Debug for RunWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunWriter").field("run", &self.run).finish_non_exhaustive()
    }
}

/// Why an event of a run was not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunWriteError {
    /// The run has ended; [`Run::outcome`] returns how.
    Ended,
    /// The event's own id was refused.
    Refused(AppendError),
}

impl fmt::Display for RunWriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("the run has ended"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl Error for RunWriteError {}
