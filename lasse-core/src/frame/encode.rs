//! The encoding itself: fields in, lines out.

use alloc::vec::Vec;
use core::time::Duration;

use bytes::BufMut;
use memchr::{memchr, memchr_iter};

use super::Frame;
use crate::line::{first_break, lines};

/// The fields of a frame, all optional, in the order in which they are written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) comment: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    pub(crate) data: Option<&'a str>,
    pub(crate) retry: Option<Duration>,
    pub(crate) id: Option<&'a str>,
}

impl Fields<'_> {
    pub(crate) fn encode(&self) -> Frame {
        let mut out = Vec::with_capacity(self.encoded_len());
        self.put(&mut out);
        Frame(out.into())
    }

    pub(crate) fn put(&self, out: &mut impl BufMut) {
        if let Some(text) = self.comment {
            put_lines(out, COMMENT, text);
        }
        if let Some(name) = self.name {
            put_line(out, NAME, name.as_bytes());
        }
        if let Some(text) = self.data {
            put_lines(out, DATA, text);
        }
        if let Some(delay) = self.retry {
            put_line(out, RETRY, Digits::of_millis(delay).as_bytes());
        }
        if let Some(id) = self.id {
            put_line(out, ID, id.as_bytes());
        }
        if self.ends_with_blank_line() {
            out.put_slice(b"\n");
        }
    }

    pub(crate) fn encoded_len(&self) -> usize {
        self.comment.map_or(0, |text| lines_len(COMMENT, text))
            + self.name.map_or(0, |name| NAME.len() + name.len())
            + self.data.map_or(0, |text| lines_len(DATA, text))
            + self.retry.map_or(0, |delay| RETRY.len() + Digits::of_millis(delay).as_bytes().len())
            + self.id.map_or(0, |id| ID.len() + id.len())
            + usize::from(self.ends_with_blank_line())
    }

    /// At least what a frame of one-line fields takes, known without looking
    /// for line endings.
    pub(crate) fn len_hint(&self) -> usize {
        let texts = [self.comment, self.name, self.data, self.id];
        64 + texts.iter().flatten().map(|text| text.len()).sum::<usize>()
    }

    /// At most what a frame of these fields takes, known without looking for
    /// line endings: each byte may be one, and begin a line.
    pub(crate) fn len_bound(&self) -> usize {
        self.len_hint() * DATA.len()
    }

    /// A comment and a retry act at their own line; all else waits for a blank
    /// one. After a mere comment some clients take a blank line for an event.
    fn ends_with_blank_line(&self) -> bool {
        self.name.is_some() || self.data.is_some() || self.id.is_some()
    }
}

fn put_lines(out: &mut impl BufMut, field: Field, text: &str) {
    out.put_slice(field.first());
    let mut rest = text.as_bytes();
    while let Some(found) = first_break(rest) {
        let (line, after) = (rest.get(..found.end), rest.get(found.next..));
        out.put_slice(line.unwrap_or_default());
        out.put_slice(field.0);
        rest = after.unwrap_or_default();
    }
    out.put_slice(rest);
    out.put_slice(b"\n");
}

fn put_line(out: &mut impl BufMut, field: Field, line: &[u8]) {
    out.put_slice(field.first());
    out.put_slice(line);
    out.put_slice(b"\n");
}

fn lines_len(field: Field, text: &str) -> usize {
    let text = text.as_bytes();
    match memchr(b'\r', text) {
        None => {
            let line_feeds = memchr_iter(b'\n', text).count();
            text.len() - line_feeds + (line_feeds + 1) * field.len()
        }
        Some(_) => lines(text).map(|line| line.len() + field.len()).sum(),
    }
}

/// A field's name and what separates it from its value, after the line feed
/// that ends the line before.
#[derive(Clone, Copy)]
struct Field(&'static [u8]);

impl Field {
    /// The field's beginning where no line goes before it.
    fn first(self) -> &'static [u8] {
        self.0.get(1..).unwrap_or_default()
    }

    /// What a line takes beyond its value: the beginning and one line feed.
    fn len(self) -> usize {
        self.0.len()
    }
}

/// A number in decimal.
pub(crate) struct Digits {
    bytes: [u8; 20],
    start: usize,
}

impl Digits {
    pub(crate) fn of(mut number: u64) -> Self {
        let mut digits = Self { bytes: [b'0'; 20], start: 20 };
        for byte in digits.bytes.iter_mut().rev() {
            *byte = b'0' + (number % 10) as u8;
            number /= 10;
            digits.start -= 1;
            if number == 0 {
                break;
            }
        }
        digits
    }

    fn of_millis(delay: Duration) -> Self {
        Self::of(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

const COMMENT: Field = Field(b"\n: ");
const NAME: Field = Field(b"\nevent: ");
const DATA: Field = Field(b"\ndata: ");
const RETRY: Field = Field(b"\nretry: ");
const ID: Field = Field(b"\nid: ");

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn digits_are_those_of_the_number() {
        for number in [0, 9, 10, 12345, u64::MAX] {
            assert_eq!(Digits::of(number).as_bytes(), number.to_string().as_bytes());
        }
    }

    #[test]
    fn the_length_is_known_before_the_bytes_are_written() {
        for text in ["", "a", "a\nb", "a\r\nb\rc\n", "\r", "\n\r\n", "\r\r\n\n"] {
            let fields = Fields {
                comment: Some(text),
                data: Some(text),
                id: Some("7"),
                ..Fields::default()
            };
            assert_eq!(fields.encode().len(), fields.encoded_len(), "{text:?}");
        }
    }
}
