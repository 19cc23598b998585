//! The id of an entry in a stream: an epoch, and a number within it.

use std::fmt;

use lasse_core::{EventId, InvalidField};

/// The id of an entry: `<epoch>-<number>`. Number 0 is never an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StreamId {
    pub(crate) epoch: u64,
    pub(crate) number: u64,
}

impl StreamId {
    pub(crate) const fn new(epoch: u64, number: u64) -> Self {
        Self { epoch, number }
    }

    /// Reads what Redis writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (epoch, number) = text.split_once('-')?;
        Some(Self { epoch: whole(epoch)?, number: whole(number)? })
    }

    pub(crate) fn to_event_id(self) -> Result<EventId, InvalidField> {
        EventId::new(self.to_string())
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}

/// A number in decimal, without a sign and without leading zeros.
fn whole(digits: &str) -> Option<u64> {
    let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        for id in [
            StreamId::new(0, 0),
            StreamId::new(1_763_755_200_123, 7),
            StreamId::new(u64::MAX, u64::MAX),
        ] {
            assert_eq!(StreamId::parse(&id.to_string()), Some(id));
            assert_eq!(id.to_event_id().unwrap().as_str(), id.to_string());
        }
    }

    #[test]
    fn other_text_is_not_an_id() {
        for text in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "01-1",
            "1-01",
            "+1-1",
            "1-+1",
            "1-1-1",
            "a-1",
            "1-18446744073709551616",
        ] {
            assert_eq!(StreamId::parse(text), None, "{text}");
        }
    }
}
