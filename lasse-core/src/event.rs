//! What is said: one event, before it is bytes.

mod builder;
#[cfg(feature = "json")]
mod json;

use alloc::borrow::Cow;
use core::time::Duration;

use crate::field::{EventId, EventName};

pub use builder::{DataRequired, EventBuilder};
#[cfg(feature = "json")]
pub use json::JsonError;

/// One event, as the handler says it and as the client hears it.
///
/// An event always has data, so lasse's `data_required` cannot happen; all else
/// is optional. Data and comment may be borrowed, may span lines, and may hold
/// anything that is text: what can be built can be sent.
///
/// # Examples
///
/// ```
/// use lasse_core::{Event, EventId, EventName};
///
/// let event = Event::new("{\"celsius\":21}")
///     .with_name(EventName::from_static("temperature"))
///     .with_id(EventId::from(42));
/// assert_eq!(
///     event.encode().as_bytes(),
///     b"event: temperature\ndata: {\"celsius\":21}\nid: 42\n\n",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Event<'a> {
    data: Cow<'a, str>,
    name: Option<EventName>,
    id: Option<EventId>,
    retry: Option<Duration>,
    comment: Option<Cow<'a, str>>,
}

impl<'a> Event<'a> {
    /// An event that carries `data`. Each LF, CR LF and CR in it reaches the
    /// client as LF.
    pub fn new(data: impl Into<Cow<'a, str>>) -> Self {
        Self { data: data.into(), name: None, id: None, retry: None, comment: None }
    }

    /// Sets the name under which the client dispatches this event.
    #[must_use]
    pub fn with_name(self, name: EventName) -> Self {
        Self { name: Some(name), ..self }
    }

    /// Sets where a client resumes after this event.
    #[must_use]
    pub fn with_id(self, id: EventId) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Sets how long the client waits before it reconnects, in whole
    /// milliseconds; the rest of `delay` is cut off.
    #[must_use]
    pub fn with_retry(self, delay: Duration) -> Self {
        Self { retry: Some(whole_millis(delay)), ..self }
    }

    /// Sets a comment, which goes before the event and which clients ignore.
    #[must_use]
    pub fn with_comment(self, text: impl Into<Cow<'a, str>>) -> Self {
        Self { comment: Some(text.into()), ..self }
    }

    /// The event's data.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// The event's name, if it is not a plain `message`.
    pub fn name(&self) -> Option<&EventName> {
        self.name.as_ref()
    }

    /// The event's id, if it has one.
    pub fn id(&self) -> Option<&EventId> {
        self.id.as_ref()
    }

    /// The reconnection delay that the event asks for.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// The comment that goes before the event.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// The same event, with texts of its own.
    pub fn into_owned(self) -> Event<'static> {
        Event {
            data: Cow::Owned(self.data.into_owned()),
            name: self.name,
            id: self.id,
            retry: self.retry,
            comment: self.comment.map(|text| Cow::Owned(text.into_owned())),
        }
    }
}

fn whole_millis(delay: Duration) -> Duration {
    Duration::from_millis(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX))
}
