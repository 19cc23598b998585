//! Why a log refuses an event.

use core::error::Error;
use core::fmt;

use super::cursor::Ending;
use crate::field::LastEventId;

/// Why a [`Log`](crate::Log) refuses an event, or another change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppendError {
    /// The log has ended: it refuses every event.
    Ended(Ending),
    /// The id is empty: it would make a client forget its last id.
    EmptyId,
    /// The id is longer than a client can send back.
    IdTooLong {
        /// The bytes of the id.
        len: usize,
    },
    /// The id cannot stand in a header.
    UnsendableId {
        /// The byte that cannot.
        byte: u8,
        /// Its offset in the id.
        at: usize,
    },
    /// The event's own id has the form of the log's ids, `<epoch>-<number>`.
    NumberedId,
    /// The events of this log are numbered, and this one has an id of its own.
    OwnIdInNumberedLog,
    /// The events of this log have ids of their own, and this one is numbered.
    NumberInOwnIdLog,
    /// The number is not above the newest.
    NumberNotAbove {
        /// The newest number.
        newest: u64,
    },
    /// The log has given its last number.
    NumbersUsedUp,
    /// The log holds events of this epoch already.
    EpochInUse,
}

impl AppendError {
    /// How the log ended, if that is why.
    pub fn ending(&self) -> Option<Ending> {
        match self {
            Self::Ended(ending) => Some(*ending),
            _ => None,
        }
    }
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(Ending::Finished) => f.write_str("the log is finished"),
            Self::Ended(Ending::Aborted) => f.write_str("the log was aborted"),
            Self::EmptyId => {
                f.write_str("the empty id makes a client forget; omit it to get a number")
            }
            Self::IdTooLong { len } => {
                let limit = LastEventId::MAX_LEN;
                write!(f, "the id has {len} bytes; a client can send back {limit}")
            }
            Self::UnsendableId { byte, at } => write!(
                f,
                "byte {at} of the id is {byte:#04x}; a header has no control characters, and no \
                 blanks at its ends"
            ),
            Self::NumberedId => f.write_str(
                "the id has the form of the log's own ids, <epoch>-<number>; append_as takes those",
            ),
            Self::OwnIdInNumberedLog => {
                f.write_str("the events of this log are numbered; this one has an id of its own")
            }
            Self::NumberInOwnIdLog => {
                f.write_str("the events of this log have ids of their own; this one is numbered")
            }
            Self::NumberNotAbove { newest } => {
                write!(f, "the number is not above the newest, which is {newest}")
            }
            Self::NumbersUsedUp => write!(f, "the log has given its last number, {}", u64::MAX),
            Self::EpochInUse => f.write_str("the log holds events of this epoch already"),
        }
    }
}

impl Error for AppendError {}

/// Checks that a client can send `id` back in a header.
pub(super) fn check_sendable(id: &str) -> Result<(), AppendError> {
    let last = match id.len() {
        0 => return Err(AppendError::EmptyId),
        len if len > LastEventId::MAX_LEN => return Err(AppendError::IdTooLong { len }),
        len => len - 1,
    };
    let mut bytes = id.bytes().enumerate();
    let bad = bytes
        .find(|(at, byte)| byte.is_ascii_control() || (*byte == b' ' && (*at == 0 || *at == last)));
    match bad {
        Some((at, byte)) => Err(AppendError::UnsendableId { byte, at }),
        None => Ok(()),
    }
}
