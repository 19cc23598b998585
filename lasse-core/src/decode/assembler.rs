//! Assembles events that the input does not have in one piece.

use alloc::vec::Vec;
use core::time::Duration;

use super::block::Block;
use super::bom::Bom;
use super::field::{Field, partial_data};
use super::limit::EventTooLarge;
use super::text::TextBuffer;
use crate::line::{self, LineSplitter};

/// The part of an event that earlier inputs had, and the state of the stream.
#[derive(Clone, Debug)]
pub(super) struct Assembler {
    limit: usize,
    stage: Stage,
    bom: Bom,
    splitter: LineSplitter,
    /// The current line, as far as earlier inputs had it.
    line: Vec<u8>,
    block: Block,
    comment: TextBuffer,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Possibly to a byte order mark.
    Bom,
    /// To a new event, of which nothing is held.
    Event,
    /// To a line of the block.
    Line,
    /// To a line of data, whose beginning is in the block.
    Data,
    /// To a new event. The block still has the one that was returned.
    NextEvent,
    /// To a line of an event that was too large.
    SkipLine,
    /// To an event that was too large, at the start of a line.
    SkipBlock,
}

/// What the next lines contain, before it is text.
#[derive(Debug)]
pub(super) enum Item<'i> {
    Message,
    /// A comment: in the input, or else in the assembler.
    Comment(Option<&'i [u8]>),
    Retry(Duration),
    LastEventId,
}

impl Assembler {
    /// The state at the beginning of a stream.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            stage: Stage::Bom,
            bom: Bom::default(),
            splitter: LineSplitter::default(),
            line: Vec::new(),
            block: Block::default(),
            comment: TextBuffer::default(),
        }
    }

    pub(super) fn with_limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Prepares for another stream from its beginning.
    pub(super) fn clear(&mut self) {
        self.line.clear();
        self.block.clear();
        self.splitter = LineSplitter::default();
        self.bom = Bom::default();
        self.stage = Stage::Bom;
    }

    /// Takes `input` if it is a single byte that continues a line that is held: the
    /// common case in a stream that arrives byte by byte.
    #[inline]
    pub(super) fn take_byte(&mut self, input: &mut &[u8]) -> bool {
        let [byte] = **input else { return false };
        let is_within_line = self.stage == Stage::Data || !self.line.is_empty();
        if !is_within_line || line::is_ending(byte) || self.size() >= self.limit {
            return false;
        }
        match self.stage {
            Stage::Data => self.block.push_byte(byte),
            _ => self.line.push(byte),
        }
        *input = &[];
        true
    }

    /// Handles the bytes before the first line, if the input is long enough. Returns whether
    /// a new event begins, of which nothing is held.
    #[inline]
    pub(super) fn begin_event(&mut self, input: &mut &[u8]) -> bool {
        if !matches!(self.stage, Stage::Event | Stage::Line | Stage::Data) {
            self.settle(input);
        }
        self.stage == Stage::Event
    }

    /// Finds the next item, and holds the fields before it.
    pub(super) fn find<'i>(
        &mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Item<'i>>, EventTooLarge> {
        match self.stage {
            Stage::Event => self.stage = Stage::Line,
            Stage::Data => self.end_data(input)?,
            _ => {}
        }
        if self.stage != Stage::Line {
            return Ok(None);
        }
        let item = self.read_lines(input)?;
        self.update_stage();
        Ok(item)
    }

    /// Holds the beginning of a line that the input does not end: of data in the
    /// block, of other fields by itself.
    pub(super) fn hold_line(&mut self, input: &mut &[u8]) -> Result<(), EventTooLarge> {
        let line = core::mem::take(input);
        if line.is_empty() {
            return Ok(());
        }
        self.check(line.len(), Stage::SkipLine)?;
        match partial_data(line) {
            Some(value) => {
                self.stage = Stage::Data;
                self.block.push_data(value, line.len());
            }
            None => {
                self.stage = Stage::Line;
                self.line.extend_from_slice(line);
            }
        }
        Ok(())
    }

    /// The id of the event that has just ended.
    pub(super) fn ended_id(&self) -> Option<&[u8]> {
        if self.stage == Stage::NextEvent { self.block.id() } else { None }
    }

    /// The name and the data of the event that has just ended.
    pub(super) fn read(&mut self) -> (&str, &str) {
        self.block.read()
    }

    /// The text of a comment, from the input or from the assembler.
    pub(super) fn read_comment<'a>(&'a mut self, borrowed: Option<&'a [u8]>) -> &'a str {
        match borrowed {
            Some(bytes) => self.comment.convert(bytes),
            None => self.comment.read(),
        }
    }

    /// Apart from [`begin_event`](Self::begin_event), where it is the rare case.
    #[inline(never)]
    fn settle(&mut self, input: &mut &[u8]) {
        match self.stage {
            Stage::Event | Stage::Line | Stage::Data => {}
            Stage::Bom => self.skip_bom(input),
            Stage::NextEvent => {
                self.block.clear();
                self.stage = Stage::Line;
            }
            Stage::SkipLine | Stage::SkipBlock => self.skip(input),
        }
        self.update_stage();
    }

    /// Enters [`Stage::Event`] if nothing is held.
    #[inline]
    fn update_stage(&mut self) {
        if self.stage == Stage::Line
            && self.line.is_empty()
            && self.block.is_empty()
            && !self.splitter.is_after_cr()
        {
            self.stage = Stage::Event;
        }
    }

    fn read_lines<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Item<'i>>, EventTooLarge> {
        if !self.line.is_empty() {
            match self.splitter.split(input) {
                None => return self.hold_rest(input).map(|()| None),
                Some(rest) => {
                    if let Some(item) = self.end_line(rest)? {
                        return Ok(Some(item));
                    }
                }
            }
        }
        loop {
            if !self.splitter.is_after_cr() && self.block.add_plain_lines(input, self.limit) {
                break;
            }
            let Some(line) = self.splitter.split(input) else { break };
            let item = if line.is_empty() { self.end_block() } else { self.take_line(line)? };
            if item.is_some() {
                return Ok(item);
            }
        }
        self.hold_line(input).map(|()| None)
    }

    /// Holds the rest of the input, which continues a line that is held.
    fn hold_rest(&mut self, input: &mut &[u8]) -> Result<(), EventTooLarge> {
        let more = core::mem::take(input);
        self.check(self.line.len() + more.len(), Stage::SkipLine)?;
        match self.stage {
            Stage::Data => self.block.push_data(more, more.len()),
            _ => self.line.extend_from_slice(more),
        }
        Ok(())
    }

    /// Ends the line of data that earlier inputs began.
    fn end_data(&mut self, input: &mut &[u8]) -> Result<(), EventTooLarge> {
        match self.splitter.split_long(input) {
            None => self.hold_rest(input),
            Some(rest) => {
                self.check(rest.len(), Stage::SkipBlock)?;
                self.stage = Stage::Line;
                self.block.end_data(rest);
                Ok(())
            }
        }
    }

    /// Ends the line that earlier inputs began.
    fn end_line<'i>(&mut self, rest: &[u8]) -> Result<Option<Item<'i>>, EventTooLarge> {
        self.check(self.line.len() + rest.len(), Stage::SkipBlock)?;
        let mut line = core::mem::take(&mut self.line);
        line.extend_from_slice(rest);
        let item = match Field::of(&line) {
            Field::Comment(value) => {
                self.comment.set(value);
                Some(Item::Comment(None))
            }
            Field::Retry(delay) => Some(Item::Retry(delay)),
            field => {
                self.block.add(field, line.len() + 1);
                None
            }
        };
        line.clear();
        self.line = line;
        Ok(item)
    }

    fn take_line<'i>(&mut self, line: &'i [u8]) -> Result<Option<Item<'i>>, EventTooLarge> {
        self.check(line.len(), Stage::SkipBlock)?;
        match Field::of(line) {
            Field::Retry(delay) => return Ok(Some(Item::Retry(delay))),
            Field::Comment(value) => return Ok(Some(Item::Comment(Some(value)))),
            field => self.block.add(field, line.len() + 1),
        }
        Ok(None)
    }

    /// Ends the block at a blank line.
    fn end_block(&mut self) -> Option<Item<'static>> {
        let item = match (self.block.has_data(), self.block.id()) {
            (true, _) => Item::Message,
            (false, Some(_)) => Item::LastEventId,
            (false, None) => {
                self.block.clear();
                return None;
            }
        };
        self.stage = Stage::NextEvent;
        Some(item)
    }

    /// Checks that a line of `len` bytes fits into the limit, else drops the event.
    #[inline]
    fn check(&mut self, len: usize, then: Stage) -> Result<(), EventTooLarge> {
        if self.block.size() + len <= self.limit { Ok(()) } else { Err(self.drop_event(then)) }
    }

    /// The size of the current event, including the current line.
    #[inline]
    fn size(&self) -> usize {
        self.block.size() + self.line.len()
    }

    /// Drops the current event. Its rest is skipped.
    #[cold]
    fn drop_event(&mut self, then: Stage) -> EventTooLarge {
        self.line.clear();
        self.block.clear();
        self.stage = then;
        EventTooLarge { limit: self.limit }
    }

    /// Skips a byte order mark at the beginning of the stream. Other bytes begin a
    /// line.
    fn skip_bom(&mut self, input: &mut &[u8]) {
        if let Some(text) = self.bom.skip(input) {
            self.line.extend_from_slice(text);
            self.stage = Stage::Line;
        }
    }

    /// Skips the rest of an event that was too large.
    fn skip(&mut self, input: &mut &[u8]) {
        while let Some(line) = self.splitter.split(input) {
            if line.is_empty() && self.stage == Stage::SkipBlock {
                self.stage = Stage::Line;
                return;
            }
            self.stage = Stage::SkipBlock;
        }
        if !input.is_empty() {
            self.stage = Stage::SkipLine;
            *input = &[];
        }
    }
}
