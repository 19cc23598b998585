//! Field values that cannot be malformed.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::{String, ToString};
use core::error::Error;
use core::fmt;

/// An event's `id`: what a client sends back as `Last-Event-ID` when it
/// reconnects.
///
/// An id never holds CR, LF or NUL (HTML 9.2.6). The empty id is valid: it makes
/// the client forget the last one.
///
/// # Examples
///
/// ```
/// use lasse_core::EventId;
///
/// let id = EventId::new("2024-07-11/42")?;
/// assert_eq!(id.as_str(), "2024-07-11/42");
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
    /// When `text` holds CR, LF or NUL.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Result<Self, InvalidField> {
        one_line(text.into()).map(Self)
    }

    /// The id `text`, checked while the program is compiled if it is a constant.
    ///
    /// # Panics
    ///
    /// When `text` holds CR, LF or NUL.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Cow::Borrowed(one_static_line(text)))
    }

    /// An id that has stood in a line already.
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

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An event's name: what `addEventListener` listens to.
///
/// A name never holds CR, LF or NUL and is never empty; an event without a name
/// is a `message` (HTML 9.2.6).
///
/// # Examples
///
/// ```
/// use lasse_core::EventName;
///
/// const TEMPERATURE: EventName = EventName::from_static("temperature");
/// assert_eq!(EventName::new("temperature")?, TEMPERATURE);
/// # Ok::<(), lasse_core::InvalidField>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventName(Cow<'static, str>);

impl EventName {
    /// The name `text`.
    ///
    /// # Errors
    ///
    /// When `text` is empty or holds CR, LF or NUL.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Result<Self, InvalidField> {
        match one_line(text.into())? {
            empty if empty.is_empty() => Err(InvalidField(Problem::Empty)),
            name => Ok(Self(name)),
        }
    }

    /// The name `text`, checked while the program is compiled if it is a
    /// constant.
    ///
    /// # Panics
    ///
    /// When `text` is empty or holds CR, LF or NUL.
    pub const fn from_static(text: &'static str) -> Self {
        assert!(!text.is_empty(), "an event name cannot be empty");
        Self(Cow::Borrowed(one_static_line(text)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Where a client says that it left off.
///
/// The four cases call for four answers, so they are told apart: a first visit,
/// a client that was told to forget, one that resumes, and one that says what
/// nobody can have told it. An id is a claim by the client, never a permission.
///
/// # Examples
///
/// ```
/// use lasse_core::{EventId, LastEventId};
///
/// assert_eq!(LastEventId::from_values([]), LastEventId::Absent);
/// assert_eq!(LastEventId::from_values([b"7".as_slice()]), LastEventId::Id(EventId::from(7)));
/// assert!(matches!(LastEventId::from_values([b"7".as_slice(), b"8"]), LastEventId::Invalid(_)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LastEventId {
    /// Nothing: a client that comes for the first time.
    #[default]
    Absent,
    /// The empty id, which means the same to a browser.
    Empty,
    /// The id of the last event that the client has seen.
    Id(EventId),
    /// Something that was never an event's id. To be answered with a stream
    /// all the same: any status but 200 ends an `EventSource` for ever.
    Invalid(InvalidLastEventId),
}

impl LastEventId {
    /// The longest id that is looked at, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Reads the values of all `Last-Event-ID` fields of a request, as they
    /// came: UTF-8, not a list (HTML 9.2.4). Equal ones count as one.
    pub fn from_values<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut values = values.into_iter();
        let Some(first) = values.next() else { return Self::Absent };
        if values.any(|other| other != first) {
            return Self::Invalid(InvalidLastEventId::Conflicting);
        }
        if first.is_empty() {
            return Self::Empty;
        }
        if first.len() > Self::MAX_LEN {
            return Self::Invalid(InvalidLastEventId::TooLong);
        }
        let Ok(text) = core::str::from_utf8(first) else {
            return Self::Invalid(InvalidLastEventId::NotUtf8);
        };
        EventId::new(text.to_owned())
            .map_or(Self::Invalid(InvalidLastEventId::NotOneLine), Self::Id)
    }

    /// The id, if the client named one that can be one.
    pub fn id(&self) -> Option<&EventId> {
        match self {
            Self::Id(id) => Some(id),
            _ => None,
        }
    }
}

/// Why a [`LastEventId`] cannot be the id of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidLastEventId {
    /// Two fields with different values.
    Conflicting,
    /// More than [`LastEventId::MAX_LEN`] bytes.
    TooLong,
    /// Not UTF-8.
    NotUtf8,
    /// CR, LF or NUL within.
    NotOneLine,
}

impl fmt::Display for InvalidLastEventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflicting => f.write_str("the request names two different last event ids"),
            Self::TooLong => {
                write!(f, "the last event id is longer than {} bytes", LastEventId::MAX_LEN)
            }
            Self::NotUtf8 => f.write_str("the last event id is not UTF-8"),
            Self::NotOneLine => f.write_str("the last event id is not one line without NUL"),
        }
    }
}

impl Error for InvalidLastEventId {}

/// A text that cannot be an [`EventId`] or an [`EventName`].
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

#[expect(
    clippy::indexing_slicing,
    reason = "const code has no other way, and the index is checked"
)]
const fn one_static_line(text: &'static str) -> &'static str {
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
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_field_that_would_forge_another_is_refused_with_byte_and_place() {
        for (text, message) in [
            ("a\nb", "byte 1 is 0x0a; a field is one line without NUL"),
            ("\r", "byte 0 is 0x0d; a field is one line without NUL"),
            ("äb\0", "byte 3 is 0x00; a field is one line without NUL"),
        ] {
            assert_eq!(EventId::new(text).unwrap_err().to_string(), message);
            assert_eq!(EventName::new(text).unwrap_err().to_string(), message);
        }
        assert_eq!(EventName::new("").unwrap_err().to_string(), "an event name cannot be empty");
    }

    #[test]
    fn the_empty_id_is_an_id() {
        assert!(EventId::new("").unwrap().is_empty());
    }

    #[test]
    fn what_a_client_claims_is_sorted_into_four() {
        let read = |values: &[&'static [u8]]| LastEventId::from_values(values.iter().copied());
        assert_eq!(read(&[]), LastEventId::Absent);
        assert_eq!(read(&[b""]), LastEventId::Empty);
        assert_eq!(
            read(&["Zürich-1".as_bytes()]),
            LastEventId::Id(EventId::new("Zürich-1").unwrap())
        );
        assert_eq!(read(&[b"1", b"1"]), LastEventId::Id(EventId::from(1)));
        for (values, problem) in [
            ([b"1".as_slice(), b"2"], InvalidLastEventId::Conflicting),
            ([[b'x'; 257].as_slice(); 2], InvalidLastEventId::TooLong),
            ([b"\xff".as_slice(); 2], InvalidLastEventId::NotUtf8),
            ([b"a\0".as_slice(); 2], InvalidLastEventId::NotOneLine),
        ] {
            assert_eq!(read(&values), LastEventId::Invalid(problem));
        }
        assert!(read(&[&[b'x'; 256]]).id().is_some());
    }
}
