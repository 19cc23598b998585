//! The common case: an event that the input has in one piece, with one line of data.

use core::ops::Range;

use super::text::utf8_prefix;
use crate::line::{LineEnding, find_ending, find_near_ending};

/// An event borrowed from the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct WholeEvent<'i> {
    pub(super) name: &'i str,
    pub(super) data: &'i str,
    pub(super) id: Option<&'i str>,
}

/// Why the input does not begin with such an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotWhole {
    /// The input has no end of its first line.
    Cut,
    /// It is cut later, has invalid bytes or more lines of data, or is no event.
    Other,
}

impl<'i> WholeEvent<'i> {
    /// Takes an event of at most `limit` bytes from the beginning of `input`.
    #[inline]
    pub(super) fn take(input: &mut &'i [u8], limit: usize) -> Result<Self, NotWhole> {
        let Some(value) = input.strip_prefix(PLAIN) else {
            return Self::take_fields(input, FieldRanges::default(), limit).ok_or(NotWhole::Other);
        };
        let len = find_ending(value).ok_or(NotWhole::Cut)?;
        let end = PLAIN.len() + len + BLANK.len();
        let is_all = value.get(len..).is_some_and(|after| after.starts_with(BLANK));
        if is_all && end <= limit {
            let data = utf8_prefix(value, len).ok_or(NotWhole::Other)?;
            *input = input.get(end..).unwrap_or_default();
            return Ok(Self { name: "", data, id: None });
        }
        let ranges = FieldRanges::after_plain_data(value, len).ok_or(NotWhole::Other)?;
        Self::take_fields(input, ranges, limit).ok_or(NotWhole::Other)
    }

    /// Takes an event, of which the first ranges are known.
    fn take_fields(input: &mut &'i [u8], mut ranges: FieldRanges, limit: usize) -> Option<Self> {
        ranges.find_end(input)?;
        if ranges.end > limit {
            return None;
        }
        // One call validates all fields: one for each would take longer.
        let text = utf8_prefix(input, ranges.end)?;
        let event = Self {
            name: text.get(ranges.name)?,
            data: text.get(ranges.data?)?,
            id: match ranges.id {
                Some(id) => Some(text.get(id)?),
                None => None,
            },
        };
        *input = input.get(ranges.end..)?;
        Some(event)
    }
}

/// The ranges of an event's values in the input, and its end.
#[derive(Debug, Default)]
struct FieldRanges {
    name: Range<usize>,
    data: Option<Range<usize>>,
    id: Option<Range<usize>>,
    end: usize,
}

impl FieldRanges {
    /// The ranges of an event that begins with a line of plain data of `len` bytes.
    #[inline]
    fn after_plain_data(value: &[u8], len: usize) -> Option<Self> {
        let end = PLAIN.len() + LineEnding::at(value, len)?.next;
        Some(Self { end, data: Some(PLAIN.len()..PLAIN.len() + len), ..Self::default() })
    }

    /// Finds the other fields, up to the blank line.
    fn find_end(&mut self, input: &[u8]) -> Option<()> {
        loop {
            let rest = input.get(self.end..)?;
            if let Some(value) = rest.strip_prefix(ID) {
                let id = self.skip_line(ID, value, find_near_ending(value)?)?;
                // "If the field value contains U+0000 NULL, then ... ignore the field."
                if input.get(id.clone())?.contains(&0) {
                    return None;
                }
                self.id = Some(id);
            } else if let Some(value) = rest.strip_prefix(NAME) {
                self.name = self.skip_line(NAME, value, find_near_ending(value)?)?;
            } else if let Some(value) = rest.strip_prefix(DATA) {
                if self.data.is_some() {
                    return None;
                }
                self.data = Some(self.skip_line(DATA, value, find_ending(value)?)?);
            } else {
                // A CR alone is left to the assembler: a LF in the next input can belong to it.
                self.end += match rest {
                    [b'\n', ..] => 1,
                    [b'\r', b'\n', ..] => 2,
                    _ => return None,
                };
                return Some(());
            }
        }
    }

    /// Skips a line that has `len` bytes after the colon. Returns the range of its
    /// value: these bytes without one space.
    #[inline]
    fn skip_line(&mut self, field: &[u8], value: &[u8], len: usize) -> Option<Range<usize>> {
        let start = self.end + field.len();
        self.end = start + LineEnding::at(value, len)?.next;
        Some(start + usize::from(value.starts_with(b" "))..start + len)
    }
}

/// How data mostly begins.
const PLAIN: &[u8] = b"data: ";

const DATA: &[u8] = b"data:";
const NAME: &[u8] = b"event:";
const ID: &[u8] = b"id:";

/// A line ending and a blank line.
const BLANK: &[u8] = b"\n\n";
