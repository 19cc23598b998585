//! How a run ended.

use std::fmt;
use std::sync::Arc;

use lasse_core::{Event, EventName};

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunOutcome {
    /// The producer returned.
    Done,
    /// The producer failed, or a limit was reached. Readers are sent an event named `failed`.
    Failed(RunFailure),
    /// [`Run::stop`](crate::Run::stop) was called. Readers are sent an event named `stopped`.
    Stopped,
    /// There were no readers for as long as the idle timeout. A client that reads what there is finds
    /// an event named `abandoned` at its end.
    Abandoned,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunFailure {
    /// The producer returned this error. Its text is for logs; clients are not sent it.
    Producer(Arc<str>),
    /// The producer panicked.
    Panicked,
    /// The events took more memory than one run, or all runs together, may take.
    TooLarge,
    /// The server was shut down before the producer was done.
    ShutDown,
    /// The producer's node was lost, or the log that the run shares with other nodes.
    Lost,
}

impl RunOutcome {
    /// The outcome as one word, for metrics and logs: `done`, `stopped`, `abandoned`, or the word of
    /// the [failure](RunFailure::as_str).
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed(failure) => failure.as_str(),
            Self::Stopped => "stopped",
            Self::Abandoned => "abandoned",
        }
    }

    /// The default of the last event that readers receive.
    pub(super) fn last_event(&self) -> Option<Event<'static>> {
        match self {
            Self::Done => None,
            Self::Failed(failure) => {
                let data = format!("{{\"reason\":\"{}\"}}", failure.as_str());
                Some(Event::new(data).with_name(FAILED))
            }
            Self::Stopped => Some(Event::new("").with_name(STOPPED)),
            Self::Abandoned => Some(Event::new("").with_name(ABANDONED)),
        }
    }
}

impl RunFailure {
    /// The failure as one word, as the data of the event `failed` has it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Producer(_) => "error",
            Self::Panicked => "panicked",
            Self::TooLarge => "too_large",
            Self::ShutDown => "shutdown",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for RunFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Producer(error) => write!(f, "the producer failed: {error}"),
            Self::Panicked => f.write_str("the producer panicked"),
            Self::TooLarge => f.write_str("the events of the run take too much memory"),
            Self::ShutDown => f.write_str("the server was shut down before the run was done"),
            Self::Lost => f.write_str("the producer's node or the log of the run was lost"),
        }
    }
}

impl std::error::Error for RunFailure {}

const FAILED: EventName = EventName::from_static("failed");
const ABANDONED: EventName = EventName::from_static("abandoned");
const STOPPED: EventName = EventName::from_static("stopped");
