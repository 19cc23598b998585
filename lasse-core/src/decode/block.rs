//! The fields since the last blank line.

use alloc::vec::Vec;

use super::field::{Field, partial_data};
use super::text::TextBuffer;
use crate::line::find_ending;

/// The fields since the last blank line, copied from inputs that did not have them in one piece.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    /// The encoded size of all fields, including those that later ones replaced.
    size: usize,
    /// The lines of data, each with LF.
    data: TextBuffer,
    name: TextBuffer,
    id: Option<Vec<u8>>,
    /// An unused buffer for the next id.
    spare: Vec<u8>,
}

impl Block {
    pub(super) fn is_empty(&self) -> bool {
        self.size == 0
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn id(&self) -> Option<&[u8]> {
        self.id.as_deref()
    }

    pub(super) fn has_data(&self) -> bool {
        !self.data.is_empty()
    }

    /// Adds a field of `size` encoded bytes.
    pub(super) fn add(&mut self, field: Field<'_>, size: usize) {
        match field {
            Field::Data(value) => self.data.push_line(value),
            Field::Name(value) => self.name.set(value),
            Field::Id(value) => {
                let mut id = self.id.take().unwrap_or_else(|| core::mem::take(&mut self.spare));
                id.clear();
                id.extend_from_slice(value);
                self.id = Some(id);
            }
            Field::Retry(_) | Field::Comment(_) | Field::Other => return,
        }
        self.size += size;
    }

    /// Adds the lines of data at the beginning of `input` that end with LF, up to a
    /// size of `limit` bytes. Returns whether the next line has no ending in `input`.
    pub(super) fn add_plain_lines(&mut self, input: &mut &[u8], limit: usize) -> bool {
        let mut rest = *input;
        let least = rest.len().saturating_sub(limit.saturating_sub(self.size));
        let is_cut = loop {
            let Some(value) = partial_data(rest) else { break false };
            let Some(end) = find_ending(value) else { break true };
            let Some((line, after)) = value.split_at_checked(end + 1) else { break false };
            if !line.ends_with(b"\n") || after.len() < least {
                break false;
            }
            self.data.push_prefix(value, line.len());
            rest = after;
        };
        self.size += input.len() - rest.len();
        *input = rest;
        is_cut
    }

    /// Adds a piece of a line of data, of `size` encoded bytes.
    pub(super) fn push_data(&mut self, piece: &[u8], size: usize) {
        self.data.push(piece);
        self.size += size;
    }

    /// Adds a byte of a line of data.
    #[inline]
    pub(super) fn push_byte(&mut self, byte: u8) {
        self.data.push_byte(byte);
        self.size += 1;
    }

    /// Adds the last piece of a line of data.
    pub(super) fn end_data(&mut self, piece: &[u8]) {
        self.data.push_line(piece);
        self.size += piece.len() + 1;
    }

    /// The name and the data.
    pub(super) fn read(&mut self) -> (&str, &str) {
        (self.name.read(), self.data.read_lines())
    }

    pub(super) fn clear(&mut self) {
        self.size = 0;
        self.data.clear();
        self.name.clear();
        if let Some(id) = self.id.take() {
            self.spare = id;
        }
    }
}
