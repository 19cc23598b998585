//! The byte order mark, which can begin a stream.

/// The byte order mark, as far as it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bom {
    seen: usize,
}

impl Bom {
    /// Takes one byte order mark from the beginning of a stream, as "UTF-8 decode" of
    /// the Encoding standard does. `None` if more input is needed. Otherwise the bytes
    /// that were taken but are text.
    pub(super) fn skip(&mut self, input: &mut &[u8]) -> Option<&'static [u8]> {
        while let Some(expected) = BOM.get(self.seen) {
            let (byte, rest) = input.split_first()?;
            if byte != expected {
                return BOM.get(..self.seen);
            }
            self.seen += 1;
            *input = rest;
        }
        Some(&[])
    }
}

/// U+FEFF in UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";
