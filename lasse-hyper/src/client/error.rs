//! What an [`EventSource`](crate::EventSource) returns in place of an event.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use lasse_tokio::lasse_core::{ClientClosed, EventTooLarge};

use super::DisconnectReason;

/// What an [`EventSource`](crate::EventSource) returns in place of an event.
#[derive(Debug)]
#[non_exhaustive]
pub enum EventSourceError {
    /// An event was larger than the limit of the client's decoder. The stream continues with the
    /// next event.
    TooLarge(EventTooLarge),
    /// The client is closed. Nothing follows.
    Closed {
        /// Why the client is closed.
        reason: ClientClosed,
        /// Why the last connection was lost, if that closed the client.
        last: Option<DisconnectReason>,
        /// The body of the response that was refused: its first 8 KiB, as far as
        /// they arrived within two seconds. Servers often describe an error in it.
        body: Bytes,
    },
}

impl fmt::Display for EventSourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(error) => error.fmt(f),
            Self::Closed { reason: ClientClosed::Disconnected, last: Some(last), .. } => {
                last.fmt(f)
            }
            Self::Closed { reason, last: Some(last), .. } => write!(f, "{reason}: {last}"),
            Self::Closed { reason, last: None, .. } => reason.fmt(f),
        }
    }
}

impl Error for EventSourceError {}
