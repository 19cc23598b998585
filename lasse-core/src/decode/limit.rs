//! The one thing a decoder refuses.

use core::error::Error;
use core::fmt;

/// An event outgrew the limit of its [`Decoder`](crate::Decoder), which goes on with the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventTooLarge {
    pub(super) limit: usize,
}

impl fmt::Display for EventTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event takes more than {} bytes", self.limit)
    }
}

impl Error for EventTooLarge {}
