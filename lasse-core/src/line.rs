//! Lines and their endings: LF, CR LF and CR (HTML 9.2.6).

use memchr::memchr2;

/// Splits a stream that arrives in pieces into lines.
///
/// A CR at the end of a piece ends its line at once. A LF at the beginning of the
/// next piece then belongs to it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LineSplitter {
    after_cr: bool,
}

impl LineSplitter {
    /// Takes the next line with its ending from `input`. `None` if no line ends
    /// there: the rest of `input` is the beginning of one.
    #[inline]
    pub(crate) fn split<'i>(&mut self, input: &mut &'i [u8]) -> Option<&'i [u8]> {
        self.split_at(input, find_near_ending)
    }

    /// The same as [`split`](Self::split), faster for a long line.
    #[inline]
    pub(crate) fn split_long<'i>(&mut self, input: &mut &'i [u8]) -> Option<&'i [u8]> {
        self.split_at(input, find_ending)
    }

    #[inline]
    fn split_at<'i>(
        &mut self,
        input: &mut &'i [u8],
        find: impl FnOnce(&[u8]) -> Option<usize>,
    ) -> Option<&'i [u8]> {
        if self.after_cr {
            self.skip_lf(input);
        }
        let found = LineEnding::at(input, find(input)?)?;
        let (line, rest) = (input.get(..found.end)?, input.get(found.next..)?);
        self.after_cr = found.is_lone_cr && rest.is_empty();
        *input = rest;
        Some(line)
    }

    /// Whether a LF at the beginning of the next piece belongs to a CR before it.
    #[inline]
    pub(crate) fn is_after_cr(self) -> bool {
        self.after_cr
    }

    fn skip_lf(&mut self, input: &mut &[u8]) {
        if let Some((first, rest)) = input.split_first() {
            self.after_cr = false;
            if *first == b'\n' {
                *input = rest;
            }
        }
    }
}

/// Whether `byte` ends a line, alone or as a part of CR LF.
#[inline]
pub(crate) fn is_ending(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// The offset of the first line ending in `text`. An empty line is found without a
/// search.
#[inline]
pub(crate) fn find_ending(text: &[u8]) -> Option<usize> {
    if text.starts_with(b"\n") { Some(0) } else { memchr2(b'\r', b'\n', text) }
}

/// The same as [`find_ending`], faster for short lines: to scan a few bytes costs
/// less than a call of memchr.
#[inline]
pub(crate) fn find_near_ending(text: &[u8]) -> Option<usize> {
    let mut far = 0;
    while far < SCANNED {
        let rest = text.get(far..)?;
        let Some(word) = rest.first_chunk() else {
            return rest.iter().position(|byte| is_ending(*byte)).map(|end| far + end);
        };
        let ends = endings_in_word(u64::from_le_bytes(*word));
        if ends != 0 {
            return Some(far + ends.trailing_zeros() as usize / 8);
        }
        far += 8;
    }
    memchr2(b'\r', b'\n', text.get(far..)?).map(|end| far + end)
}

/// The same as [`find_ending`], faster for lines of a few blocks: to compare the blocks costs less
/// than a call of memchr. Not inlined, so that a loop over empty lines stays small.
#[inline(never)]
fn find_in_blocks(text: &[u8]) -> Option<usize> {
    let mut rest = text;
    while let Some((block, after)) = rest.split_first_chunk::<32>() {
        let far = text.len() - rest.len();
        if far >= COMPARED {
            break;
        }
        if has_low(block) {
            let end = far + find_low(block)?;
            return if is_ending(*text.get(end)?) { Some(end) } else { find_behind(text, end) };
        }
        rest = after;
    }
    find_behind(text, text.len() - rest.len())
}

/// The first line ending behind `far` bytes that have none.
#[inline(never)]
fn find_behind(text: &[u8], far: usize) -> Option<usize> {
    memchr2(b'\r', b'\n', text.get(far..)?).map(|end| far + end)
}

/// Whether a block has a byte that is as low as a line ending. Has no branches, so that the compiler
/// can compare all bytes at once.
#[inline]
fn has_low(block: &[u8; 32]) -> bool {
    let Some((first, second)) = block.split_first_chunk::<16>() else { return true };
    let mut lowest = *first;
    lowest.iter_mut().zip(second).for_each(|(lowest, byte)| *lowest = *byte.min(lowest));
    lowest.iter().fold(0, |has, byte| has | u8::from(*byte <= b'\r')) != 0
}

/// The offset of the first byte of a block that is as low as a line ending.
#[inline]
fn find_low(block: &[u8; 32]) -> Option<usize> {
    let (mut far, mut rest) = (0, block.as_slice());
    while let Some((word, after)) = rest.split_first_chunk() {
        let low = low_in_word(u64::from_le_bytes(*word));
        if low != 0 {
            return Some(far + low.trailing_zeros() as usize / 8);
        }
        far += word.len();
        rest = after;
    }
    None
}

/// Whether `text` is not large and has no line ending, nor another control character that is as low.
/// This costs less than to find the first one.
#[inline]
pub(crate) fn is_plain_line(text: &[u8]) -> bool {
    match text.len() {
        ..16 => false,
        16..32 => is_plain::<16>(text),
        32..=MEDIUM => is_plain::<32>(text),
        _ => false,
    }
}

/// Collects the lowest bytes of all blocks of `N` bytes, which takes one instruction where two
/// comparisons take three. Has no branches in it, so that the compiler can take all bytes at once.
#[inline]
fn is_plain<const N: usize>(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk::<N>() else { return false };
    let (mut lowest, mut rest) = (*last, text);
    while let Some((block, after)) = rest.split_first_chunk::<N>() {
        lowest.iter_mut().zip(block).for_each(|(lowest, byte)| *lowest = *byte.min(lowest));
        rest = after;
    }
    lowest.iter().fold(0, |has, byte| has | u8::from(*byte <= b'\r')) == 0
}

/// A line ending in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineEnding {
    /// The offset of the line ending, which is the length of the line.
    pub(crate) end: usize,
    /// The offset of the next line.
    pub(crate) next: usize,
    /// Whether it is a CR without LF. If the text ends there, a LF can still
    /// follow.
    pub(crate) is_lone_cr: bool,
}

impl LineEnding {
    /// The line ending at the offset `end`. A CR at the end of `text` counts as a
    /// whole ending: a [`LineSplitter`] drops the LF that can follow.
    #[inline]
    pub(crate) fn at(text: &[u8], end: usize) -> Option<Self> {
        let (is_lone_cr, len) = match text.get(end..)? {
            [b'\r', b'\n', ..] => (false, 2),
            [b'\r', ..] => (true, 1),
            _ => (false, 1),
        };
        Some(Self { end, next: end + len, is_lone_cr })
    }
}

/// The highest bit of the first byte that is as low as a line ending, if there is one. Bits above it
/// have no meaning.
#[inline]
fn low_in_word(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    word.wrapping_sub(ONES * (b'\r' as u64 + 1)) & !word & (ONES << 7)
}

/// The highest bit of the lowest byte that is LF or CR, if there is one. Bits above
/// it have no meaning.
#[inline]
fn endings_in_word(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let (lf, cr) = (word ^ (ONES * 0x0a), word ^ (ONES * 0x0d));
    let zero_in = |word: u64| word.wrapping_sub(ONES) & !word;
    (zero_in(lf) | zero_in(cr)) & (ONES << 7)
}

/// The first line of `text`, and the text after its ending. `None` if there is no
/// line ending.
#[inline]
pub(crate) fn split_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if let [b'\n', rest @ ..] = text {
        return Some((&[], rest));
    }
    split_at(text, find_ending(text)?)
}

/// The same as [`split_line`], faster for lines of some hundred bytes at most.
#[inline]
pub(crate) fn split_near_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if let [b'\n', rest @ ..] = text {
        return Some((&[], rest));
    }
    split_at(text, find_in_blocks(text)?)
}

#[inline]
fn split_at(text: &[u8], end: usize) -> Option<(&[u8], &[u8])> {
    let found = LineEnding::at(text, end)?;
    Some((text.get(..found.end)?, text.get(found.next..)?))
}

/// The lines of `text`, at least one. Unlike with [`str::lines`], a line ending at
/// the end is followed by an empty line, so that no text is lost.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    core::iter::from_fn(move || {
        let text = rest?;
        let Some((line, after)) = split_line(text) else { return rest.take() };
        rest = Some(after);
        Some(line)
    })
}

/// How many bytes are scanned before memchr is called.
const SCANNED: usize = 16;

/// How many bytes are compared by blocks before memchr is called.
const COMPARED: usize = 256;

/// Up to which length a comparison of all blocks is faster than a call of memchr.
const MEDIUM: usize = 4096;

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
    fn a_cr_lf_that_is_cut_in_two_ends_one_line() {
        let split = |pieces: &[&'static [u8]]| {
            let mut splitter = LineSplitter::default();
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
    fn a_line_ending_is_found_anywhere_in_a_short_text() {
        for len in 16..=300 {
            let mut text = b"x".repeat(len);
            assert!(is_plain_line(&text), "{len}");
            for ending in [b'\r', b'\n'] {
                for at in 0..len {
                    text[at] = ending;
                    assert!(!is_plain_line(&text), "{ending} at {at} of {len}");
                    text[at] = b'x';
                }
            }
        }
    }

    #[test]
    fn a_line_of_any_length_is_split_at_its_first_ending() {
        for len in 0..=300 {
            for ending in ["\n", "\r", "\r\n"] {
                let line = b"x".repeat(len);
                for rest in ["", "\n", "y", "y\r\nz"] {
                    let text = [&line, ending.as_bytes(), rest.as_bytes()].concat();
                    let split = (ending, rest) != ("\r", "\n");
                    let rest = if split { rest.as_bytes() } else { b"" };
                    let expected = Some((line.as_slice(), rest));
                    assert_eq!(split_near_line(&text), expected, "{len} {ending:?}");
                    assert_eq!(split_line(&text), expected, "{len} {ending:?}");
                }
            }
            assert_eq!(split_near_line(&b"x".repeat(len)), None);
        }
    }

    #[test]
    fn control_characters_before_a_line_ending_are_text() {
        for len in 1..=100 {
            for low in [0, b'\t', 0x0b, 0x0c, 0x0e] {
                for at in 0..len {
                    let mut text = b"x".repeat(len);
                    text[at] = low;
                    assert_eq!(split_near_line(&text), None, "{low} at {at} of {len}");
                    let line = text.clone();
                    text.extend_from_slice(b"\r\n\ty\n");
                    let expected = Some((line.as_slice(), b"\ty\n".as_slice()));
                    assert_eq!(split_near_line(&text), expected, "{low} at {at} of {len}");
                }
            }
        }
    }

    #[test]
    fn bytes_of_all_values_before_a_line_ending_are_text() {
        for (first, step) in (0..=u8::MAX).flat_map(|first| [(first, 0), (first, 37)]) {
            let bytes = (0..48_u8).map(|nth| first.wrapping_add(nth.wrapping_mul(step)));
            let mut text: Vec<u8> = bytes.filter(|byte| !is_ending(*byte)).collect();
            for at in 0..text.len() {
                let before = core::mem::replace(&mut text[at], b'\n');
                let expected = Some((&text[..at], &text[at + 1..]));
                assert_eq!(split_near_line(&text), expected, "{first} {step} {at}");
                assert_eq!(find_near_ending(&text), Some(at), "{first} {step} {at}");
                text[at] = before;
            }
        }
    }

    #[test]
    fn other_line_separators_of_unicode_are_text() {
        let text = "a\u{b}b\u{c}c\u{85}d\u{2028}e\u{2029}f";
        assert_eq!(find_ending(text.as_bytes()), None);
    }
}
