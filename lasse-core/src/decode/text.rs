//! Bytes as text: UTF-8, with U+FFFD for what is not.

use alloc::string::String;
use alloc::vec::Vec;

/// A text that was cut and is put together here.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    bytes: Vec<u8>,
    mended: String,
}

impl Text {
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

    /// Adds the first `len` bytes of `text`. To copy a few too many takes less than
    /// a call that copies as many as it must.
    #[inline]
    pub(super) fn push_prefix(&mut self, text: &[u8], len: usize) {
        match text.first_chunk::<FEW>() {
            Some(few) if len <= FEW => {
                let end = self.bytes.len() + len;
                self.bytes.extend_from_slice(few);
                self.bytes.truncate(end);
            }
            _ => self.bytes.extend_from_slice(text.get(..len).unwrap_or(text)),
        }
    }

    #[inline]
    pub(super) fn push_byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Adds a line, or the rest of one, and a LF.
    pub(super) fn push_line(&mut self, line: &[u8]) {
        self.bytes.reserve(line.len() + 1);
        self.bytes.extend_from_slice(line);
        self.bytes.push(b'\n');
    }

    /// The text that `bytes` are, which are mended here if they must be.
    #[inline]
    pub(super) fn lend<'a>(&'a mut self, bytes: &'a [u8]) -> &'a str {
        lossy(bytes, &mut self.mended)
    }

    /// The text as a whole.
    #[inline]
    pub(super) fn read(&mut self) -> &str {
        if self.bytes.is_empty() {
            return "";
        }
        lossy(&self.bytes, &mut self.mended)
    }

    /// The text without its last LF.
    pub(super) fn read_lines(&mut self) -> &str {
        let bytes = self.bytes.as_slice();
        lossy(bytes.strip_suffix(b"\n").unwrap_or(bytes), &mut self.mended)
    }
}

/// The text that `bytes` are, or are in `mended`.
#[inline]
pub(super) fn lossy<'a>(bytes: &'a [u8], mended: &'a mut String) -> &'a str {
    match utf8(bytes) {
        Some(text) => text,
        None => mend(bytes, mended),
    }
}

#[cold]
fn mend<'a>(bytes: &[u8], mended: &'a mut String) -> &'a str {
    *mended = String::from_utf8_lossy(bytes).into_owned();
    mended
}

/// Sets `target` to the text that `bytes` are.
pub(super) fn write(target: &mut String, bytes: &[u8]) {
    target.clear();
    match utf8(bytes) {
        Some(text) => target.push_str(text),
        None => target.push_str(&String::from_utf8_lossy(bytes)),
    }
}

/// The text that the first `len` bytes of `input` are.
#[cfg(not(feature = "simdutf8"))]
#[inline]
pub(super) fn utf8_prefix(input: &[u8], len: usize) -> Option<&str> {
    utf8(input.get(..len)?)
}

/// The text that the first `len` bytes of `input` are.
///
/// A block that is not full takes longer than a full one. So what comes next is
/// looked at as well, if there is enough of it.
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

/// How many bytes are validated at once, if there are as many.
#[cfg(feature = "simdutf8")]
const BLOCK: usize = 64;

/// How many bytes are copied without a call.
const FEW: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_at_the_beginning_of_any_other() {
        let input = ["\u{e4}".repeat(40), "b".repeat(100)].concat().into_bytes();
        for len in 0..=input.len() {
            let text = core::str::from_utf8(&input[..len]).ok();
            assert_eq!(utf8_prefix(&input, len), text, "{len}");
        }
    }

    #[test]
    fn a_text_is_judged_by_its_own_bytes_alone() {
        for after in [b"\xff".repeat(100), b"\x80".repeat(100), "\u{20ac}".repeat(40).into_bytes()]
        {
            let input = ["\u{e4}bc".as_bytes(), &after].concat();
            assert_eq!(utf8_prefix(&input, 4), Some("\u{e4}bc"));
            assert_eq!(utf8_prefix(&input, 1), None);
        }
    }
}
