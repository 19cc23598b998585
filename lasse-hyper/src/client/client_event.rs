//! What a client hears, to keep: events, and what becomes of the connection.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::{HeaderMap, StatusCode, Uri};
use lasse_tokio::lasse_core::{Decoded, Message};

use super::BoxError;

/// What an [`EventSource`](crate::EventSource) hears, and what becomes of its
/// connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientEvent {
    /// A request is on its way: the first, one after a loss, or one that follows
    /// a redirect.
    Connecting(Uri),
    /// The stream is open, under these headers. Events follow.
    Open(HeaderMap),
    /// An event.
    Message(MessageEvent),
    /// One line of comment, such as a keep-alive.
    Comment(String),
    /// The server's word on how long to wait before connecting again.
    Retry(Duration),
    /// A new last event id without an event; empty, it says to forget the last.
    LastEventId(String),
    /// The stream is lost. After a wait, another request will be made.
    Lost {
        /// What happened to it.
        why: DisconnectReason,
        /// How long it will be until then.
        wait: Duration,
    },
}

impl From<Decoded<'_>> for ClientEvent {
    fn from(decoded: Decoded<'_>) -> Self {
        match decoded {
            Decoded::Message(message) => Self::Message(message.into()),
            Decoded::Comment(text) => Self::Comment(text.to_owned()),
            Decoded::Retry(delay) => Self::Retry(delay),
            Decoded::LastEventId(id) => Self::LastEventId(id.to_owned()),
        }
    }
}

/// An event that was heard, with bytes of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageEvent {
    name: String,
    data: String,
    last_event_id: String,
}

impl MessageEvent {
    /// The event's name; `message` if it came without one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The event's data, its lines joined by LF.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// Where a client resumes after this event: its id or, if it came without
    /// one, the last id before it. Empty if there is none.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// The data alone, to keep.
    pub fn into_data(self) -> String {
        self.data
    }
}

impl From<Message<'_>> for MessageEvent {
    fn from(message: Message<'_>) -> Self {
        Self {
            name: message.name().to_owned(),
            data: message.data().to_owned(),
            last_event_id: message.last_event_id().to_owned(),
        }
    }
}

/// Why a stream was lost that a client comes back to.
#[derive(Debug)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The server ended it.
    Ended,
    /// Nothing came for as long as the read timeout.
    Silent,
    /// The server answered this, which the client was told to retry.
    Status(StatusCode),
    /// It broke, or did not come about.
    Failed(BoxError),
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("the server ended the stream"),
            Self::Silent => f.write_str("nothing came within the read timeout"),
            Self::Status(status) => write!(f, "the server answered {status}"),
            Self::Failed(error) => {
                // Hyper's errors say little but for their sources.
                write!(f, "the connection failed: {error}")?;
                let mut source = error.source();
                while let Some(error) = source {
                    write!(f, ": {error}")?;
                    source = error.source();
                }
                Ok(())
            }
        }
    }
}

impl Error for DisconnectReason {}
