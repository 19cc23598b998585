//! Why a check fails.

use std::fmt;
use std::io;

/// Why a check fails, in words.
#[derive(Debug)]
pub struct CheckError(String);

impl CheckError {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<io::Error> for CheckError {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Passes if the condition is true.
pub(super) fn ensure(is_right: bool, wrong: impl FnOnce() -> String) -> Result<(), CheckError> {
    if is_right { Ok(()) } else { Err(CheckError(wrong())) }
}

/// Passes if the value is the expected one.
pub(super) fn equal<T: fmt::Debug + PartialEq<U>, U: fmt::Debug>(
    what: &str,
    is: T,
    should_be: U,
) -> Result<(), CheckError> {
    ensure(is == should_be, || format!("{what} is {is:?}, and should be {should_be:?}"))
}
