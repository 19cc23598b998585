//! Bytes in, events out: the algorithm of HTML 9.2.6, wherever the bytes are cut.

mod block;
mod field;
mod limit;
mod message;
mod text;
mod whole;

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use block::Block;
use field::Field;
use text::Text;
use whole::{Beginning, Whole};

use crate::field::EventId;
use crate::line::{Splitter, first_near_break};

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
    limit: usize,
    last_event_id: String,
    stage: Stage,
    splitter: Splitter,
    /// The line at hand, as far as earlier inputs held it.
    line: Vec<u8>,
    block: Block,
    comment: Text,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Perhaps to a byte order mark, of which so many bytes were seen.
    Mark(usize),
    /// To an event of which nothing is held yet.
    Event,
    /// To a line of the block.
    Line,
    /// To a new event, since the one that is held was handed out.
    NextEvent,
    /// To a line of an event that was too large.
    LostLine,
    /// To an event that was too large, at the beginning of a line.
    LostBlock,
}

impl Decoder {
    /// A decoder for a stream from its beginning, which takes events of up to a
    /// mebibyte.
    pub fn new() -> Self {
        Self {
            limit: DEFAULT_LIMIT,
            last_event_id: String::new(),
            stage: Stage::Mark(0),
            splitter: Splitter::default(),
            line: Vec::new(),
            block: Block::default(),
            comment: Text::default(),
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
        if self.is_mere_continuation(input) {
            return self.begin_line(input).map(|()| None);
        }
        self.decode_event(input)
    }

    /// Kept out of [`decode`](Self::decode), which is small enough to become part
    /// of the caller's loop.
    fn decode_event<'d, 'i: 'd>(
        &'d mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Decoded<'d>>, EventTooLarge> {
        if !matches!(self.stage, Stage::Event | Stage::Line) {
            self.settle(input);
        }
        if self.stage == Stage::Event {
            match Beginning::take(input, self.limit) {
                Beginning::Whole(event) => {
                    return Ok(Some(Decoded::Message(self.tell_whole(event))));
                }
                Beginning::Cut => return self.begin_line(input).map(|()| None),
                Beginning::Other => {}
            }
        }
        Ok(self.find(input)?.map(|found| self.tell(found)))
    }

    /// Forgets all of a stream that ended but the last event id, and awaits
    /// another from its beginning. An event that was not ended by a blank line
    /// is never heard.
    pub fn restart(&mut self) {
        self.line.clear();
        self.block.clear();
        self.splitter = Splitter::default();
        self.stage = Stage::Mark(0);
    }

    /// Whether a few bytes go on with a line that is held, and do not end it:
    /// all that happens in a stream that comes byte by byte.
    #[inline]
    fn is_mere_continuation(&self, input: &[u8]) -> bool {
        !self.line.is_empty() && input.len() < 8 && first_near_break(input).is_none()
    }

    /// Settles what is not about lines, if there is input enough.
    fn settle(&mut self, input: &mut &[u8]) {
        match self.stage {
            Stage::Event | Stage::Line => {}
            Stage::Mark(seen) => self.skip_mark(seen, input),
            Stage::NextEvent => {
                self.block.clear();
                self.stage = Stage::Line;
            }
            Stage::LostLine | Stage::LostBlock => self.skip_lost(input),
        }
        self.note_stage();
    }

    /// Finds the next thing to tell, and holds what goes before it.
    fn find<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Found<'i>>, EventTooLarge> {
        if !matches!(self.stage, Stage::Event | Stage::Line) {
            return Ok(None);
        }
        self.stage = Stage::Line;
        let found = self.read_lines(input)?;
        self.note_stage();
        Ok(found)
    }

    /// Notes whether nothing at all is held.
    #[inline]
    fn note_stage(&mut self) {
        if self.stage == Stage::Line
            && self.line.is_empty()
            && self.block.is_empty()
            && !self.splitter.is_within_pair()
        {
            self.stage = Stage::Event;
        }
    }

    fn read_lines<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Found<'i>>, EventTooLarge> {
        if !self.line.is_empty() {
            match self.splitter.split(input) {
                None => return self.begin_line(input).map(|()| None),
                Some(rest) => {
                    if let Some(found) = self.end_line(rest)? {
                        return Ok(Some(found));
                    }
                }
            }
        }
        loop {
            if !self.splitter.is_within_pair() && self.block.take_plain_lines(input, self.limit) {
                break;
            }
            let Some(line) = self.splitter.split(input) else { break };
            let found = if line.is_empty() { self.end_block() } else { self.take_line(line)? };
            if found.is_some() {
                return Ok(found);
            }
        }
        self.begin_line(input).map(|()| None)
    }

    /// Holds the beginning of a line, since the input ends within it.
    fn begin_line(&mut self, input: &mut &[u8]) -> Result<(), EventTooLarge> {
        let begun = core::mem::take(input);
        if !begun.is_empty() {
            self.check(self.line.len() + begun.len(), Stage::LostLine)?;
            self.stage = Stage::Line;
            self.line.extend_from_slice(begun);
        }
        Ok(())
    }

    /// Ends the line that earlier inputs began.
    fn end_line<'i>(&mut self, rest: &[u8]) -> Result<Option<Found<'i>>, EventTooLarge> {
        self.check(self.line.len() + rest.len(), Stage::LostBlock)?;
        let mut line = core::mem::take(&mut self.line);
        line.extend_from_slice(rest);
        let found = match Field::of(&line) {
            Field::Data(value) => {
                let skip = line.len() - value.len();
                self.block.take_data(&mut line, skip);
                None
            }
            Field::Comment(value) => {
                self.comment.set(value);
                Some(Found::Comment(None))
            }
            Field::Retry(delay) => Some(Found::Retry(delay)),
            other => {
                self.block.take(other, line.len() + 1);
                None
            }
        };
        line.clear();
        self.line = line;
        Ok(found)
    }

    fn take_line<'i>(&mut self, line: &'i [u8]) -> Result<Option<Found<'i>>, EventTooLarge> {
        self.check(line.len(), Stage::LostBlock)?;
        match Field::of(line) {
            Field::Retry(delay) => return Ok(Some(Found::Retry(delay))),
            Field::Comment(value) => return Ok(Some(Found::Comment(Some(value)))),
            field => self.block.take(field, line.len() + 1),
        }
        Ok(None)
    }

    /// Ends the block at a blank line, where the last event id is committed.
    fn end_block(&mut self) -> Option<Found<'static>> {
        let id = self.block.id();
        let has_id = id.is_some();
        if let Some(id) = id {
            text::write(&mut self.last_event_id, id);
        }
        if self.block.has_data() {
            self.stage = Stage::NextEvent;
            return Some(Found::Message);
        }
        self.block.clear();
        has_id.then_some(Found::LastEventId)
    }

    /// Checks that the event at hand has room for a line of `len` bytes.
    fn check(&mut self, len: usize, lost: Stage) -> Result<(), EventTooLarge> {
        if self.block.size() + len <= self.limit {
            return Ok(());
        }
        self.line.clear();
        self.block.clear();
        self.stage = lost;
        Err(EventTooLarge { limit: self.limit })
    }

    /// Skips a byte order mark at the beginning of the stream: one, as UTF-8
    /// decoding in the sense of the Encoding standard does.
    fn skip_mark(&mut self, mut seen: usize, input: &mut &[u8]) {
        while let (Some(expected), Some((byte, rest))) = (MARK.get(seen), input.split_first()) {
            if byte != expected {
                self.line.extend_from_slice(MARK.get(..seen).unwrap_or_default());
                self.stage = Stage::Line;
                return;
            }
            seen += 1;
            *input = rest;
        }
        self.stage = if seen < MARK.len() { Stage::Mark(seen) } else { Stage::Line };
    }

    /// Skips the rest of an event that was too large.
    fn skip_lost(&mut self, input: &mut &[u8]) {
        while let Some(line) = self.splitter.split(input) {
            if line.is_empty() && self.stage == Stage::LostBlock {
                self.stage = Stage::Line;
                return;
            }
            self.stage = Stage::LostBlock;
        }
        if !input.is_empty() {
            self.stage = Stage::LostLine;
            *input = &[];
        }
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
        match found {
            Found::Message => {
                let (name, data) = self.block.read();
                Decoded::Message(Message { name, data, last_event_id: &self.last_event_id })
            }
            Found::Comment(Some(lent)) => Decoded::Comment(self.comment.lend(lent)),
            Found::Comment(None) => Decoded::Comment(self.comment.read()),
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

/// What was found, before it is text. What is not lent is held in the decoder.
enum Found<'i> {
    Message,
    Comment(Option<&'i [u8]>),
    Retry(Duration),
    LastEventId,
}

const DEFAULT_LIMIT: usize = 1 << 20;

/// U+FEFF in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
