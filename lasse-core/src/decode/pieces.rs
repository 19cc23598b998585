//! What is put together: an event of which the input does not hold all.

use alloc::vec::Vec;
use core::time::Duration;

use super::block::Block;
use super::field::{Field, begun_data};
use super::limit::EventTooLarge;
use super::mark::Mark;
use super::text::Text;
use crate::line::{self, Splitter};

/// What earlier inputs held of an event, and how the stream goes on after it.
#[derive(Clone, Debug)]
pub(super) struct Pieces {
    limit: usize,
    stage: Stage,
    mark: Mark,
    splitter: Splitter,
    /// The line at hand, as far as earlier inputs held it.
    line: Vec<u8>,
    block: Block,
    comment: Text,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Perhaps to a byte order mark.
    Mark,
    /// To an event of which nothing is held yet.
    Event,
    /// To a line of the block.
    Line,
    /// To a line of data, of which the block holds the beginning.
    Data,
    /// To a new event, since the one that is held was handed out.
    NextEvent,
    /// To a line of an event that was too large.
    LostLine,
    /// To an event that was too large, at the beginning of a line.
    LostBlock,
}

/// What was found, before it is text. What is not lent is held.
#[derive(Debug)]
pub(super) enum Found<'i> {
    Message,
    Comment(Option<&'i [u8]>),
    Retry(Duration),
    LastEventId,
}

impl Pieces {
    /// Those of a stream from its beginning.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            stage: Stage::Mark,
            mark: Mark::default(),
            splitter: Splitter::default(),
            line: Vec::new(),
            block: Block::default(),
            comment: Text::default(),
        }
    }

    pub(super) fn with_limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Forgets all of a stream, and awaits another from its beginning.
    pub(super) fn clear(&mut self) {
        self.line.clear();
        self.block.clear();
        self.splitter = Splitter::default();
        self.mark = Mark::default();
        self.stage = Stage::Mark;
    }

    /// Takes a byte that goes on with a line that is held: nearly all that happens
    /// in a stream that comes byte by byte. Says whether `input` is one.
    #[inline]
    pub(super) fn take_byte(&mut self, input: &mut &[u8]) -> bool {
        let [byte] = **input else { return false };
        let is_within_line = self.stage == Stage::Data || !self.line.is_empty();
        if !is_within_line || line::is_end(byte) || self.size() >= self.limit {
            return false;
        }
        match self.stage {
            Stage::Data => self.block.push_byte(byte),
            _ => self.line.push(byte),
        }
        *input = &[];
        true
    }

    /// Settles what is not about lines, if there is input enough. Says whether an
    /// event begins there of which nothing is held.
    #[inline]
    pub(super) fn begin_event(&mut self, input: &mut &[u8]) -> bool {
        if !matches!(self.stage, Stage::Event | Stage::Line | Stage::Data) {
            self.settle(input);
        }
        self.stage == Stage::Event
    }

    /// Finds the next thing to tell, and holds what goes before it.
    pub(super) fn find<'i>(
        &mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Found<'i>>, EventTooLarge> {
        match self.stage {
            Stage::Event => self.stage = Stage::Line,
            Stage::Data => self.end_data(input)?,
            _ => {}
        }
        if self.stage != Stage::Line {
            return Ok(None);
        }
        let found = self.read_lines(input)?;
        self.note_stage();
        Ok(found)
    }

    /// Holds the beginning of a line, since the input ends within it: of data in
    /// the block, where it is read, of others by itself.
    pub(super) fn begin_line(&mut self, input: &mut &[u8]) -> Result<(), EventTooLarge> {
        let begun = core::mem::take(input);
        if begun.is_empty() {
            return Ok(());
        }
        self.check(begun.len(), Stage::LostLine)?;
        match begun_data(begun) {
            Some(value) => {
                self.stage = Stage::Data;
                self.block.push_data(value, begun.len());
            }
            None => {
                self.stage = Stage::Line;
                self.line.extend_from_slice(begun);
            }
        }
        Ok(())
    }

    /// The id of the event that was ended.
    pub(super) fn ended_id(&self) -> Option<&[u8]> {
        if self.stage == Stage::NextEvent { self.block.id() } else { None }
    }

    /// The name and the data of the event that was ended.
    pub(super) fn read(&mut self) -> (&str, &str) {
        self.block.read()
    }

    /// The text of a comment, lent or held.
    pub(super) fn read_comment<'a>(&'a mut self, lent: Option<&'a [u8]>) -> &'a str {
        match lent {
            Some(bytes) => self.comment.lend(bytes),
            None => self.comment.read(),
        }
    }

    /// Kept out of [`begin_event`](Self::begin_event), where it is the rare case.
    #[inline(never)]
    fn settle(&mut self, input: &mut &[u8]) {
        match self.stage {
            Stage::Event | Stage::Line | Stage::Data => {}
            Stage::Mark => self.skip_mark(input),
            Stage::NextEvent => {
                self.block.clear();
                self.stage = Stage::Line;
            }
            Stage::LostLine | Stage::LostBlock => self.skip_lost(input),
        }
        self.note_stage();
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
                None => return self.go_on(input).map(|()| None),
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

    /// Holds more of a line that is held, since the input does not end it.
    fn go_on(&mut self, input: &mut &[u8]) -> Result<(), EventTooLarge> {
        let more = core::mem::take(input);
        self.check(self.line.len() + more.len(), Stage::LostLine)?;
        match self.stage {
            Stage::Data => self.block.push_data(more, more.len()),
            _ => self.line.extend_from_slice(more),
        }
        Ok(())
    }

    /// Ends the line of data that earlier inputs began.
    fn end_data(&mut self, input: &mut &[u8]) -> Result<(), EventTooLarge> {
        match self.splitter.split_long(input) {
            None => self.go_on(input),
            Some(rest) => {
                self.check(rest.len(), Stage::LostBlock)?;
                self.stage = Stage::Line;
                self.block.end_data(rest);
                Ok(())
            }
        }
    }

    /// Ends the line that earlier inputs began.
    fn end_line<'i>(&mut self, rest: &[u8]) -> Result<Option<Found<'i>>, EventTooLarge> {
        self.check(self.line.len() + rest.len(), Stage::LostBlock)?;
        let mut line = core::mem::take(&mut self.line);
        line.extend_from_slice(rest);
        let found = match Field::of(&line) {
            Field::Comment(value) => {
                self.comment.set(value);
                Some(Found::Comment(None))
            }
            Field::Retry(delay) => Some(Found::Retry(delay)),
            field => {
                self.block.take(field, line.len() + 1);
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

    /// Ends the block at a blank line.
    fn end_block(&mut self) -> Option<Found<'static>> {
        let found = match (self.block.has_data(), self.block.id()) {
            (true, _) => Found::Message,
            (false, Some(_)) => Found::LastEventId,
            (false, None) => {
                self.block.clear();
                return None;
            }
        };
        self.stage = Stage::NextEvent;
        Some(found)
    }

    /// Checks that the event at hand has room for a line of `len` bytes.
    #[inline]
    fn check(&mut self, len: usize, lost: Stage) -> Result<(), EventTooLarge> {
        if self.block.size() + len <= self.limit { Ok(()) } else { Err(self.lose(lost)) }
    }

    /// What the event at hand took so far, the line at hand included.
    #[inline]
    fn size(&self) -> usize {
        self.block.size() + self.line.len()
    }

    /// Drops the event at hand.
    #[cold]
    fn lose(&mut self, lost: Stage) -> EventTooLarge {
        self.line.clear();
        self.block.clear();
        self.stage = lost;
        EventTooLarge { limit: self.limit }
    }

    /// Skips a byte order mark at the beginning of the stream; what turns out to
    /// be none begins a line.
    fn skip_mark(&mut self, input: &mut &[u8]) {
        if let Some(text) = self.mark.skip(input) {
            self.line.extend_from_slice(text);
            self.stage = Stage::Line;
        }
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
}
