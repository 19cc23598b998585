//! The common case: an event that lies whole in the input, its data on one line.

use core::ops::Range;

use super::text::utf8_prefix;
use crate::line::{Break, first_end, first_near_end};

/// An event as it lies in the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole<'i> {
    pub(super) name: &'i str,
    pub(super) data: &'i str,
    pub(super) id: Option<&'i str>,
}

/// Why an input does not begin with such an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// Its first line does not end there.
    Cut,
    /// It needs something put together, mended, or told before.
    Other,
}

impl<'i> Whole<'i> {
    /// Takes an event of up to `limit` bytes off `input`, if it begins with one.
    #[inline]
    pub(super) fn take(input: &mut &'i [u8], limit: usize) -> Result<Self, Unfit> {
        let Some(value) = input.strip_prefix(PLAIN) else {
            return Self::take_fields(input, Places::default(), limit).ok_or(Unfit::Other);
        };
        let len = first_end(value).ok_or(Unfit::Cut)?;
        let end = PLAIN.len() + len + BLANK.len();
        let is_all = value.get(len..).is_some_and(|after| after.starts_with(BLANK));
        if is_all && end <= limit {
            let data = utf8_prefix(value, len).ok_or(Unfit::Other)?;
            *input = input.get(end..).unwrap_or_default();
            return Ok(Self { name: "", data, id: None });
        }
        let places = Places::of_plain(value, len).ok_or(Unfit::Other)?;
        Self::take_fields(input, places, limit).ok_or(Unfit::Other)
    }

    /// Takes an event of which the first `places` are known.
    fn take_fields(input: &mut &'i [u8], mut places: Places, limit: usize) -> Option<Self> {
        places.find_end(input)?;
        if places.end > limit {
            return None;
        }
        // One call for all fields: the short ones would cost as much as the data.
        let text = utf8_prefix(input, places.end)?;
        let whole = Self {
            name: text.get(places.name)?,
            data: text.get(places.data?)?,
            id: match places.id {
                Some(id) => Some(text.get(id)?),
                None => None,
            },
        };
        *input = input.get(places.end..)?;
        Some(whole)
    }
}

/// Where the fields of an event lie, and where it ends.
#[derive(Debug, Default)]
struct Places {
    name: Range<usize>,
    data: Option<Range<usize>>,
    id: Option<Range<usize>>,
    end: usize,
}

impl Places {
    /// Those of an event whose first line is plain data.
    #[inline]
    fn of_plain(value: &[u8], len: usize) -> Option<Self> {
        let end = PLAIN.len() + Break::at(value, len)?.next;
        Some(Self { end, data: Some(PLAIN.len()..PLAIN.len() + len), ..Self::default() })
    }

    /// Finds the other fields, up to the blank line.
    fn find_end(&mut self, input: &[u8]) -> Option<()> {
        loop {
            let rest = input.get(self.end..)?;
            if let Some(value) = rest.strip_prefix(ID) {
                let id = self.pass(ID, value, first_near_end(value)?)?;
                // "If the field value contains U+0000 NULL, then ... ignore the field."
                if input.get(id.clone())?.contains(&0) {
                    return None;
                }
                self.id = Some(id);
            } else if let Some(value) = rest.strip_prefix(NAME) {
                self.name = self.pass(NAME, value, first_near_end(value)?)?;
            } else if let Some(value) = rest.strip_prefix(DATA) {
                if self.data.is_some() {
                    return None;
                }
                self.data = Some(self.pass(DATA, value, first_end(value)?)?);
            } else {
                // What a CR ends, a LF of the next input may belong to.
                self.end += match rest {
                    [b'\n', ..] => 1,
                    [b'\r', b'\n', ..] => 2,
                    _ => return None,
                };
                return Some(());
            }
        }
    }

    /// Goes past a line, and tells where its value lies, of which `len` bytes come
    /// after the colon: all of them, less one space.
    #[inline]
    fn pass(&mut self, field: &[u8], value: &[u8], len: usize) -> Option<Range<usize>> {
        let start = self.end + field.len();
        self.end = start + Break::at(value, len)?.next;
        Some(start + usize::from(value.starts_with(b" "))..start + len)
    }
}

/// What data mostly begins with.
const PLAIN: &[u8] = b"data: ";

const DATA: &[u8] = b"data:";
const NAME: &[u8] = b"event:";
const ID: &[u8] = b"id:";

/// The end of a line and a blank line.
const BLANK: &[u8] = b"\n\n";
