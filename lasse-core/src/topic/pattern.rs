//! What one entry of a filter matches: a topic, or all topics below one.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use super::{InvalidTopic, Problem, Topic, problem};

/// A topic, or all topics of a prefix.
///
/// | pattern | matches |
/// |---|---|
/// | `room.tea` | this topic |
/// | `room.*` | `room.` and one token more: `room.tea`, but not `room.tea.cups` |
/// | `room.>` | `room.` and one or more tokens more |
/// | `*`, `>` | all topics of one token; all topics |
///
/// A wildcard is the last token, and a whole one.
///
/// # Examples
///
/// ```
/// use lasse_core::{Topic, TopicPattern};
///
/// const ROOMS: TopicPattern = TopicPattern::from_static("room.*");
/// assert!(ROOMS.matches(&Topic::new("room.tea")?));
/// assert!(!ROOMS.matches(&Topic::new("room.tea.cups")?));
/// assert!(!ROOMS.matches(&Topic::new("room")?));
/// # Ok::<(), lasse_core::InvalidTopic>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPattern(Cow<'static, str>);

impl TopicPattern {
    /// The pattern `text`.
    ///
    /// # Errors
    ///
    /// If `text` is neither a topic nor a prefix with a wildcard as its last token.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Result<Self, InvalidTopic> {
        let text = text.into();
        match pattern_problem(text.as_bytes()) {
            Some(problem) => Err(InvalidTopic(problem)),
            None => Ok(Self(text)),
        }
    }

    /// The pattern `text`. In a constant, it is checked when the program is compiled.
    ///
    /// # Panics
    ///
    /// If `text` is no pattern.
    pub const fn from_static(text: &'static str) -> Self {
        let problem = pattern_problem(text.as_bytes());
        assert!(problem.is_none(), "a pattern is a topic, or ends in a wildcard: `room.*`");
        Self(Cow::Borrowed(text))
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches `topic`.
    pub fn matches(&self, topic: &Topic) -> bool {
        matches(&self.0, topic.as_str())
    }

    /// Whether it matches more than one topic.
    pub fn is_prefix(&self) -> bool {
        is_prefix(&self.0)
    }
}

/// Whether `pattern` has a wildcard. No topic has one.
pub(crate) fn is_prefix(pattern: &str) -> bool {
    pattern.ends_with(['*', '>'])
}

/// Whether `pattern` matches `topic`, both of which are valid.
pub(crate) fn matches(pattern: &str, topic: &str) -> bool {
    let below = |prefix| topic.strip_prefix(prefix).filter(|rest: &&str| !rest.is_empty());
    match (pattern.strip_suffix('>'), pattern.strip_suffix('*')) {
        (Some(prefix), _) => below(prefix).is_some(),
        (None, Some(prefix)) => below(prefix).is_some_and(|rest| !rest.contains('.')),
        (None, None) => pattern == topic,
    }
}

/// The prefixes that match `topic`, at most 17, as a part of the topic and a wildcard.
pub(crate) fn prefixes_of(topic: &str) -> impl Iterator<Item = (&str, char)> {
    let dots = topic.match_indices('.').filter_map(|(at, _)| topic.get(..=at));
    let last = topic.rfind('.').and_then(|at| topic.get(..=at)).unwrap_or_default();
    core::iter::once((last, '*')).chain(core::iter::once("").chain(dots).map(|part| (part, '>')))
}

const fn pattern_problem(text: &[u8]) -> Option<Problem> {
    // A wildcard stands for any token, so it can be checked as if it were one.
    match text.split_last() {
        Some((b'*' | b'>', [])) => None,
        Some((b'*' | b'>', [before @ .., b'.'])) if text.len() <= Topic::MAX_LEN => problem(before),
        _ => problem(text),
    }
}

impl From<Topic> for TopicPattern {
    fn from(topic: Topic) -> Self {
        Self(topic.0)
    }
}

impl From<&Topic> for TopicPattern {
    fn from(topic: &Topic) -> Self {
        Self(topic.0.clone())
    }
}

impl TryFrom<String> for TopicPattern {
    type Error = InvalidTopic;

    fn try_from(text: String) -> Result<Self, InvalidTopic> {
        Self::new(text)
    }
}

impl FromStr for TopicPattern {
    type Err = InvalidTopic;

    fn from_str(text: &str) -> Result<Self, InvalidTopic> {
        Self::new(text.to_owned())
    }
}

impl AsRef<str> for TopicPattern {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec::Vec;

    use super::*;

    const TOPICS: [&str; 7] = ["a", "a.b", "a.b.c", "a.c", "ab", "ab.c", "b.a.b"];

    #[test]
    fn a_pattern_matches_its_topic_or_the_topics_below_its_prefix() {
        for (pattern, matched) in [
            ("a", &["a"][..]),
            ("a.b", &["a.b"]),
            ("a.*", &["a.b", "a.c"]),
            ("a.>", &["a.b", "a.b.c", "a.c"]),
            ("a.b.*", &["a.b.c"]),
            ("*", &["a", "ab"]),
            (">", &TOPICS),
        ] {
            let pattern = TopicPattern::new(pattern).unwrap();
            let found: Vec<_> = TOPICS
                .into_iter()
                .filter(|topic| pattern.matches(&Topic::new(*topic).unwrap()))
                .collect();
            assert_eq!(found, matched, "{pattern}");
        }
    }

    #[test]
    fn the_prefixes_of_a_topic_are_those_that_match_it() {
        for topic in TOPICS {
            let prefixes: Vec<_> =
                prefixes_of(topic).map(|(part, wildcard)| format!("{part}{wildcard}")).collect();
            for pattern in ["*", ">", "a.*", "a.>", "a.b.*", "a.b.>", "ab.*", "b.a.*", "b.>", "b.*"]
            {
                let is_one = prefixes.iter().any(|prefix| prefix == pattern);
                assert_eq!(is_one, matches(pattern, topic), "{pattern} and {topic}");
            }
        }
    }

    #[test]
    fn a_pattern_is_its_text_and_a_prefix_if_it_has_a_wildcard() {
        for (text, is_prefix) in [("a.b", false), ("a.*", true), (">", true)] {
            let pattern = TopicPattern::new(text).unwrap();
            assert_eq!((pattern.as_ref(), format!("{pattern}").as_str()), (text, text));
            assert_eq!(pattern.is_prefix(), is_prefix, "{text}");
        }
        assert_eq!(Topic::new("a.b").unwrap().as_ref(), "a.b");
    }

    #[test]
    fn a_pattern_is_as_long_as_a_topic_at_most() {
        let with_len = |len: usize| TopicPattern::new(format!("{}.*", "x".repeat(len - 2)));
        assert!(with_len(255).is_ok());
        let message = "the topic has 256 bytes; it can have 255";
        assert_eq!(format!("{}", with_len(256).unwrap_err()), message);
    }

    #[test]
    fn a_wildcard_is_the_last_token() {
        for text in ["", "a*", "a.>b", "*.a", ">.a", "a.*.b", "a..*", ".>", "a.**"] {
            assert!(TopicPattern::new(text).is_err(), "{text}");
        }
    }
}
