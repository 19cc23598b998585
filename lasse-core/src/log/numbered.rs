//! The ids that a log makes.

use alloc::string::String;
use alloc::vec::Vec;

use super::epoch::Epoch;
use crate::field::EventId;
use crate::frame::Digits;

/// The id that a log makes: `<epoch>-<number>`.
pub(super) fn write(epoch: &Epoch, number: u64) -> EventId {
    let digits = Digits::of(number);
    let parts = [epoch.as_bytes(), b"-", digits.as_bytes()];
    let mut id = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| id.extend_from_slice(part));
    EventId::from_line(String::from_utf8(id).unwrap_or_default())
}

/// The epoch and the number of an id, if it has the shape of such ids: split
/// at the last dash, the number as the log writes it, in 18 digits at most.
pub(super) fn read(id: &str) -> Option<(Epoch, u64)> {
    let (epoch, digits) = id.rsplit_once('-')?;
    let is_number = digits.len() <= MAX_DIGITS
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    let number = digits.parse().ok().filter(|_| is_number)?;
    Some((Epoch::new(epoch).ok()?, number))
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
            assert_eq!(read(write(&epoch, number).as_str()), Some((epoch, number)));
        }
        assert_eq!(write(&epoch, u64::MAX).as_str(), "a_1-18446744073709551615");
    }

    #[test]
    fn what_the_log_would_not_write_is_not_its_shape() {
        for id in ["", "-", "a", "a-", "-1", "a-01", "a-+1", "a-1 ", "a.b-1", "a-b-1", "a-1x"] {
            assert_eq!(read(id), None, "{id}");
        }
        assert_eq!(read("a-1000000000000000000"), None);
    }
}
