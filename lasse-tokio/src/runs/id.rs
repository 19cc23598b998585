//! The id of a run.

use std::borrow::Borrow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::random::random;

/// The id of a run: 1 to 128 letters, digits, `-`, `_` and `.`, so that it is valid in a path and
/// in a header as it is.
///
/// An id names a run and gives no right to it: whether a user may read the run is decided by its
/// owner.
///
/// # Examples
///
/// ```
/// use lasse_tokio::RunId;
///
/// assert_eq!(RunId::new("chat-1")?.as_str(), "chat-1");
/// assert!(RunId::new("a b").is_err());
/// assert_ne!(RunId::random(), RunId::random());
/// # Ok::<(), lasse_tokio::InvalidRunId>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(Arc<str>);

impl RunId {
    /// Checks an id that the client or the application has made.
    ///
    /// # Errors
    ///
    /// When `id` is empty, longer than 128 bytes, or has another byte than those above.
    pub fn new(id: impl AsRef<str>) -> Result<Self, InvalidRunId> {
        let id = id.as_ref();
        if id.is_empty() || id.len() > MAX_LEN {
            return Err(InvalidRunId(Problem::Length(id.len())));
        }
        match id.bytes().enumerate().find(|(_, byte)| !is_allowed(*byte)) {
            Some((at, byte)) => Err(InvalidRunId(Problem::Byte { at, byte })),
            None => Ok(Self(id.into())),
        }
    }

    /// A new id. It is not a secret.
    pub fn random() -> Self {
        Self(format!("{:016x}{:016x}", random(), random()).into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for RunId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Text that is not the id of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRunId(Problem);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    Length(usize),
    Byte { at: usize, byte: u8 },
}

impl fmt::Display for InvalidRunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Problem::Length(len) => {
                write!(f, "the id of a run has {len} bytes; 1 to {MAX_LEN} are allowed")
            }
            Problem::Byte { at, byte } => {
                write!(
                    f,
                    "byte {at} is {byte:#04x}; the id of a run is letters, digits, -, _ and ."
                )
            }
        }
    }
}

impl Error for InvalidRunId {}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

const MAX_LEN: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_refused_with_the_byte_that_is_wrong() {
        let refusal = |id: &str| RunId::new(id).unwrap_err().to_string();
        assert!(refusal("").contains("0 bytes"));
        assert!(refusal(&"x".repeat(129)).contains("129 bytes"));
        assert!(refusal("ab/c").starts_with("byte 2 is 0x2f"));
        assert!(refusal("a\r\nb").starts_with("byte 1 is 0x0d"));
        assert_eq!(RunId::new("x".repeat(128)).unwrap().as_str().len(), 128);
    }
}
