//! The ids that a log gives.

use alloc::string::String;

use super::epoch::Epoch;
use crate::field::EventId;
use crate::frame::Digits;

/// The id that a log gives: `<epoch>-<number>`.
pub(crate) fn write(epoch: &Epoch, number: u64) -> EventId {
    // The whole buffer is checked as UTF-8: that takes less than to check the bytes after a block.
    let mut text = [0; Epoch::MAX_LEN + 32];
    let digits = Digits::of(number);
    let parts = [epoch.as_bytes(), b"-", digits.as_bytes()];
    let mut len = 0;
    for part in parts {
        if let Some(room) = text.get_mut(len..len + part.len()) {
            room.copy_from_slice(part);
            len += part.len();
        }
    }
    let id = core::str::from_utf8(&text).ok().and_then(|text| text.get(..len));
    EventId::from_line(String::from(id.unwrap_or_default()))
}

/// The epoch and the number of an id, if the id has the form that a log gives: split at the last
/// dash, the number in decimal without leading zeros.
pub(crate) fn read(id: &str) -> Option<(Epoch, u64)> {
    let dash = memchr::memrchr(b'-', id.as_bytes())?;
    let (epoch, digits) = (id.get(..dash)?, id.get(dash + 1..)?);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    let number = digits.parse().ok().filter(|_| is_number)?;
    Some((Epoch::new(epoch).ok()?, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numbered_id_is_read_as_it_was_written() {
        let epoch = Epoch::new("a_1").unwrap();
        for number in [0, 1, 10, u64::MAX] {
            assert_eq!(read(write(&epoch, number).as_str()), Some((epoch, number)));
        }
    }

    #[test]
    fn text_that_a_log_would_not_write_is_not_a_numbered_id() {
        for id in ["", "-", "a", "a-", "-1", "a-01", "a-+1", "a-1 ", "a.b-1", "a-b-1", "a-1x"] {
            assert_eq!(read(id), None, "{id}");
        }
        assert_eq!(read("a-18446744073709551616"), None, "more than a u64");
    }
}
