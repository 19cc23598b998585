//! Bytes as UTF-8 text, with U+FFFD for invalid sequences.

use alloc::string::String;
use alloc::vec::Vec;

/// A text assembled from pieces, before it is valid UTF-8.
#[derive(Clone, Debug, Default)]
pub(super) struct TextBuffer {
    bytes: Vec<u8>,
    replaced: String,
}

impl TextBuffer {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    pub(super) fn set(&mut self, text: &[u8]) {
        self.clear();
        self.bytes.extend_from_slice(text);
    }

    #[inline]
    pub(super) fn push(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
    }

    /// Adds the first `len` bytes of `text`. To copy a few bytes too many costs less
    /// than a call that copies the right number.
    #[inline]
    pub(super) fn push_prefix(&mut self, text: &[u8], len: usize) {
        match text.first_chunk::<SMALL>() {
            Some(chunk) if len <= SMALL => {
                let end = self.bytes.len() + len;
                self.bytes.extend_from_slice(chunk);
                self.bytes.truncate(end);
            }
            _ => self.bytes.extend_from_slice(text.get(..len).unwrap_or(text)),
        }
    }

    #[inline]
    pub(super) fn push_byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Adds a line or the rest of one, and LF.
    pub(super) fn push_line(&mut self, line: &[u8]) {
        self.bytes.reserve(line.len() + 1);
        self.bytes.extend_from_slice(line);
        self.bytes.push(b'\n');
    }

    /// `bytes` as text, copied only if they are invalid.
    #[inline]
    pub(super) fn convert<'a>(&'a mut self, bytes: &'a [u8]) -> &'a str {
        to_text(bytes, &mut self.replaced)
    }

    /// The whole text.
    #[inline]
    pub(super) fn read(&mut self) -> &str {
        if self.bytes.is_empty() {
            return "";
        }
        to_text(&self.bytes, &mut self.replaced)
    }

    /// The text without its last LF.
    pub(super) fn read_lines(&mut self) -> &str {
        let bytes = self.bytes.as_slice();
        to_text(bytes.strip_suffix(b"\n").unwrap_or(bytes), &mut self.replaced)
    }
}

/// `bytes` as text: in place if they are valid, else in `replaced`.
#[inline]
pub(super) fn to_text<'a>(bytes: &'a [u8], replaced: &'a mut String) -> &'a str {
    match utf8(bytes) {
        Some(text) => text,
        None => replace_invalid(bytes, replaced),
    }
}

#[cold]
fn replace_invalid<'a>(bytes: &[u8], replaced: &'a mut String) -> &'a str {
    *replaced = String::from_utf8_lossy(bytes).into_owned();
    replaced
}

/// Sets `target` to `bytes` as text.
pub(super) fn write(target: &mut String, bytes: &[u8]) {
    target.clear();
    match utf8(bytes) {
        Some(text) => target.push_str(text),
        None => target.push_str(&String::from_utf8_lossy(bytes)),
    }
}

/// The first `len` bytes of `input`, if they are valid.
#[cfg(not(feature = "simdutf8"))]
#[inline]
pub(super) fn utf8_prefix(input: &[u8], len: usize) -> Option<&str> {
    utf8(input.get(..len)?)
}

/// The first `len` bytes of `input`, if they are valid.
///
/// A partial block takes longer to validate than a full one, so the bytes after
/// them are validated too if they fill the block.
#[cfg(feature = "simdutf8")]
#[inline]
pub(super) fn utf8_prefix(input: &[u8], len: usize) -> Option<&str> {
    let end = len.div_ceil(BLOCK) * BLOCK;
    let is_boundary = input.get(end).is_some_and(|byte| byte & 0xc0 != 0x80);
    let blocks = if is_boundary { input.get(..end).and_then(utf8) } else { None };
    match blocks {
        Some(text) => text.get(..len),
        None => utf8(input.get(..len)?),
    }
}

#[cfg(not(feature = "simdutf8"))]
#[inline]
pub(super) fn utf8(bytes: &[u8]) -> Option<&str> {
    core::str::from_utf8(bytes).ok()
}

#[cfg(feature = "simdutf8")]
#[inline]
pub(super) fn utf8(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

/// How many bytes are validated at once.
#[cfg(feature = "simdutf8")]
const BLOCK: usize = 64;

/// Up to how many bytes are copied without a call.
const SMALL: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_prefix_is_found_at_any_length() {
        let input = ["\u{e4}".repeat(40), "b".repeat(100)].concat().into_bytes();
        for len in 0..=input.len() {
            let text = core::str::from_utf8(&input[..len]).ok();
            assert_eq!(utf8_prefix(&input, len), text, "{len}");
        }
    }

    #[test]
    fn the_bytes_after_a_prefix_do_not_matter() {
        for after in [b"\xff".repeat(100), b"\x80".repeat(100), "\u{20ac}".repeat(40).into_bytes()]
        {
            let input = ["\u{e4}bc".as_bytes(), &after].concat();
            assert_eq!(utf8_prefix(&input, 4), Some("\u{e4}bc"));
            assert_eq!(utf8_prefix(&input, 1), None);
        }
    }
}
