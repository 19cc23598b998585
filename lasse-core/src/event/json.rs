//! Events whose data is JSON.

use std::error::Error;
use std::fmt;
use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use super::Event;

impl Event<'static> {
    /// An event whose data is `value` as JSON.
    ///
    /// The JSON is a string first, not written straight into a frame: the event can
    /// still get a name and an id, and a log copies it next to other events anyway.
    /// That copy costs about a tenth of the serialization.
    ///
    /// # Errors
    ///
    /// If `value` cannot be JSON: its `Serialize` fails, or it has a map whose
    /// keys are not strings.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::Event;
    ///
    /// assert_eq!(Event::json(&[1, 2])?.encode().as_bytes(), b"data: [1,2]\n\n");
    /// # Ok::<(), lasse_core::JsonError>(())
    /// ```
    pub fn json(value: &(impl Serialize + ?Sized)) -> Result<Self, JsonError> {
        serde_json::to_string(value).map(Self::new).map_err(JsonError)
    }

    /// The same as [`json`](Self::json), with U+0085, U+2028 and U+2029 escaped in
    /// all strings.
    ///
    /// They are no line endings in an event stream, but some clients split lines
    /// there (Python's `splitlines`, httpx-sse before 0.4.2) and lose the rest of
    /// the data.
    ///
    /// # Errors
    ///
    /// Those of [`json`](Self::json).
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::Event;
    ///
    /// let event = Event::json_escaped("a\u{2028}b")?;
    /// assert_eq!(event.data(), r#""a\u2028b""#);
    /// # Ok::<(), lasse_core::JsonError>(())
    /// ```
    pub fn json_escaped(value: &(impl Serialize + ?Sized)) -> Result<Self, JsonError> {
        let mut json = Vec::with_capacity(128);
        let mut serializer = Serializer::with_formatter(&mut json, EscapeSeparators);
        value.serialize(&mut serializer).map_err(JsonError)?;
        let json = String::from_utf8(json).map_err(io::Error::other);
        json.map(Self::new).map_err(|error| JsonError(serde_json::Error::io(error)))
    }
}

/// Compact JSON without the characters of Unicode that separate lines.
struct EscapeSeparators;

impl Formatter for EscapeSeparators {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // The usual case. The search below is slow.
        if fragment.is_ascii() {
            return CompactFormatter.write_string_fragment(writer, fragment);
        }
        let mut rest = fragment;
        while let Some(at) = rest.find(SEPARATORS) {
            let (before, after) = rest.split_at(at);
            CompactFormatter.write_string_fragment(writer, before)?;
            let mut after = after.chars();
            let separator = after.next().map_or(0, u32::from);
            write!(writer, "\\u{separator:04x}")?;
            rest = after.as_str();
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

/// A value that cannot be JSON.
#[derive(Debug)]
pub struct JsonError(serde_json::Error);

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the value cannot be JSON: {}", self.0)
    }
}

impl Error for JsonError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

const SEPARATORS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn escaped_json_is_the_same_value_on_one_line_for_every_client() {
        let text = "\u{2028}ä\u{85}\u{b}\"\\\n\u{2029}\u{2028}";
        let value = BTreeMap::from([(text, [text, "plain", ""])]);
        let event = Event::json_escaped(&value).unwrap();
        let is_separator =
            |c: char| matches!(c, '\u{b}'..='\u{1e}' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}');
        assert!(!event.data().contains(is_separator), "{}", event.data());
        let parsed: BTreeMap<String, [String; 3]> = serde_json::from_str(event.data()).unwrap();
        assert_eq!(parsed[text], [text, "plain", ""]);
        assert_eq!(serde_json::to_value(&parsed).unwrap(), serde_json::to_value(&value).unwrap());
    }

    #[test]
    fn a_value_that_cannot_be_json_is_an_error() {
        let map = BTreeMap::from([([1], 1)]);
        for error in [Event::json(&map).unwrap_err(), Event::json_escaped(&map).unwrap_err()] {
            assert!(error.to_string().starts_with("the value cannot be JSON: "), "{error}");
            assert!(error.source().is_some());
        }
    }
}
