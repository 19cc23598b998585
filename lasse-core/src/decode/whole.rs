//! The common case: an event that lies whole in the input, its data on one line.

use core::ops::Range;

use super::field::Field;
use super::text::utf8;
use crate::line::{Break, first_break, first_near_break};

/// An event as it lies in the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole<'i> {
    pub(super) name: &'i str,
    pub(super) data: &'i str,
    pub(super) id: Option<&'i str>,
}

/// What an input begins with.
pub(super) enum Beginning<'i> {
    Whole(Whole<'i>),
    /// Data that does not end there.
    Cut,
    /// What needs something put together, mended, or told before.
    Other,
}

impl<'i> Beginning<'i> {
    /// Takes an event of up to `limit` bytes off `input`, if it begins with a
    /// whole one.
    #[inline]
    pub(super) fn take(input: &mut &'i [u8], limit: usize) -> Self {
        let places = match input.strip_prefix(DATA) {
            None => Places::of_fields(input),
            Some(value) => match first_break(value) {
                None => return Self::Cut,
                Some(found) => Places::of_data(value, found).or_else(|| Places::of_fields(input)),
            },
        };
        match places.and_then(|places| Whole::take(input, limit, places)) {
            Some(whole) => Self::Whole(whole),
            None => Self::Other,
        }
    }
}

impl<'i> Whole<'i> {
    #[inline]
    fn take(input: &mut &'i [u8], limit: usize, places: Places) -> Option<Self> {
        let (event, rest) = input.split_at_checked(places.end)?;
        if event.len() > limit {
            return None;
        }
        // One call for all fields: the short ones would cost as much as the data.
        let text = utf8(event)?;
        let whole = Self {
            name: text.get(places.name)?,
            data: text.get(places.data)?,
            id: match places.id {
                Some(id) => Some(text.get(id)?),
                None => None,
            },
        };
        *input = rest;
        Some(whole)
    }
}

/// Where the fields of an event lie, and where it ends.
#[derive(Debug, Default)]
struct Places {
    name: Range<usize>,
    data: Range<usize>,
    id: Option<Range<usize>>,
    end: usize,
}

impl Places {
    /// An event that is one line of data, of which `value` is the rest.
    #[inline]
    fn of_data(value: &[u8], found: Break) -> Option<Self> {
        let data = DATA.len()..DATA.len() + found.end;
        let is_all = value.get(found.end..found.end + 2)? == b"\n\n";
        is_all.then_some(Self { end: data.end + 2, data, ..Self::default() })
    }

    /// An event of any fields but a second line of data.
    fn of_fields(input: &[u8]) -> Option<Self> {
        let mut places = Self::default();
        let mut data = None;
        loop {
            let start = places.end;
            let rest = input.get(start..)?;
            if let [b'\n', ..] = rest {
                places.end += 1;
                break;
            }
            let is_long = rest.starts_with(DATA);
            let found = if is_long { first_break(rest)? } else { first_near_break(rest)? };
            let (line, after) = (rest.get(..found.end)?, rest.get(found.next..)?);
            // What a CR at the very end ends is not yet known.
            if found.is_cr && after.is_empty() {
                return None;
            }
            places.end = start + found.next;
            let place = |value: &[u8]| start + line.len() - value.len()..start + line.len();
            match Field::of(line) {
                Field::Data(value) if data.is_none() => data = Some(place(value)),
                Field::Name(value) => places.name = place(value),
                Field::Id(value) => places.id = Some(place(value)),
                _ if line.is_empty() => break,
                _ => return None,
            }
        }
        Some(Self { data: data?, ..places })
    }
}

const DATA: &[u8] = b"data: ";
