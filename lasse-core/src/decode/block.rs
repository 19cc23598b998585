//! The fields since the last blank line, put together.

use alloc::vec::Vec;

use super::field::{Field, begun_data};
use super::text::Text;
use crate::line::first_end;

/// The fields since the last blank line, where the input does not hold them in
/// one piece.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    /// What the fields took on the wire; those replaced by later ones included.
    size: usize,
    /// The lines of data, each ended by LF.
    data: Text,
    name: Text,
    id: Option<Vec<u8>>,
    /// A buffer for the next id.
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

    /// Adds a field that took `taken` bytes.
    pub(super) fn take(&mut self, field: Field<'_>, taken: usize) {
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
        self.size += taken;
    }

    /// Adds the lines of data that `input` begins with and that LF ends, for as
    /// long as the block takes no more than `limit` bytes. Says whether a line is
    /// left that does not end there.
    pub(super) fn take_plain_lines(&mut self, input: &mut &[u8], limit: usize) -> bool {
        let mut rest = *input;
        let least = rest.len().saturating_sub(limit.saturating_sub(self.size));
        let is_cut = loop {
            let Some(value) = begun_data(rest) else { break false };
            let Some(end) = first_end(value) else { break true };
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

    /// Adds a piece of a line of data that took `taken` bytes.
    pub(super) fn push_data(&mut self, piece: &[u8], taken: usize) {
        self.data.push(piece);
        self.size += taken;
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
