//! What a client hears: an event, or something beside one.

use alloc::borrow::{Cow, ToOwned};
use core::time::Duration;

use crate::event::Event;
use crate::field::{EventId, EventName, InvalidField};

/// What a [`Decoder`](crate::Decoder) hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// An event.
    Message(Message<'a>),
    /// One line of comment: a client ignores it, but takes it for a sign of life.
    Comment(&'a str),
    /// How long to wait before reconnecting, from now on.
    Retry(Duration),
    /// A new last event id without an event; empty, it says to forget the last.
    LastEventId(&'a str),
}

/// An event as a client hears it, borrowed from the bytes it came in where
/// these allow it.
///
/// To keep it, make an [`Event`] of it, or strings of its parts: they hold their
/// own bytes and no more.
///
/// # Examples
///
/// ```
/// use lasse_core::{Decoded, Decoder};
///
/// let mut decoder = Decoder::new();
/// let mut input = b"id: 7\nevent: add\ndata: 2\n\ndata: 3\n\n".as_slice();
/// let mut heard = Vec::new();
/// while let Some(decoded) = decoder.decode(&mut input)? {
///     if let Decoded::Message(message) = decoded {
///         heard.push((message.name().to_owned(), message.last_event_id().to_owned()));
///     }
/// }
/// assert_eq!(heard, [("add".into(), "7".into()), ("message".into(), "7".into())]);
/// # Ok::<(), lasse_core::EventTooLarge>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message<'a> {
    pub(super) name: &'a str,
    pub(super) data: &'a str,
    pub(super) last_event_id: &'a str,
}

impl<'a> Message<'a> {
    /// The event's name; `message` if it came without one.
    pub fn name(&self) -> &'a str {
        if self.name.is_empty() { DEFAULT_NAME } else { self.name }
    }

    /// The event's data, its lines joined by LF.
    pub fn data(&self) -> &'a str {
        self.data
    }

    /// Where a client resumes after this event: the id of this event or, if it
    /// came without one, of the last that had one. Empty if there is none.
    pub fn last_event_id(&self) -> &'a str {
        self.last_event_id
    }

    /// The same as an event that can be kept or sent on. Its id is the
    /// [last event id](Self::last_event_id), unless that is empty; an event
    /// called `message` has no name.
    ///
    /// # Errors
    ///
    /// When the name holds NUL, which a stream may and an [`EventName`] may not.
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
