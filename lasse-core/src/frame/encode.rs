//! Encodes fields as lines.

use alloc::vec::Vec;
use core::time::Duration;

use bytes::{BufMut, BytesMut};
use memchr::{memchr, memchr_iter};

use super::Frame;
use crate::line::{is_plain_line, lines, split_line, split_near_line};

/// The fields of a frame, in the order in which they are written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) comment: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    pub(crate) data: Option<&'a str>,
    pub(crate) retry: Option<Duration>,
    pub(crate) id: Option<&'a str>,
}

impl<'a> Fields<'a> {
    pub(crate) fn encode(&self) -> Frame {
        let data = self.data.map(Text::of_str);
        let mut out = Vec::with_capacity(self.len_with(data));
        self.put_with(data, &mut out);
        Frame(out.into())
    }

    #[inline]
    pub(crate) fn put(&self, out: &mut impl BufMut) {
        self.put_with(self.data.map(Text::of_str), out);
    }

    /// Appends an event that has only data, as most have: without a look for other fields. Data of
    /// one line is apart, because it needs fewer registers.
    #[inline(never)]
    pub(crate) fn put_data(data: &str, out: &mut BytesMut) {
        let data = data.as_bytes();
        if !is_plain_line(data) {
            return Self::put_split_data(data, out);
        }
        out.reserve(data.len() + ROOM);
        out.put_slice(DATA.first());
        out.put_slice(data);
        out.put_slice(b"\n\n");
    }

    #[inline(never)]
    fn put_split_data(data: &[u8], out: &mut BytesMut) {
        out.reserve(data.len() + ROOM);
        DATA.put_text(Text::split(data), &mut false, out);
        out.put_slice(b"\n\n");
    }

    pub(crate) fn encoded_len(&self) -> usize {
        self.len_with(self.data.map(Text::of_str))
    }

    /// At least the length of the frame if all fields are one line, without a search
    /// for line endings.
    #[inline]
    pub(crate) fn len_hint(&self) -> usize {
        let len = |text: Option<&str>| text.map_or(0, str::len);
        ROOM + len(self.comment) + len(self.name) + len(self.data) + len(self.id)
    }

    /// At most the length of the frame, without a search for line endings: each byte
    /// can be one, and begin a line.
    pub(crate) fn len_bound(&self) -> usize {
        self.len_hint() * DATA.len()
    }

    /// Takes the data apart from the other fields: it is searched only once, for its
    /// length and for its lines.
    #[inline]
    fn put_with(&self, data: Option<Text<'a>>, out: &mut impl BufMut) {
        let mut has_line = false;
        if let Some(text) = self.comment {
            COMMENT.put_cold(text.as_bytes(), &mut has_line, out);
        }
        if let Some(name) = self.name {
            NAME.put_line(name.as_bytes(), &mut has_line, out);
        }
        if let Some(text) = data {
            DATA.put_text(text, &mut has_line, out);
        }
        if let Some(delay) = self.retry {
            RETRY.put_cold(Digits::of_millis(delay).as_bytes(), &mut has_line, out);
        }
        if let Some(id) = self.id {
            ID.put_line(id.as_bytes(), &mut has_line, out);
        }
        if self.ends_with_blank_line() {
            out.put_slice(b"\n\n");
        } else if has_line {
            out.put_slice(b"\n");
        }
    }

    #[inline]
    fn len_with(&self, data: Option<Text<'a>>) -> usize {
        self.comment.map_or(0, |text| COMMENT.len_of_text(Text::of_str(text)))
            + self.name.map_or(0, |name| NAME.len() + name.len())
            + data.map_or(0, |text| DATA.len_of_text(text))
            + self.retry.map_or(0, |delay| RETRY.len() + Digits::of_millis(delay).as_bytes().len())
            + self.id.map_or(0, |id| ID.len() + id.len())
            + usize::from(self.ends_with_blank_line())
    }

    /// A comment and `retry` need no blank line. Some clients dispatch an empty event
    /// at one.
    fn ends_with_blank_line(&self) -> bool {
        self.name.is_some() || self.data.is_some() || self.id.is_some()
    }
}

/// A text, split at its first line ending. Most have none.
#[derive(Clone, Copy)]
struct Text<'a> {
    line: &'a [u8],
    rest: Option<&'a [u8]>,
}

impl<'a> Text<'a> {
    #[inline]
    fn of_str(text: &'a str) -> Self {
        Self::new(text.as_bytes())
    }

    #[inline]
    fn new(text: &'a [u8]) -> Self {
        if is_plain_line(text) { Self { line: text, rest: None } } else { Self::split(text) }
    }

    /// The same, for a text that can have a line ending.
    #[inline]
    fn split(text: &'a [u8]) -> Self {
        match split_line(text) {
            Some((line, rest)) => Self { line, rest: Some(rest) },
            None => Self { line: text, rest: None },
        }
    }
}

/// A field's name and separator, after the LF of the line before. The compiler knows
/// its length and writes it with one or two moves instead of a call.
#[derive(Clone, Copy)]
struct Field<const N: usize>([u8; N]);

impl<const N: usize> Field<N> {
    /// The length of a line without its value: name, separator and LF.
    fn len(self) -> usize {
        N
    }

    /// Writes a line without its LF, which the next line begins with. Sets that there is a line.
    #[inline]
    fn put_line(self, line: &[u8], has_line: &mut bool, out: &mut impl BufMut) {
        if core::mem::replace(has_line, true) {
            out.put_slice(&self.0);
        } else {
            out.put_slice(self.first());
        }
        out.put_slice(line);
    }

    #[inline]
    fn put_text(self, text: Text<'_>, has_line: &mut bool, out: &mut impl BufMut) {
        self.put_line(text.line, has_line, out);
        if let Some(rest) = text.rest {
            self.put_lines(rest, out);
        }
    }

    /// Not inlined, since most events have no such field.
    #[cold]
    fn put_cold(self, text: &[u8], has_line: &mut bool, out: &mut impl BufMut) {
        self.put_text(Text::new(text), has_line, out);
    }

    #[inline(never)]
    fn put_lines(self, text: &[u8], out: &mut impl BufMut) {
        out.put_slice(&self.0);
        let mut rest = text;
        while let Some((line, after)) = split_near_line(rest) {
            out.put_slice(line);
            out.put_slice(&self.0);
            rest = after;
        }
        out.put_slice(rest);
    }

    fn len_of_text(self, text: Text<'_>) -> usize {
        N + text.line.len() + text.rest.map_or(0, |rest| self.len_of_lines(rest))
    }

    fn len_of_lines(self, text: &[u8]) -> usize {
        match memchr(b'\r', text) {
            None => {
                let line_feeds = memchr_iter(b'\n', text).count();
                text.len() - line_feeds + (line_feeds + 1) * N
            }
            Some(_) => lines(text).map(|line| line.len() + N).sum(),
        }
    }

    /// Name and separator without the LF of the line before.
    #[inline]
    fn first(&self) -> &[u8] {
        self.0.get(1..).unwrap_or_default()
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

/// At least the bytes of a frame beside its values, if each is one line.
const ROOM: usize = 64;

const COMMENT: Field<3> = Field(*b"\n: ");
const NAME: Field<8> = Field(*b"\nevent: ");
const DATA: Field<7> = Field(*b"\ndata: ");
const RETRY: Field<8> = Field(*b"\nretry: ");
const ID: Field<5> = Field(*b"\nid: ");

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn digits_are_decimal() {
        for number in [0, 9, 10, 12345, u64::MAX] {
            assert_eq!(Digits::of(number).as_bytes(), number.to_string().as_bytes());
        }
    }

    #[test]
    fn the_length_is_that_of_the_encoded_bytes() {
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
