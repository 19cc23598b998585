//! The id that a request resumes from.

use alloc::borrow::ToOwned;
use core::error::Error;
use core::fmt;

use super::EventId;

/// The last event id of a request: where the client wants to resume.
///
/// The four cases need four answers: a first visit, a client that no longer has an id, a client
/// that resumes, and a client that sends something that was never an id. An id is a claim of the
/// client, never a permission.
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
    /// No id: the client's first visit.
    #[default]
    Absent,
    /// The empty id, which means the same to a browser.
    Empty,
    /// The id of the last event that the client received.
    Id(EventId),
    /// A value that was never an event's id. Answer it with a stream all the same:
    /// any status but 200 ends an `EventSource` for ever.
    Invalid(InvalidLastEventId),
}

impl LastEventId {
    /// The longest valid id, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Reads the values of all `Last-Event-ID` fields of a request: UTF-8, not a
    /// list (HTML 9.2.4). Equal values count as one.
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

    /// The id, if the client sent a valid one.
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
    /// Two fields have different values.
    Conflicting,
    /// It is longer than [`LastEventId::MAX_LEN`].
    TooLong,
    /// It is not UTF-8.
    NotUtf8,
    /// It has CR, LF or NUL.
    NotOneLine,
    /// It is not the id of a stream of several channels.
    NotMerged,
    /// It is the id of a stream of several channels, but not of this channel.
    OtherChannels,
}

impl fmt::Display for InvalidLastEventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflicting => f.write_str("the request has two different last event ids"),
            Self::TooLong => {
                write!(f, "the last event id is longer than {} bytes", LastEventId::MAX_LEN)
            }
            Self::NotUtf8 => f.write_str("the last event id is not UTF-8"),
            Self::NotOneLine => f.write_str("the last event id is not one line without NUL"),
            Self::NotMerged => f.write_str("the last event id is not one of several channels"),
            Self::OtherChannels => f.write_str("the last event id is of other channels"),
        }
    }
}

impl Error for InvalidLastEventId {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn the_last_event_id_of_a_request_is_one_of_four_cases() {
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

    #[test]
    fn an_invalid_last_event_id_has_a_text_with_the_problem() {
        for (invalid, expected) in [
            (InvalidLastEventId::Conflicting, "two different last event ids"),
            (InvalidLastEventId::TooLong, "longer than"),
            (InvalidLastEventId::NotUtf8, "UTF-8"),
        ] {
            assert!(invalid.to_string().contains(expected), "{invalid}");
        }
    }
}
