//! What a server did that it should not have done.

use std::fmt;
use std::io;

/// Why a check is not passed, in words.
#[derive(Debug)]
pub struct Wrong(String);

impl Wrong {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Passes if `is_right`.
pub(super) fn ensure(is_right: bool, wrong: impl FnOnce() -> String) -> Result<(), Wrong> {
    if is_right { Ok(()) } else { Err(Wrong(wrong())) }
}

/// Passes if `what` is as it should be.
pub(super) fn equal<T: fmt::Debug + PartialEq<U>, U: fmt::Debug>(
    what: &str,
    is: T,
    should_be: U,
) -> Result<(), Wrong> {
    ensure(is == should_be, || format!("{what} is {is:?}, and should be {should_be:?}"))
}
