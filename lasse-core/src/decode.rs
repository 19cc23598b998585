//! Bytes in, events out: the algorithm of HTML 9.2.6, wherever the bytes are cut.

mod block;
mod field;
mod limit;
mod mark;
mod message;
mod pieces;
mod text;
mod whole;

use alloc::borrow::ToOwned;
use alloc::string::String;

use pieces::{Found, Pieces};
use whole::{Unfit, Whole};

use crate::field::EventId;

#[cfg(feature = "http")]
pub(crate) use field::whole_number;
pub use limit::EventTooLarge;
pub use message::{Decoded, Message};

/// Turns the bytes of an event stream into events, wherever they are cut.
///
/// What it hears is borrowed: from the input where a field lies there in one
/// piece, else from the decoder, which puts together what was cut. The buffers it
/// does that in stay for the next event; the limit on an event's size bounds them.
///
/// # Examples
///
/// ```
/// use lasse_core::{Decoded, Decoder};
///
/// let mut decoder = Decoder::new();
/// let mut heard = Vec::new();
/// for chunk in [b"data: he".as_slice(), b"llo\n\ndata: you\n\n"] {
///     let mut input = chunk;
///     while let Some(decoded) = decoder.decode(&mut input)? {
///         if let Decoded::Message(message) = decoded {
///             heard.push(message.data().to_owned());
///         }
///     }
/// }
/// assert_eq!(heard, ["hello", "you"]);
/// # Ok::<(), lasse_core::EventTooLarge>(())
/// ```
#[derive(Clone, Debug)]
pub struct Decoder {
    last_event_id: String,
    pieces: Pieces,
}

impl Decoder {
    /// A decoder for a stream from its beginning, which takes events of up to a
    /// mebibyte.
    pub fn new() -> Self {
        Self { last_event_id: String::new(), pieces: Pieces::new(DEFAULT_LIMIT) }
    }

    /// Sets the limit on an event's size: how many bytes its lines of `data`,
    /// `event` and `id` may take, with the endings between them. No other line
    /// may take what they leave of it.
    #[must_use]
    pub fn with_limit(self, bytes: usize) -> Self {
        Self { pieces: self.pieces.with_limit(bytes), ..self }
    }

    /// Starts from an id that was heard earlier.
    #[must_use]
    pub fn with_last_event_id(self, id: &EventId) -> Self {
        Self { last_event_id: id.as_str().to_owned(), ..self }
    }

    /// Where a client resumes that loses its connection now. Empty if no event
    /// had an id yet, or if the last one had an empty id.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Takes from `input` up to the next thing heard. `None` says that `input`
    /// is used up and that more is needed.
    ///
    /// # Errors
    ///
    /// When an event outgrows the limit, once for each such event. Nothing is
    /// heard of the rest of it; decode on for the event after it.
    #[inline]
    pub fn decode<'d, 'i: 'd>(
        &'d mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Decoded<'d>>, EventTooLarge> {
        if self.pieces.take_byte(input) {
            return Ok(None);
        }
        self.decode_event(input)
    }

    /// Kept out of [`decode`](Self::decode), which is small enough to become part
    /// of the caller's loop.
    fn decode_event<'d, 'i: 'd>(
        &'d mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Decoded<'d>>, EventTooLarge> {
        if self.pieces.begin_event(input) {
            match Whole::take(input, self.pieces.limit()) {
                Ok(event) => return Ok(Some(Decoded::Message(self.tell_whole(event)))),
                Err(Unfit::Cut) => return self.pieces.begin_line(input).map(|()| None),
                Err(Unfit::Other) => {}
            }
        }
        self.decode_pieces(input)
    }

    /// Kept out of [`decode_event`](Self::decode_event), where it is the rare case.
    #[inline(never)]
    fn decode_pieces<'d, 'i: 'd>(
        &'d mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Decoded<'d>>, EventTooLarge> {
        Ok(self.pieces.find(input)?.map(|found| self.tell(found)))
    }

    /// Forgets all of a stream that ended but the last event id, and awaits
    /// another from its beginning. An event that was not ended by a blank line
    /// is never heard.
    pub fn restart(&mut self) {
        self.pieces.clear();
    }

    #[inline]
    fn tell_whole<'d, 'i: 'd>(&'d mut self, event: Whole<'i>) -> Message<'d> {
        if let Some(id) = event.id {
            self.last_event_id.clear();
            self.last_event_id.push_str(id);
        }
        Message { name: event.name, data: event.data, last_event_id: &self.last_event_id }
    }

    fn tell<'d, 'i: 'd>(&'d mut self, found: Found<'i>) -> Decoded<'d> {
        // The last event id is committed at the blank line.
        if let Some(id) = self.pieces.ended_id() {
            text::write(&mut self.last_event_id, id);
        }
        match found {
            Found::Message => {
                let (name, data) = self.pieces.read();
                Decoded::Message(Message { name, data, last_event_id: &self.last_event_id })
            }
            Found::Comment(comment) => Decoded::Comment(self.pieces.read_comment(comment)),
            Found::Retry(delay) => Decoded::Retry(delay),
            Found::LastEventId => Decoded::LastEventId(&self.last_event_id),
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

const DEFAULT_LIMIT: usize = 1 << 20;
