//! The byte order mark, which may stand before a stream.

/// A byte order mark, as far as it was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    seen: usize,
}

impl Mark {
    /// Takes the mark off the beginning of a stream: one, as UTF-8 decoding in
    /// the sense of the Encoding standard does. `None` if that is not settled
    /// yet; else what was taken for a mark and is text.
    pub(super) fn skip(&mut self, input: &mut &[u8]) -> Option<&'static [u8]> {
        while let Some(expected) = MARK.get(self.seen) {
            let (byte, rest) = input.split_first()?;
            if byte != expected {
                return MARK.get(..self.seen);
            }
            self.seen += 1;
            *input = rest;
        }
        Some(&[])
    }
}

/// U+FEFF in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
