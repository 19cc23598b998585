//! What an [`EventSource`](crate::EventSource) returns: events, and notices about its connection.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::{HeaderMap, StatusCode, Uri};
use lasse_tokio::lasse_core::{Decoded, Message};

use super::BoxError;

/// An event that an [`EventSource`](crate::EventSource) received, or a notice about its connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientEvent {
    /// A request is sent: the first, one that reconnects, or one that follows a
    /// redirect.
    Connecting(Uri),
    /// The stream is open, with these response headers. Events follow.
    Open(HeaderMap),
    /// An event.
    Message(MessageEvent),
    /// One line of a comment, such as a keep-alive.
    Comment(String),
    /// The server set the reconnection time.
    Retry(Duration),
    /// The server set the last event id, without an event. An empty one removes it.
    LastEventId(String),
    /// The connection is lost. The client reconnects after a wait.
    Lost {
        /// Why it is lost.
        why: DisconnectReason,
        /// How long the client waits.
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

/// An event as received, with text of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageEvent {
    name: String,
    data: String,
    last_event_id: String,
}

impl MessageEvent {
    /// The event's name; `message` if it has none.
    #[doc(alias = "type")]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The event's data, its lines joined by LF.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// Where a client resumes after this event: its id or, if it has none, the
    /// last id before it. Empty if there is none.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// The data alone, without a copy.
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

/// Why a connection of an [`EventSource`](crate::EventSource) is lost.
#[derive(Debug)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The server ended the stream.
    Ended,
    /// No byte arrived within the read timeout.
    Silent,
    /// The server answered with this status, which the client retries.
    Status(StatusCode),
    /// The transport failed: to connect, to send, or to read.
    Failed(BoxError),
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("the server ended the stream"),
            Self::Silent => f.write_str("no byte arrived within the read timeout"),
            Self::Status(status) => write!(f, "the server answered {status}"),
            Self::Failed(error) => {
                write!(f, "the connection failed: {error}")?;
                // An error of hyper names its cause only as its source.
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
