//! Bytes as text: UTF-8, with U+FFFD for what is not.

use alloc::string::String;
use alloc::vec::Vec;

/// A text that was cut and is put together here.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    bytes: Vec<u8>,
    /// How many of `bytes` go before the text.
    skip: usize,
    mended: String,
}

impl Text {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.skip = 0;
    }

    pub(super) fn set(&mut self, text: &[u8]) {
        self.clear();
        self.bytes.extend_from_slice(text);
    }

    pub(super) fn push(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
    }

    /// Adds a line and a LF.
    pub(super) fn push_line(&mut self, line: &[u8]) {
        self.bytes.reserve(line.len() + 1);
        self.bytes.extend_from_slice(line);
        self.bytes.push(b'\n');
    }

    /// Takes over all of `line` but the first `skip` bytes, without copying it,
    /// adds a LF, and leaves an empty buffer in its place.
    pub(super) fn take_over(&mut self, line: &mut Vec<u8>, skip: usize) {
        self.clear();
        core::mem::swap(&mut self.bytes, line);
        self.bytes.push(b'\n');
        self.skip = skip;
    }

    /// The text that `bytes` are, which are mended here if they must be.
    #[inline]
    pub(super) fn lend<'a>(&'a mut self, bytes: &'a [u8]) -> &'a str {
        lossy(bytes, &mut self.mended)
    }

    /// The text as a whole.
    pub(super) fn read(&mut self) -> &str {
        let bytes = self.bytes.get(self.skip..).unwrap_or_default();
        lossy(bytes, &mut self.mended)
    }

    /// The text without its last LF.
    pub(super) fn read_lines(&mut self) -> &str {
        let bytes = self.bytes.get(self.skip..).unwrap_or_default();
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
