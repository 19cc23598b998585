//! One event, before it is encoded.

#[cfg(feature = "json")]
mod json;

use alloc::borrow::Cow;
use core::time::Duration;

use crate::field::{EventId, EventName, InvalidField};

#[cfg(feature = "json")]
pub use json::JsonError;

/// One event, with data and optional fields.
///
/// Data and comment can be borrowed, can have several lines, and can hold any
/// text: what can be built can be sent.
///
/// # Examples
///
/// ```
/// use lasse_core::{Event, EventName};
///
/// const TEMPERATURE: EventName = EventName::from_static("temperature");
///
/// let event = Event::new("{\"celsius\":21}").with_name(TEMPERATURE).with_id(42);
/// assert_eq!(
///     event.encode().as_bytes(),
///     b"event: temperature\ndata: {\"celsius\":21}\nid: 42\n\n",
/// );
///
/// // A literal can be checked when it is used, other text must be checked with `?`.
/// let room = String::from("kitchen");
/// let event = Event::new("21").with_static_name("temperature").try_with_id(room)?;
/// assert!(event.try_with_name("two\nlines").is_err());
/// # Ok::<(), lasse_core::InvalidField>(())
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
    /// An event with this data. Each LF, CR LF and CR in it reaches the client as
    /// LF.
    pub fn new(data: impl Into<Cow<'a, str>>) -> Self {
        Self { data: data.into(), name: None, id: None, retry: None, comment: None }
    }

    /// Sets the name under which the client dispatches this event.
    #[must_use]
    pub fn with_name(self, name: EventName) -> Self {
        Self { name: Some(name), ..self }
    }

    /// Sets the name, after a check.
    ///
    /// # Errors
    ///
    /// If `name` is empty or has CR, LF or NUL.
    pub fn try_with_name(self, name: impl Into<Cow<'static, str>>) -> Result<Self, InvalidField> {
        EventName::new(name).map(|name| self.with_name(name))
    }

    /// Sets the name to a literal.
    ///
    /// # Panics
    ///
    /// If `name` is empty or has CR, LF or NUL.
    #[must_use]
    pub fn with_static_name(self, name: &'static str) -> Self {
        self.with_name(EventName::from_static(name))
    }

    /// Sets where a client resumes after this event: an [`EventId`] or a number.
    #[must_use]
    pub fn with_id(self, id: impl Into<EventId>) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// Sets where a client resumes after this event, after a check.
    ///
    /// # Errors
    ///
    /// If `id` has CR, LF or NUL.
    pub fn try_with_id(self, id: impl Into<Cow<'static, str>>) -> Result<Self, InvalidField> {
        EventId::new(id).map(|id| self.with_id(id))
    }

    /// Sets where a client resumes after this event, to a literal.
    ///
    /// # Panics
    ///
    /// If `id` has CR, LF or NUL.
    #[must_use]
    pub fn with_static_id(self, id: &'static str) -> Self {
        self.with_id(EventId::from_static(id))
    }

    /// Sets how long the client waits before it reconnects, in whole milliseconds;
    /// the rest of `delay` is cut off.
    #[must_use]
    pub fn with_retry(self, delay: Duration) -> Self {
        Self { retry: Some(whole_millis(delay)), ..self }
    }

    /// Sets a comment, which is written before the event. Clients ignore it.
    #[must_use]
    pub fn with_comment(self, text: impl Into<Cow<'a, str>>) -> Self {
        Self { comment: Some(text.into()), ..self }
    }

    /// The event's data.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// The event's name, unless it is a plain `message`.
    pub fn name(&self) -> Option<&EventName> {
        self.name.as_ref()
    }

    /// The event's id, if it has one.
    pub fn id(&self) -> Option<&EventId> {
        self.id.as_ref()
    }

    /// The reconnection time that the event sets, if it does.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// The comment before the event, if it has one.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// The same event, with text of its own.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_forms_set_the_same_fields() {
        let long = Event::new("x")
            .with_name(EventName::from_static("n"))
            .with_id(EventId::from_static("7"));
        let literal = Event::new("x").with_static_name("n").with_static_id("7");
        let checked = Event::new("x").try_with_name("n").unwrap().try_with_id("7").unwrap();
        assert_eq!(literal, long);
        assert_eq!(checked, long);
        assert_eq!(Event::new("x").with_id(7).with_static_name("n"), long);
        assert!(Event::new("x").try_with_name("").is_err());
        assert!(Event::new("x").try_with_id("a\nb").is_err());
    }

    #[test]
    #[should_panic(expected = "one line")]
    fn a_literal_that_is_no_name_panics() {
        let _ = Event::new("x").with_static_name("a\nb");
    }
}
