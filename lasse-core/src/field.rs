//! Fields of an event that cannot be malformed.

mod last_event_id;

use alloc::borrow::{Cow, ToOwned};
use alloc::string::{String, ToString};
use core::error::Error;
use core::fmt;
use core::str::FromStr;

pub use last_event_id::{InvalidLastEventId, LastEventId};

/// An event's `id`, which a client sends back as `Last-Event-ID` when it
/// reconnects.
///
/// An id never has CR, LF or NUL (HTML 9.2.6). The empty id is valid: it makes
/// the client forget the last one.
///
/// # Examples
///
/// ```
/// use lasse_core::EventId;
///
/// let id = EventId::new("2024-07-11/42")?;
/// assert_eq!(id.as_str(), "2024-07-11/42");
/// assert_eq!("42".parse(), Ok(EventId::from(42)));
/// assert!(EventId::new("42\nevent: forged").is_err());
/// # Ok::<(), lasse_core::InvalidField>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Cow<'static, str>);

impl EventId {
    /// The id `text`.
    ///
    /// # Errors
    ///
    /// If `text` has CR, LF or NUL.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Result<Self, InvalidField> {
        one_line(text.into()).map(Self)
    }

    /// The id `text`. In a constant, it is checked when the program is compiled.
    ///
    /// # Panics
    ///
    /// If `text` has CR, LF or NUL.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Cow::Borrowed(static_line(text)))
    }

    /// The id of a line that was split off already.
    pub(crate) fn from_line(line: String) -> Self {
        Self(Cow::Owned(line))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the empty id, which makes a client forget the last one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<u64> for EventId {
    fn from(number: u64) -> Self {
        Self(number.to_string().into())
    }
}

impl TryFrom<String> for EventId {
    type Error = InvalidField;

    fn try_from(text: String) -> Result<Self, InvalidField> {
        Self::new(text)
    }
}

impl FromStr for EventId {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, InvalidField> {
        Self::new(text.to_owned())
    }
}

impl AsRef<str> for EventId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An event's name, as passed to `addEventListener`.
///
/// A name never has CR, LF or NUL and is never empty. An event without a name is
/// a `message` (HTML 9.2.6). A page also receives events called `open` and
/// `error` in its handlers of the connection: use other names.
///
/// # Examples
///
/// ```
/// use lasse_core::EventName;
///
/// const TEMPERATURE: EventName = EventName::from_static("temperature");
/// assert_eq!(EventName::new("temperature")?, TEMPERATURE);
/// assert!("".parse::<EventName>().is_err());
/// # Ok::<(), lasse_core::InvalidField>(())
/// ```
#[doc(alias = "type")]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventName(Cow<'static, str>);

impl EventName {
    /// The name `text`.
    ///
    /// # Errors
    ///
    /// If `text` is empty or has CR, LF or NUL.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Result<Self, InvalidField> {
        match one_line(text.into())? {
            empty if empty.is_empty() => Err(InvalidField(Problem::Empty)),
            name => Ok(Self(name)),
        }
    }

    /// The name `text`. In a constant, it is checked when the program is compiled.
    ///
    /// # Panics
    ///
    /// If `text` is empty or has CR, LF or NUL.
    pub const fn from_static(text: &'static str) -> Self {
        assert!(!text.is_empty(), "an event name cannot be empty");
        Self(Cow::Borrowed(static_line(text)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EventName {
    type Error = InvalidField;

    fn try_from(text: String) -> Result<Self, InvalidField> {
        Self::new(text)
    }
}

impl FromStr for EventName {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, InvalidField> {
        Self::new(text.to_owned())
    }
}

impl AsRef<str> for EventName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A text that is no [`EventId`] or no [`EventName`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidField(Problem);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    Empty,
    ForbiddenByte { byte: u8, at: usize },
}

impl fmt::Display for InvalidField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Problem::Empty => f.write_str("an event name cannot be empty"),
            Problem::ForbiddenByte { byte, at } => {
                write!(f, "byte {at} is {byte:#04x}; a field is one line without NUL")
            }
        }
    }
}

impl Error for InvalidField {}

fn one_line(text: Cow<'static, str>) -> Result<Cow<'static, str>, InvalidField> {
    match text.bytes().position(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        Some(at) => {
            let byte = text.as_bytes().get(at).copied().unwrap_or_default();
            Err(InvalidField(Problem::ForbiddenByte { byte, at }))
        }
        None => Ok(text),
    }
}

#[expect(clippy::indexing_slicing, reason = "the index is checked, and const code cannot iterate")]
const fn static_line(text: &'static str) -> &'static str {
    let mut at = 0;
    while at < text.len() {
        assert!(
            !matches!(text.as_bytes()[at], b'\r' | b'\n' | 0),
            "a field is one line without NUL"
        );
        at += 1;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_its_text() {
        let (id, name) = (EventId::new("7").unwrap(), EventName::new("add").unwrap());
        let texts: [&str; 2] = [id.as_ref(), name.as_ref()];
        assert_eq!(
            (texts, id.to_string(), name.to_string()),
            (["7", "add"], "7".into(), "add".into())
        );
    }

    #[test]
    fn a_field_that_would_forge_another_is_refused_with_byte_and_offset() {
        for (text, message) in [
            ("a\nb", "byte 1 is 0x0a; a field is one line without NUL"),
            ("\r", "byte 0 is 0x0d; a field is one line without NUL"),
            ("äb\0", "byte 3 is 0x00; a field is one line without NUL"),
        ] {
            assert_eq!(EventId::new(text).unwrap_err().to_string(), message);
            assert_eq!(EventName::new(text).unwrap_err().to_string(), message);
            assert!(text.parse::<EventId>().is_err() && text.parse::<EventName>().is_err());
            assert!(EventId::try_from(text.to_owned()).is_err());
            assert!(EventName::try_from(text.to_owned()).is_err());
        }
        assert_eq!(EventName::new("").unwrap_err().to_string(), "an event name cannot be empty");
    }

    #[test]
    fn the_empty_id_is_valid() {
        assert!(EventId::new("").unwrap().is_empty());
    }
}
