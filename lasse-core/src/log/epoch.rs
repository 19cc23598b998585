//! The name of one incarnation of a log.

use core::error::Error;
use core::fmt;

/// The name of one incarnation of a log, with which its ids begin: 1 to 32 letters, digits and
/// underscores.
///
/// A new log counts from one again. Its epoch distinguishes its ids from those of the log before.
/// Use a random epoch for each log, unless its events are numbered elsewhere.
///
/// # Examples
///
/// ```
/// use lasse_core::Epoch;
///
/// assert_eq!(Epoch::new("2026_02")?.as_str(), "2026_02");
/// assert_eq!(Epoch::from(61).as_str(), "z");
/// assert!(Epoch::new("no-dash").is_err());
/// # Ok::<(), lasse_core::log::InvalidEpoch>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl Epoch {
    /// The bytes of the longest epoch.
    pub const MAX_LEN: usize = 32;

    /// The epoch `text`.
    ///
    /// # Errors
    ///
    /// If `text` is empty, longer than 32 bytes, or has anything but ASCII letters, digits and
    /// underscores.
    pub fn new(text: &str) -> Result<Self, InvalidEpoch> {
        let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let mut bytes = [0; Self::MAX_LEN];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(room), Ok(len)) if is_word && len > 0 => {
                room.copy_from_slice(text.as_bytes());
                Ok(Self { bytes, len })
            }
            _ => Err(InvalidEpoch),
        }
    }

    /// The epoch as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// The epoch of a number, such as a random one, in as few letters and digits as possible.
impl From<u64> for Epoch {
    fn from(mut number: u64) -> Self {
        let mut epoch = Self { bytes: [0; Self::MAX_LEN], len: 0 };
        for byte in &mut epoch.bytes {
            let digit = (number % ALPHABET.len() as u64) as usize;
            *byte = ALPHABET.get(digit).copied().unwrap_or_default();
            epoch.len += 1;
            number /= ALPHABET.len() as u64;
            if number == 0 {
                break;
            }
        }
        epoch
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({:?})", self.as_str())
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is not an [`Epoch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidEpoch;

impl fmt::Display for InvalidEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an epoch is 1 to 32 letters, digits and underscores")
    }
}

impl Error for InvalidEpoch {}

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn an_epoch_has_1_to_32_letters_digits_and_underscores() {
        let longest = "x".repeat(32);
        assert_eq!(Epoch::new(&longest).unwrap().to_string(), longest);
        for text in ["", "a-b", "a b", "ä", &"x".repeat(33), &"x".repeat(300)] {
            assert_eq!(Epoch::new(text), Err(InvalidEpoch), "{text:?}");
        }
        let error = "an epoch is 1 to 32 letters, digits and underscores";
        assert_eq!(InvalidEpoch.to_string(), error);
        assert_eq!(Epoch::from(0).as_str(), "0");
        assert_eq!(Epoch::from(62).as_str(), "01");
        assert_eq!(Epoch::from(u64::MAX).as_str().len(), 11);
    }
}
