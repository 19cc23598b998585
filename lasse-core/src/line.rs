//! Line endings: the one place that knows them.

use memchr::memchr2;

/// Splits a stream that comes in pieces into lines.
///
/// A CR at the very end of a piece ends its line at once; what is remembered is
/// that a LF at the beginning of the next piece ends nothing more.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Splitter {
    after_cr: bool,
}

impl Splitter {
    /// Takes the next line off `input`, and its ending with it. `None` if no
    /// line ends there: what is left of `input` then begins one.
    #[inline]
    pub(crate) fn split<'i>(&mut self, input: &mut &'i [u8]) -> Option<&'i [u8]> {
        self.split_at(input, first_near_end)
    }

    /// The same as [`split`](Self::split), for a line that is likely to be long.
    #[inline]
    pub(crate) fn split_long<'i>(&mut self, input: &mut &'i [u8]) -> Option<&'i [u8]> {
        self.split_at(input, first_end)
    }

    #[inline]
    fn split_at<'i>(
        &mut self,
        input: &mut &'i [u8],
        find: impl FnOnce(&[u8]) -> Option<usize>,
    ) -> Option<&'i [u8]> {
        if self.after_cr {
            self.skip_second_half(input);
        }
        let found = Break::at(input, find(input)?)?;
        let (line, rest) = (input.get(..found.end)?, input.get(found.next..)?);
        self.after_cr = found.is_cr && rest.is_empty();
        *input = rest;
        Some(line)
    }

    /// Whether the next piece may begin with the second half of a CR LF.
    #[inline]
    pub(crate) fn is_within_pair(self) -> bool {
        self.after_cr
    }

    fn skip_second_half(&mut self, input: &mut &[u8]) {
        if let Some((first, rest)) = input.split_first() {
            self.after_cr = false;
            if *first == b'\n' {
                *input = rest;
            }
        }
    }
}

/// Whether `byte` ends a line, perhaps with the next one.
#[inline]
pub(crate) fn is_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// Where the first line of `text` ends; `None` if no line ends here. An empty
/// one is told at a glance.
#[inline]
pub(crate) fn first_end(text: &[u8]) -> Option<usize> {
    if text.starts_with(b"\n") { Some(0) } else { memchr2(b'\r', b'\n', text) }
}

/// The same as [`first_end`], for where lines are short: a look at the first few
/// bytes costs less than a call of memchr.
#[inline]
pub(crate) fn first_near_end(text: &[u8]) -> Option<usize> {
    let mut far = 0;
    while far < NEAR {
        let rest = text.get(far..)?;
        let Some(word) = rest.first_chunk() else {
            return rest.iter().position(|byte| is_end(*byte)).map(|end| far + end);
        };
        let ends = ends_in_word(u64::from_le_bytes(*word));
        if ends != 0 {
            return Some(far + ends.trailing_zeros() as usize / 8);
        }
        far += 8;
    }
    memchr2(b'\r', b'\n', text.get(far..)?).map(|end| far + end)
}

/// Whether `text` is short and no line ends in it. Only to say so takes less than
/// to say where.
#[inline]
pub(crate) fn is_short_line(text: &[u8]) -> bool {
    let is_short = text.len() <= SHORT;
    let Some(last) = text.last_chunk().filter(|_| is_short) else { return false };
    let mut rest = text;
    while let Some((block, after)) = rest.split_first_chunk() {
        if holds_end(block) {
            return false;
        }
        rest = after;
    }
    !holds_end(last)
}

/// Without a branch, so that a compiler can look at all bytes at once.
#[inline]
fn holds_end(block: &[u8; 16]) -> bool {
    block.iter().fold(0, |has, byte| has | u8::from(*byte == b'\n') | u8::from(*byte == b'\r')) != 0
}

/// The place of a line ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Break {
    /// The offset of the line ending, hence the length of the line.
    pub(crate) end: usize,
    /// The offset of what follows the line ending.
    pub(crate) next: usize,
    /// Whether it is a CR alone, which a LF may yet make a pair if `text` ends
    /// here.
    pub(crate) is_cr: bool,
}

impl Break {
    /// The line ending at the offset `end`.
    ///
    /// LF, CR LF and CR each end a line (HTML, "Parsing an event stream"). A CR at
    /// the very end of `text` ends the line by itself: a [`Splitter`] drops the LF
    /// that may follow.
    #[inline]
    pub(crate) fn at(text: &[u8], end: usize) -> Option<Self> {
        let (is_cr, len) = match text.get(end..)? {
            [b'\r', b'\n', ..] => (false, 2),
            [b'\r', ..] => (true, 1),
            _ => (false, 1),
        };
        Some(Self { end, next: end + len, is_cr })
    }
}

/// The highest bit of the lowest byte that ends a line, and perhaps of others
/// above it.
#[inline]
fn ends_in_word(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let (lf, cr) = (word ^ (ONES * 0x0a), word ^ (ONES * 0x0d));
    let zero_in = |word: u64| word.wrapping_sub(ONES) & !word;
    (zero_in(lf) | zero_in(cr)) & (ONES << 7)
}

/// The first line of `text`, and what comes after its ending; `None` if no line
/// ends here. An empty line is told at a glance.
#[inline]
pub(crate) fn split_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if let [b'\n', rest @ ..] = text {
        return Some((&[], rest));
    }
    let found = Break::at(text, first_end(text)?)?;
    Some((text.get(..found.end)?, text.get(found.next..)?))
}

/// The lines of `text`, of which there is always one: unlike [`str::lines`], a
/// trailing line ending leaves an empty last line, so that no text is lost.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    core::iter::from_fn(move || {
        let text = rest?;
        let Some((line, after)) = split_line(text) else { return rest.take() };
        rest = Some(after);
        Some(line)
    })
}

/// How many bytes are looked at before memchr is called.
const NEAR: usize = 16;

/// How long a text may be for which a call of memchr takes longer than to look
/// at all of its blocks.
const SHORT: usize = 256;

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn every_line_ending_ends_a_line() {
        let split = |text: &'static str| {
            lines(text.as_bytes())
                .map(|line| core::str::from_utf8(line).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(split(""), [""]);
        assert_eq!(split("a"), ["a"]);
        assert_eq!(split("a\nb\rc\r\nd"), ["a", "b", "c", "d"]);
        assert_eq!(split("a\n"), ["a", ""]);
        assert_eq!(split("a\r"), ["a", ""]);
        assert_eq!(split("\r\r\n\n"), ["", "", "", ""]);
    }

    #[test]
    fn a_pair_that_was_cut_in_two_ends_one_line() {
        let split = |pieces: &[&'static [u8]]| {
            let mut splitter = Splitter::default();
            let mut lines = Vec::new();
            for piece in pieces {
                let mut input = *piece;
                while let Some(line) = splitter.split(&mut input) {
                    lines.push(core::str::from_utf8(line).unwrap());
                }
                assert_eq!(input, b"", "the pieces end with a line");
            }
            lines
        };
        assert_eq!(split(&[b"a\r", b"\nb\n"]), ["a", "b"]);
        assert_eq!(split(&[b"a\r", b"", b"\n", b"\n"]), ["a", ""]);
        assert_eq!(split(&[b"a\r", b"\r", b"\n"]), ["a", ""]);
        assert_eq!(split(&[b"a\n", b"\n"]), ["a", ""]);
        assert_eq!(split(&[b"a\r\n", b"\n"]), ["a", ""]);
    }

    #[test]
    fn a_short_line_is_known_wherever_it_would_end() {
        for len in 16..=SHORT {
            let mut text = b"x".repeat(len);
            assert!(is_short_line(&text), "{len}");
            for ending in [b'\r', b'\n'] {
                for at in 0..len {
                    text[at] = ending;
                    assert!(!is_short_line(&text), "{ending} at {at} of {len}");
                    text[at] = b'x';
                }
            }
        }
    }

    #[test]
    fn other_separators_of_unicode_are_text() {
        let text = "a\u{b}b\u{c}c\u{85}d\u{2028}e\u{2029}f";
        assert_eq!(first_end(text.as_bytes()), None);
    }
}
