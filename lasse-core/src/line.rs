//! Line endings: the one place that knows them.

use memchr::memchr2;

/// Where the first line of `text` ends, and where the next one begins; `None`
/// if no line ends here.
///
/// LF, CR LF and CR each end a line (HTML, "Parsing an event stream"). A CR at
/// the very end of `text` ends the line by itself: who reads a stream piecemeal
/// must drop a LF that follows.
pub(crate) fn first_break(text: &[u8]) -> Option<Break> {
    let end = memchr2(b'\r', b'\n', text)?;
    let is_pair = text.get(end..end + 2) == Some(b"\r\n");
    Some(Break { end, next: end + if is_pair { 2 } else { 1 } })
}

/// The place of a line ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Break {
    /// The offset of the line ending, hence the length of the line.
    pub(crate) end: usize,
    /// The offset of what follows the line ending.
    pub(crate) next: usize,
}

/// The lines of `text`, of which there is always one: unlike [`str::lines`], a
/// trailing line ending leaves an empty last line, so that no text is lost.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    core::iter::from_fn(move || {
        let text = rest?;
        let Some(found) = first_break(text) else { return rest.take() };
        rest = text.get(found.next..);
        text.get(..found.end)
    })
}

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
    fn other_separators_of_unicode_are_text() {
        let text = "a\u{b}b\u{c}c\u{85}d\u{2028}e\u{2029}f";
        assert_eq!(first_break(text.as_bytes()), None);
    }
}
