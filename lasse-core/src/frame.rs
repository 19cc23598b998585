//! What is sent: whole events and comments, encoded once and shared by reference.

mod encode;

use alloc::vec::Vec;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::event::{Event, EventBuilder};
use crate::field::{EventId, EventName};

pub(crate) use encode::{Digits, Fields};

/// The wire form of one or more whole events, comments or settings.
///
/// A clone shares the bytes. Encode an event once, then send the frame to a
/// thousand connections.
///
/// # Examples
///
/// ```
/// use lasse_core::{Event, Frame};
///
/// let frame = Event::new("two\nlines").encode();
/// assert_eq!(frame.as_bytes(), b"data: two\ndata: lines\n\n");
/// assert_eq!(Frame::comment("hush").as_bytes(), b": hush\n");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame(Bytes);

impl Frame {
    /// A comment, which a client ignores and a proxy takes for a sign of life.
    ///
    /// No blank line follows it: some clients take one for an event.
    pub fn comment(text: &str) -> Self {
        Fields { comment: Some(text), ..Fields::default() }.encode()
    }

    /// Tells the client how long to wait before it reconnects, in whole
    /// milliseconds; the rest of `delay` is cut off.
    pub fn retry(delay: Duration) -> Self {
        Fields { retry: Some(delay), ..Fields::default() }.encode()
    }

    /// Moves the client's last event id without an event. Firefox ignores it.
    pub fn id(id: &EventId) -> Self {
        Fields { id: Some(id.as_str()), ..Fields::default() }.encode()
    }

    /// The shortest comment.
    pub(crate) fn sign_of_life() -> Self {
        Self(Bytes::from_static(b":\n"))
    }

    /// Several frames in one.
    pub fn concat<'a>(frames: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut out = Vec::new();
        for frame in frames {
            out.extend_from_slice(&frame.0);
        }
        Self(out.into())
    }

    /// Bytes that someone else encoded. Nothing looks at them: if they are not
    /// whole events or comments, what is sent after them is garbled, and if they
    /// hold what an attacker wrote, so is what the client hears.
    pub fn from_bytes_unchecked(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The bytes to write.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The bytes to write, shared.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// How many bytes there are to write.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Event<'_>> for Frame {
    fn from(event: Event<'_>) -> Self {
        event.encode()
    }
}

impl From<&Event<'_>> for Frame {
    fn from(event: &Event<'_>) -> Self {
        event.encode()
    }
}

impl Event<'_> {
    /// Encodes the event into a frame of its own: comment, event, data, retry,
    /// id. The id goes last, so that a client that commits it early has the data
    /// already.
    pub fn encode(&self) -> Frame {
        self.fields().encode()
    }

    /// Appends the event to a buffer of the caller's, which grows if it must.
    pub fn encode_into(&self, out: &mut BytesMut) {
        let fields = self.fields();
        out.reserve(fields.len_hint());
        fields.put(out);
    }

    /// How many bytes the event takes on the wire.
    pub fn encoded_len(&self) -> usize {
        self.fields().encoded_len()
    }

    pub(crate) fn fields(&self) -> Fields<'_> {
        Fields {
            comment: self.comment(),
            name: self.name().map(EventName::as_str),
            data: Some(self.data()),
            retry: self.retry(),
            id: self.id().map(EventId::as_str),
        }
    }
}

impl EventBuilder<'_> {
    /// Encodes the fields that are there, data or no data. A comment and a
    /// `retry` act by themselves; an `id` moves the client's last event id; a
    /// name alone does nothing.
    pub fn encode(&self) -> Frame {
        Fields {
            comment: self.comment.as_deref(),
            name: self.name.as_ref().map(EventName::as_str),
            data: self.data.as_deref(),
            retry: self.retry,
            id: self.id.as_ref().map(EventId::as_str),
        }
        .encode()
    }
}
