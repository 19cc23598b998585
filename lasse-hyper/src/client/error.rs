//! What a client has instead of an event.

use std::error::Error;
use std::fmt;

use lasse_tokio::lasse_core::{ClientClosed, EventTooLarge};

use super::DisconnectReason;

/// What an [`EventSource`](crate::EventSource) has instead of an event.
#[derive(Debug)]
#[non_exhaustive]
pub enum EventSourceError {
    /// An event outgrew the limit of the client's decoder. The next item is the
    /// event after it.
    TooLarge(EventTooLarge),
    /// The client will not come back: nothing follows.
    Closed {
        /// Why it will not.
        reason: ClientClosed,
        /// What the last attempt came to, if it gave up after too many.
        last: Option<DisconnectReason>,
    },
}

impl fmt::Display for EventSourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(error) => error.fmt(f),
            Self::Closed { reason, last: None } => reason.fmt(f),
            Self::Closed { reason, last: Some(last) } => {
                write!(f, "{reason}; at last {last}")
            }
        }
    }
}

impl Error for EventSourceError {}
