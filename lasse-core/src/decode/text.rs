//! Bytes as text: UTF-8, with U+FFFD for what is not.

use alloc::string::String;
use alloc::vec::Vec;

/// A text that was cut and is put together here, or that lies in the input
/// whole and is only mended here.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    bytes: Vec<u8>,
    /// How many of `bytes` go before the text.
    skip: usize,
    mended: String,
}

impl Text {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.skip = 0;
    }

    pub(super) fn push(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
    }

    pub(super) fn set(&mut self, text: &[u8]) {
        self.clear();
        self.push(text);
    }

    /// Takes over all of `bytes` but the first `skip`, without copying them,
    /// and leaves an empty buffer in their place.
    pub(super) fn take_over(&mut self, bytes: &mut Vec<u8>, skip: usize) {
        self.clear();
        core::mem::swap(&mut self.bytes, bytes);
        self.skip = skip;
    }

    /// The text: what is `lent`, or what has been put together here.
    #[inline]
    pub(super) fn read<'a>(&'a mut self, lent: Option<&'a [u8]>) -> &'a str {
        let bytes = match lent {
            Some(bytes) => bytes,
            None => self.bytes.get(self.skip..).unwrap_or_default(),
        };
        match utf8(bytes) {
            Some(text) => text,
            None => {
                self.mended = String::from_utf8_lossy(bytes).into_owned();
                &self.mended
            }
        }
    }
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
fn utf8(bytes: &[u8]) -> Option<&str> {
    core::str::from_utf8(bytes).ok()
}

#[cfg(feature = "simdutf8")]
#[inline]
fn utf8(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}
