//! The fields since the last blank line, put together.

use alloc::vec::Vec;

use super::field::Field;
use super::text::Text;
use crate::line::first_break;

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

    /// Adds the lines of data that `input` begins with, for as long as the block
    /// takes no more than `limit` bytes. What is not plain is left: another
    /// field, an ending that is not LF. Says whether a line is left that does not
    /// end there.
    pub(super) fn take_plain_lines(&mut self, input: &mut &[u8], limit: usize) -> bool {
        while let Some(value) = input.strip_prefix(DATA) {
            let end = match value {
                [b'\n', ..] => 0,
                _ => match first_break(value) {
                    Some(found) => found.end,
                    None => return true,
                },
            };
            let Some((line, rest)) = value.split_at_checked(end + 1) else { break };
            let size = self.size + DATA.len() + line.len();
            if !line.ends_with(b"\n") || size > limit {
                break;
            }
            self.size = size;
            self.data.push(line);
            *input = rest;
        }
        false
    }

    /// Adds the data that `line` holds from `skip` on. A first line is not
    /// copied: its buffer is taken, and an empty one left.
    pub(super) fn take_data(&mut self, line: &mut Vec<u8>, skip: usize) {
        self.size += line.len() + 1;
        if self.data.is_empty() {
            self.data.take_over(line, skip);
        } else {
            self.data.push_line(line.get(skip..).unwrap_or_default());
        }
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

const DATA: &[u8] = b"data: ";
