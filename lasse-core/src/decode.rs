//! Bytes in, events out: the algorithm of HTML 9.2.6, wherever the bytes are cut.

mod block;
mod field;
mod message;
mod text;

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::time::Duration;

use block::{Block, Lent};
use field::Field;
use text::Text;

use crate::field::EventId;
use crate::line::Splitter;

pub use message::Message;

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
    limit: usize,
    last_event_id: String,
    /// How much of the byte order mark has been seen, or all that matters.
    mark: usize,
    splitter: Splitter,
    /// The line at hand, as far as earlier inputs held it.
    line: Vec<u8>,
    block: Block,
    /// What the fields of the block took on the wire.
    size: usize,
    comment: Text,
    /// Whether the block has been handed out and goes with the next input.
    is_spent: bool,
    skipping: Option<Skipping>,
}

/// What is left of an event that was too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skipping {
    /// The rest of a line, then the rest of the event.
    Line,
    /// All up to a blank line.
    Block,
}

impl Decoder {
    /// A decoder for a stream from its beginning, which takes events of up to a
    /// mebibyte.
    pub fn new() -> Self {
        Self {
            limit: DEFAULT_LIMIT,
            last_event_id: String::new(),
            mark: 0,
            splitter: Splitter::default(),
            line: Vec::new(),
            block: Block::default(),
            size: 0,
            comment: Text::default(),
            is_spent: false,
            skipping: None,
        }
    }

    /// Sets the limit on an event's size: how many bytes its lines of `data`,
    /// `event` and `id` may take, with the endings between them. No other line
    /// may take what they leave of it.
    #[must_use]
    pub fn with_limit(self, bytes: usize) -> Self {
        Self { limit: bytes, ..self }
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
        if self.is_interrupted() {
            if let Some(found) = self.pick_up(input)? {
                return Ok(Some(self.tell(found)));
            }
        }
        match self.find(input)? {
            Some(found) => Ok(Some(self.tell(found))),
            None => Ok(None),
        }
    }

    /// Forgets all of a stream that ended but the last event id, and awaits
    /// another from its beginning. An event that was not ended by a blank line
    /// is never heard.
    pub fn restart(&mut self) {
        self.discard();
        self.mark = 0;
        self.splitter = Splitter::default();
        self.skipping = None;
    }

    /// Whether something of an earlier input is still to be dealt with.
    fn is_interrupted(&self) -> bool {
        self.mark < MARK.len() || self.is_spent || self.skipping.is_some() || !self.line.is_empty()
    }

    fn pick_up<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Found<'i>>, EventTooLarge> {
        if self.is_spent {
            self.discard();
        }
        self.skip_mark(input);
        self.skip_event(input);
        if self.line.is_empty() {
            return Ok(None);
        }
        match self.splitter.split(input) {
            Some(rest) => self.end_line(rest),
            None => self.begin_line(input).map(|()| None),
        }
    }

    /// Finds what `input` holds in one piece, and holds what it breaks off.
    fn find<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Found<'i>>, EventTooLarge> {
        let mut lent = Lent::default();
        while let Some(line) = self.splitter.split(input) {
            if line.is_empty() {
                match self.end_block(lent) {
                    None => lent = Lent::default(),
                    found => return Ok(found),
                }
                continue;
            }
            self.check(line.len(), Skipping::Block)?;
            match Field::of(line) {
                Field::Data(value) => self.block.add_data(value, &mut lent),
                Field::Name(value) => lent.name = Some(value),
                Field::Id(value) => lent.id = Some(value),
                Field::Retry(delay) => {
                    self.block.keep(lent);
                    return Ok(Some(Found::Retry(delay)));
                }
                Field::Comment(value) => {
                    self.block.keep(lent);
                    return Ok(Some(Found::Comment(Some(value))));
                }
                Field::Other => continue,
            }
            self.size += line.len() + 1;
        }
        self.block.keep(lent);
        self.begin_line(input)?;
        Ok(None)
    }

    /// Holds the beginning of a line, since the input ends within it.
    fn begin_line(&mut self, input: &mut &[u8]) -> Result<(), EventTooLarge> {
        let begun = core::mem::take(input);
        if begun.is_empty() {
            return Ok(());
        }
        self.check(self.line.len() + begun.len(), Skipping::Line)?;
        self.line.extend_from_slice(begun);
        Ok(())
    }

    /// Ends the line that earlier inputs began.
    fn end_line<'i>(&mut self, rest: &[u8]) -> Result<Option<Found<'i>>, EventTooLarge> {
        self.check(self.line.len() + rest.len(), Skipping::Block)?;
        self.line.extend_from_slice(rest);
        let taken = self.line.len() + 1;
        let mut found = None;
        match Field::of(&self.line) {
            Field::Data(value) => {
                self.size += taken;
                let skip = self.line.len() - value.len();
                self.block.keep_data(&mut self.line, skip);
            }
            Field::Name(value) => {
                self.size += taken;
                self.block.keep(Lent { name: Some(value), ..Lent::default() });
            }
            Field::Id(value) => {
                self.size += taken;
                self.block.keep(Lent { id: Some(value), ..Lent::default() });
            }
            Field::Retry(delay) => found = Some(Found::Retry(delay)),
            Field::Comment(value) => {
                self.comment.set(value);
                found = Some(Found::Comment(None));
            }
            Field::Other => {}
        }
        self.line.clear();
        Ok(found)
    }

    /// Ends the block at a blank line, where the last event id is committed.
    #[inline]
    fn end_block<'i>(&mut self, lent: Lent<'i>) -> Option<Found<'i>> {
        let id = lent.id.or_else(|| self.block.id());
        let has_id = id.is_some();
        if let Some(id) = id {
            text::write(&mut self.last_event_id, id);
        }
        let has_data = lent.data.is_some() || self.block.has_data();
        self.size = 0;
        self.is_spent = self.block.is_kept();
        if has_data {
            return Some(Found::Message { name: lent.name, data: lent.data });
        }
        if self.is_spent {
            self.discard();
        }
        has_id.then_some(Found::LastEventId)
    }

    fn discard(&mut self) {
        self.line.clear();
        self.block.clear();
        self.size = 0;
        self.is_spent = false;
    }

    /// Checks that the event at hand has room for a line of `len` bytes.
    #[inline]
    fn check(&mut self, len: usize, skipping: Skipping) -> Result<(), EventTooLarge> {
        if self.size + len <= self.limit {
            return Ok(());
        }
        self.discard();
        self.skipping = Some(skipping);
        Err(EventTooLarge { limit: self.limit })
    }

    /// Skips a byte order mark at the beginning of the stream: one, as UTF-8
    /// decoding in the sense of the Encoding standard does.
    fn skip_mark(&mut self, input: &mut &[u8]) {
        while let Some(expected) = MARK.get(self.mark) {
            match input.split_first() {
                None => return,
                Some((byte, rest)) if byte == expected => {
                    self.mark += 1;
                    *input = rest;
                }
                Some(_) => {
                    self.line.extend_from_slice(MARK.get(..self.mark).unwrap_or_default());
                    self.mark = MARK.len();
                }
            }
        }
    }

    /// Skips the rest of an event that was too large.
    fn skip_event(&mut self, input: &mut &[u8]) {
        while let Some(skipping) = self.skipping {
            match self.splitter.split(input) {
                Some([]) if skipping == Skipping::Block => self.skipping = None,
                Some(_) => self.skipping = Some(Skipping::Block),
                None => {
                    if !input.is_empty() {
                        self.skipping = Some(Skipping::Line);
                    }
                    *input = &[];
                    return;
                }
            }
        }
    }

    #[inline]
    fn tell<'d, 'i: 'd>(&'d mut self, found: Found<'i>) -> Decoded<'d> {
        match found {
            Found::Message { name, data } => {
                let (name, data) = self.block.read(name, data);
                Decoded::Message(Message { name, data, last_event_id: &self.last_event_id })
            }
            Found::Comment(text) => Decoded::Comment(self.comment.read(text)),
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

/// What a [`Decoder`] hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// An event.
    Message(Message<'a>),
    /// One line of comment: a client ignores it, but takes it for a sign of life.
    Comment(&'a str),
    /// How long to wait before reconnecting, from now on.
    Retry(Duration),
    /// A new last event id without an event; empty, it says to forget the last.
    LastEventId(&'a str),
}

/// What was found, before it is text. What is not lent is held in the decoder.
enum Found<'i> {
    Message { name: Option<&'i [u8]>, data: Option<&'i [u8]> },
    Comment(Option<&'i [u8]>),
    Retry(Duration),
    LastEventId,
}

/// An event outgrew the limit of its [`Decoder`], which goes on with the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventTooLarge {
    limit: usize,
}

impl fmt::Display for EventTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event takes more than {} bytes", self.limit)
    }
}

impl Error for EventTooLarge {}

const DEFAULT_LIMIT: usize = 1 << 20;

/// U+FEFF in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
