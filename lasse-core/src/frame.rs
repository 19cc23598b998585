//! Encoded events and comments, shared by all connections that send them.

mod encode;

use alloc::vec::Vec;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::event::Event;
use crate::field::{EventId, EventName};

pub(crate) use encode::{Digits, Fields};

/// Encoded bytes: one or more whole events, comments or fields without an event.
///
/// A clone shares the bytes: encode an event once, then send the frame to a
/// thousand connections.
///
/// # Examples
///
/// ```
/// use lasse_core::{Event, Frame};
///
/// let frame = Event::new("two\nlines").encode();
/// assert_eq!(frame.as_bytes(), b"data: two\ndata: lines\n\n");
/// assert_eq!(Frame::comment("ignored").as_bytes(), b": ignored\n");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame(Bytes);

impl Frame {
    /// A comment, which clients ignore. It keeps a connection alive through proxies.
    ///
    /// No blank line follows it: some clients dispatch an empty event at one.
    pub fn comment(text: &str) -> Self {
        Fields { comment: Some(text), ..Fields::default() }.encode()
    }

    /// Sets how long the client waits before it reconnects, in whole milliseconds;
    /// the rest of `delay` is cut off.
    pub fn retry(delay: Duration) -> Self {
        Fields { retry: Some(delay), ..Fields::default() }.encode()
    }

    /// Sets the client's last event id without an event. Firefox ignores it, and
    /// Safari does if the stream ends before the next event.
    pub fn id(id: &EventId) -> Self {
        Fields { id: Some(id.as_str()), ..Fields::default() }.encode()
    }

    /// The shortest comment, for keep-alives.
    pub(crate) fn keep_alive() -> Self {
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

    /// Bytes that were encoded elsewhere, without a check.
    ///
    /// If they are not whole events or comments, the frames after them are garbled.
    /// If an attacker wrote any of them, the attacker can forge events.
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

    /// The bytes to write, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the frame has no bytes.
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
    /// Encodes the event: comment, event, data, retry, id. The id is last, so that
    /// a client that commits it at its own line has read the data.
    pub fn encode(&self) -> Frame {
        self.fields().encode()
    }

    /// Appends the encoded event to a buffer, which grows if it must.
    pub fn encode_into(&self, out: &mut BytesMut) {
        match self.only_data() {
            Some(data) => Fields::put_data(data, out),
            None => self.encode_fields_into(out),
        }
    }

    /// Apart from an event with data alone, which needs fewer registers.
    #[inline(never)]
    fn encode_fields_into(&self, out: &mut BytesMut) {
        let fields = self.fields();
        out.reserve(fields.len_hint());
        fields.put(out);
    }

    /// The number of bytes of the encoded event.
    pub fn encoded_len(&self) -> usize {
        self.fields().encoded_len()
    }

    /// The data, if the event has nothing else.
    #[inline]
    fn only_data(&self) -> Option<&str> {
        let has_field = self.name().is_some() || self.id().is_some();
        let is_alone = !has_field && self.comment().is_none() && self.retry().is_none();
        is_alone.then(|| self.data())
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
