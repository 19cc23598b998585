//! The ids that a log makes.

use alloc::string::String;

use super::epoch::Epoch;
use crate::field::EventId;
use crate::frame::Digits;

/// An id that a log makes, `<epoch>-<number>`, written without an allocation.
pub(super) struct NumberedId {
    bytes: [u8; Epoch::MAX_LEN + 1 + 20],
    len: usize,
}

impl NumberedId {
    pub(super) fn new(epoch: &Epoch, number: u64) -> Self {
        let mut id = Self { bytes: [0; Epoch::MAX_LEN + 1 + 20], len: 0 };
        for part in [epoch.as_str().as_bytes(), b"-", Digits::of(number).as_bytes()] {
            let end = id.len + part.len();
            if let Some(room) = id.bytes.get_mut(id.len..end) {
                room.copy_from_slice(part);
                id.len = end;
            }
        }
        id
    }

    /// The epoch and the number of an id, if it has the shape of such ids: split
    /// at the last dash, the number as the log writes it, in 18 digits at most.
    pub(super) fn split(id: &str) -> Option<(Epoch, u64)> {
        let (epoch, digits) = id.rsplit_once('-')?;
        let is_number = digits.len() <= MAX_DIGITS
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'));
        let number = digits.parse().ok().filter(|_| is_number)?;
        Some((Epoch::new(epoch).ok()?, number))
    }

    pub(super) fn as_str(&self) -> &str {
        core::str::from_utf8(self.bytes.get(..self.len).unwrap_or_default()).unwrap_or_default()
    }

    pub(super) fn to_id(&self) -> EventId {
        EventId::from_line(String::from(self.as_str()))
    }
}

/// So many digits fit a `u64` whatever they are, with room to count on.
const MAX_DIGITS: usize = 18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numbered_id_is_read_as_it_was_written() {
        let epoch = Epoch::new("a_1").unwrap();
        for number in [0, 1, 10, 999_999_999_999_999_999] {
            let id = NumberedId::new(&epoch, number);
            assert_eq!(NumberedId::split(id.as_str()), Some((epoch, number)));
        }
        assert_eq!(NumberedId::new(&epoch, u64::MAX).as_str(), "a_1-18446744073709551615");
    }

    #[test]
    fn what_the_log_would_not_write_is_not_its_shape() {
        for id in ["", "-", "a", "a-", "-1", "a-01", "a-+1", "a-1 ", "a.b-1", "a-b-1", "a-1x"] {
            assert_eq!(NumberedId::split(id), None, "{id}");
        }
        assert_eq!(NumberedId::split("a-1000000000000000000"), None);
    }
}
