//! The decoder: HTML 9.2.6, wherever the bytes are cut.

mod assembler;
mod block;
mod bom;
mod field;
mod limit;
mod message;
mod text;
mod whole_event;

use alloc::borrow::ToOwned;
use alloc::string::String;

use assembler::{Assembler, Item};
use whole_event::{NotWhole, WholeEvent};

use crate::field::EventId;

#[cfg(feature = "http")]
pub(crate) use field::whole_number;
pub use limit::EventTooLarge;
pub use message::{Decoded, Message};

/// Decodes the bytes of an event stream into events, wherever they are cut.
///
/// Events are borrowed: from the input if it has them in one piece, else from the
/// decoder, which assembles them. It keeps its buffers for the next event; the
/// limit on an event's size bounds them.
///
/// # Examples
///
/// ```
/// use lasse_core::{Decoded, Decoder};
///
/// let mut decoder = Decoder::new();
/// let mut events = Vec::new();
/// for chunk in [b"data: he".as_slice(), b"llo\n\ndata: you\n\n"] {
///     let mut input = chunk;
///     while let Some(decoded) = decoder.decode(&mut input)? {
///         if let Decoded::Message(message) = decoded {
///             events.push(message.data().to_owned());
///         }
///     }
/// }
/// assert_eq!(events, ["hello", "you"]);
/// # Ok::<(), lasse_core::EventTooLarge>(())
/// ```
#[derive(Clone, Debug)]
pub struct Decoder {
    last_event_id: String,
    assembler: Assembler,
}

impl Decoder {
    /// A decoder for a stream from its beginning, with a limit of 1 MiB an event.
    pub fn new() -> Self {
        Self { last_event_id: String::new(), assembler: Assembler::new(DEFAULT_LIMIT) }
    }

    /// Sets the limit on an event's size, in bytes: its lines of `data`, `event` and
    /// `id`, with the line endings between them. Each other line must fit into the rest
    /// of the limit.
    #[must_use]
    pub fn with_limit(self, bytes: usize) -> Self {
        Self { assembler: self.assembler.with_limit(bytes), ..self }
    }

    /// Starts with the id of an event that was received earlier.
    #[must_use]
    pub fn with_last_event_id(self, id: &EventId) -> Self {
        Self { last_event_id: id.as_str().to_owned(), ..self }
    }

    /// Where a client resumes if it loses its connection now. Empty if no event had
    /// an id yet, or if the last id was empty.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Takes bytes from `input` up to the end of the next event, comment or field
    /// that acts by itself, and returns that. `None` if `input` is used up.
    ///
    /// # Errors
    ///
    /// If an event is larger than the limit, once for each such event. The rest of it is skipped:
    /// continue with the next one.
    #[inline]
    pub fn decode<'d, 'i: 'd>(
        &'d mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Decoded<'d>>, EventTooLarge> {
        if self.assembler.take_byte(input) {
            return Ok(None);
        }
        self.decode_event(input)
    }

    /// Apart from [`decode`](Self::decode), so that that can be inlined.
    fn decode_event<'d, 'i: 'd>(
        &'d mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Decoded<'d>>, EventTooLarge> {
        if self.assembler.begin_event(input) {
            match WholeEvent::take(input, self.assembler.limit()) {
                Ok(event) => return Ok(Some(Decoded::Message(self.take_whole_event(event)))),
                Err(NotWhole::Cut) => return self.assembler.hold_line(input).map(|()| None),
                Err(NotWhole::Other) => {}
            }
        }
        self.decode_pieces(input)
    }

    /// Apart from [`decode_event`](Self::decode_event), where it is the rare case.
    #[inline(never)]
    fn decode_pieces<'d, 'i: 'd>(
        &'d mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Decoded<'d>>, EventTooLarge> {
        Ok(self.assembler.find(input)?.map(|item| self.resolve(item)))
    }

    /// Prepares for another stream from its beginning. Only the last event id is kept;
    /// an event without its blank line is dropped.
    pub fn restart(&mut self) {
        self.assembler.clear();
    }

    #[inline]
    fn take_whole_event<'d, 'i: 'd>(&'d mut self, event: WholeEvent<'i>) -> Message<'d> {
        if let Some(id) = event.id {
            self.last_event_id.clear();
            self.last_event_id.push_str(id);
        }
        Message { name: event.name, data: event.data, last_event_id: &self.last_event_id }
    }

    fn resolve<'d, 'i: 'd>(&'d mut self, item: Item<'i>) -> Decoded<'d> {
        // The last event id is committed at the blank line.
        if let Some(id) = self.assembler.ended_id() {
            text::write(&mut self.last_event_id, id);
        }
        match item {
            Item::Message => {
                let (name, data) = self.assembler.read();
                Decoded::Message(Message { name, data, last_event_id: &self.last_event_id })
            }
            Item::Comment(comment) => Decoded::Comment(self.assembler.read_comment(comment)),
            Item::Retry(delay) => Decoded::Retry(delay),
            Item::LastEventId => Decoded::LastEventId(&self.last_event_id),
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

const DEFAULT_LIMIT: usize = 1 << 20;
