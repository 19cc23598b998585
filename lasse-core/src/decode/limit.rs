//! The error of a decoder.

use core::error::Error;
use core::fmt;

/// An event was larger than the limit of its [`Decoder`](crate::Decoder). Decoding continues with the
/// next event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventTooLarge {
    pub(super) limit: usize,
}

impl fmt::Display for EventTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event is larger than the limit of {} bytes", self.limit)
    }
}

impl Error for EventTooLarge {}
