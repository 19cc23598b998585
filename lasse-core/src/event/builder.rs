//! An event from fields that may or may not be there.

use alloc::borrow::Cow;
use core::error::Error;
use core::fmt;
use core::time::Duration;

use super::{Event, whole_millis};
use crate::field::{EventId, EventName};

/// An event put together from fields that may or may not be there, as they come
/// from a file or another program.
///
/// # Examples
///
/// ```
/// use lasse_core::{DataRequired, EventBuilder, EventId};
///
/// let mut fields = EventBuilder::new();
/// fields.id(EventId::from(1));
/// assert_eq!(fields.clone().build(), Err(DataRequired));
/// fields.data("late, but there");
/// assert_eq!(fields.build()?.data(), "late, but there");
/// # Ok::<(), DataRequired>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct EventBuilder<'a> {
    pub(crate) data: Option<Cow<'a, str>>,
    pub(crate) name: Option<EventName>,
    pub(crate) id: Option<EventId>,
    pub(crate) retry: Option<Duration>,
    pub(crate) comment: Option<Cow<'a, str>>,
}

impl<'a> EventBuilder<'a> {
    /// No fields at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the data.
    pub fn data(&mut self, data: impl Into<Cow<'a, str>>) -> &mut Self {
        self.data = Some(data.into());
        self
    }

    /// Sets the name.
    pub fn name(&mut self, name: EventName) -> &mut Self {
        self.name = Some(name);
        self
    }

    /// Sets the id.
    pub fn id(&mut self, id: EventId) -> &mut Self {
        self.id = Some(id);
        self
    }

    /// Sets the reconnection delay.
    pub fn retry(&mut self, delay: Duration) -> &mut Self {
        self.retry = Some(whole_millis(delay));
        self
    }

    /// Sets the comment.
    pub fn comment(&mut self, text: impl Into<Cow<'a, str>>) -> &mut Self {
        self.comment = Some(text.into());
        self
    }

    /// The event.
    ///
    /// # Errors
    ///
    /// When no data was given, not even empty data: a client would dispatch no
    /// event. What there is can be sent all the same, by
    /// [`encode`](Self::encode).
    pub fn build(self) -> Result<Event<'a>, DataRequired> {
        let Self { data, name, id, retry, comment } = self;
        let data = data.ok_or(DataRequired)?;
        Ok(Event { data, name, id, retry, comment })
    }
}

/// An event was built without data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataRequired;

impl fmt::Display for DataRequired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event needs data, if only empty data")
    }
}

impl Error for DataRequired {}
