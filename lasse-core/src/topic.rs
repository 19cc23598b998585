//! Topics: the names by which readers choose their part of a log.

mod filter;
mod pattern;

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use core::error::Error;
use core::fmt;
use core::str::FromStr;

pub use filter::{TooManyTopics, TopicFilter};
pub use pattern::TopicPattern;
pub(crate) use pattern::{is_prefix, matches, prefixes_of};

/// The topic of an event: tokens separated by dots, such as `room.tea` or `user.ada.inbox`.
///
/// The rules are those of a NATS subject: a token has at least one character, and none that is
/// blank, a control character, `*` or `>`. A topic has at most 255 bytes and 16 tokens.
///
/// # Examples
///
/// ```
/// use lasse_core::Topic;
///
/// const NOTICES: Topic = Topic::from_static("notices");
/// let room = Topic::new(format!("room.{}", "tea"))?;
/// assert_eq!(room.as_str(), "room.tea");
/// assert_eq!(room.tokens().collect::<Vec<_>>(), ["room", "tea"]);
/// assert!(Topic::new("room..tea").is_err());
/// # let _ = NOTICES;
/// # Ok::<(), lasse_core::InvalidTopic>(())
/// ```
#[doc(alias = "subject")]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Cow<'static, str>);

impl Topic {
    /// How many bytes a topic can have.
    pub const MAX_LEN: usize = 255;

    /// How many tokens a topic can have.
    pub const MAX_TOKENS: usize = 16;

    /// The topic `text`.
    ///
    /// # Errors
    ///
    /// If `text` is no topic. The error contains the byte, its place, and what is allowed there.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Result<Self, InvalidTopic> {
        let text = text.into();
        match problem(text.as_bytes()) {
            Some(problem) => Err(InvalidTopic(problem)),
            None => Ok(Self(text)),
        }
    }

    /// The topic `text`. In a constant, it is checked when the program is compiled.
    ///
    /// # Panics
    ///
    /// If `text` is no topic.
    pub const fn from_static(text: &'static str) -> Self {
        assert!(problem(text.as_bytes()).is_none(), "a topic is tokens separated by dots");
        Self(Cow::Borrowed(text))
    }

    /// The topic as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its tokens, in order.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }
}

impl TryFrom<String> for Topic {
    type Error = InvalidTopic;

    fn try_from(text: String) -> Result<Self, InvalidTopic> {
        Self::new(text)
    }
}

impl FromStr for Topic {
    type Err = InvalidTopic;

    fn from_str(text: &str) -> Result<Self, InvalidTopic> {
        Self::new(text.to_owned())
    }
}

impl AsRef<str> for Topic {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A text that is no [`Topic`] or no [`TopicPattern`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTopic(Problem);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    ForbiddenByte { byte: u8, at: usize },
    EmptyToken { at: usize },
    TooLong { len: usize },
    TooManyTokens { at: usize },
}

impl fmt::Display for InvalidTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Problem::ForbiddenByte { byte, at } => write!(
                f,
                "byte {at} is {byte:#04x}; a token has no blanks, no control characters, and \
                 neither `*` nor `>`, which only a pattern has, as its last token"
            ),
            Problem::EmptyToken { at } => {
                write!(f, "the token at byte {at} is empty; tokens are separated by single dots")
            }
            Problem::TooLong { len } => {
                write!(f, "the topic has {len} bytes; it can have {}", Topic::MAX_LEN)
            }
            Problem::TooManyTokens { at } => {
                let most = Topic::MAX_TOKENS;
                write!(f, "at byte {at} begins one token too many; a topic can have {most}")
            }
        }
    }
}

impl Error for InvalidTopic {}

/// What keeps `text` from being a topic.
#[expect(clippy::indexing_slicing, reason = "the index is checked, and const code cannot iterate")]
const fn problem(text: &[u8]) -> Option<Problem> {
    if text.len() > Topic::MAX_LEN {
        return Some(Problem::TooLong { len: text.len() });
    }
    let (mut at, mut token, mut tokens) = (0, 0, 1);
    while at < text.len() {
        match text[at] {
            b'.' if at == token => return Some(Problem::EmptyToken { at }),
            b'.' => (token, tokens) = (at + 1, tokens + 1),
            byte @ (b'*' | b'>' | 0..=b' ' | 0x7f) => {
                return Some(Problem::ForbiddenByte { byte, at });
            }
            _ => {}
        }
        if tokens > Topic::MAX_TOKENS {
            return Some(Problem::TooManyTokens { at: token });
        }
        at += 1;
    }
    if token == text.len() { Some(Problem::EmptyToken { at }) } else { None }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_text_that_is_no_topic_is_refused_with_the_place() {
        let forbidden = "a token has no blanks, no control characters, and neither `*` nor `>`, \
                         which only a pattern has, as its last token";
        for (text, message) in [
            ("", "the token at byte 0 is empty; tokens are separated by single dots".to_string()),
            (".a", "the token at byte 0 is empty; tokens are separated by single dots".into()),
            ("a.", "the token at byte 2 is empty; tokens are separated by single dots".into()),
            ("a..b", "the token at byte 2 is empty; tokens are separated by single dots".into()),
            ("a b", format!("byte 1 is 0x20; {forbidden}")),
            ("a.*", format!("byte 2 is 0x2a; {forbidden}")),
            (">", format!("byte 0 is 0x3e; {forbidden}")),
            ("a\n", format!("byte 1 is 0x0a; {forbidden}")),
            ("\u{7f}", format!("byte 0 is 0x7f; {forbidden}")),
        ] {
            assert_eq!(Topic::new(text).unwrap_err().to_string(), message);
            assert!(text.parse::<Topic>().is_err() && Topic::try_from(text.to_owned()).is_err());
        }
    }

    #[test]
    fn a_topic_is_bounded_in_bytes_and_tokens() {
        assert!(Topic::new("x".repeat(255)).is_ok());
        let refused = Topic::new("x".repeat(256)).unwrap_err();
        assert_eq!(refused.to_string(), "the topic has 256 bytes; it can have 255");
        let sixteen = ["t"; 16].join(".");
        assert!(Topic::new(sixteen.clone()).is_ok());
        let refused = Topic::new(sixteen + ".t").unwrap_err();
        let message = "at byte 32 begins one token too many; a topic can have 16";
        assert_eq!(refused.to_string(), message);
    }

    #[test]
    fn letters_of_any_language_make_a_topic() {
        assert_eq!(Topic::new("räume.茶").unwrap().to_string(), "räume.茶");
    }
}
