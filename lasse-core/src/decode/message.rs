//! What a decoder returns: events, comments, and fields that act by themselves.

use alloc::borrow::{Cow, ToOwned};
use core::time::Duration;

use crate::event::Event;
use crate::field::{EventId, EventName, InvalidField};

/// What a [`Decoder`](crate::Decoder) returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// An event.
    Message(Message<'a>),
    /// One line of a comment. Clients ignore it; it shows that the connection is alive.
    Comment(&'a str),
    /// The reconnection time, from now on.
    Retry(Duration),
    /// A new last event id without an event. An empty one removes it.
    LastEventId(&'a str),
}

/// An event as received, borrowed from the input if that has it in one piece.
///
/// To keep it, turn it into an [`Event`], or its parts into strings: they have text
/// of their own.
///
/// # Examples
///
/// ```
/// use lasse_core::{Decoded, Decoder};
///
/// let mut decoder = Decoder::new();
/// let mut input = b"id: 7\nevent: add\ndata: 2\n\ndata: 3\n\n".as_slice();
/// let mut events = Vec::new();
/// while let Some(decoded) = decoder.decode(&mut input)? {
///     if let Decoded::Message(message) = decoded {
///         events.push((message.name().to_owned(), message.last_event_id().to_owned()));
///     }
/// }
/// assert_eq!(events, [("add".into(), "7".into()), ("message".into(), "7".into())]);
/// # Ok::<(), lasse_core::EventTooLarge>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message<'a> {
    pub(super) name: &'a str,
    pub(super) data: &'a str,
    pub(super) last_event_id: &'a str,
}

impl<'a> Message<'a> {
    /// The event's name; `message` if it has none.
    pub fn name(&self) -> &'a str {
        if self.name.is_empty() { DEFAULT_NAME } else { self.name }
    }

    /// The event's data, its lines joined by LF.
    pub fn data(&self) -> &'a str {
        self.data
    }

    /// Where a client resumes after this event: its id or, if it has none, the last
    /// id before it. Empty if there is none.
    pub fn last_event_id(&self) -> &'a str {
        self.last_event_id
    }

    /// The same event, to keep or to send on. Its id is the
    /// [last event id](Self::last_event_id), unless that is empty. An event called
    /// `message` has no name.
    ///
    /// # Errors
    ///
    /// If the name has NUL: a stream can have it, an [`EventName`] cannot.
    pub fn to_event(&self) -> Result<Event<'static>, InvalidField> {
        let mut event = Event::new(Cow::Owned(self.data.to_owned()));
        if self.name() != DEFAULT_NAME {
            event = event.with_name(EventName::new(self.name.to_owned())?);
        }
        if !self.last_event_id.is_empty() {
            event = event.with_id(EventId::new(self.last_event_id.to_owned())?);
        }
        Ok(event)
    }
}

const DEFAULT_NAME: &str = "message";
