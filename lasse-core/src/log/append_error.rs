//! Why a log refuses an event.

use core::error::Error;
use core::fmt;

use super::cursor::Ending;
use crate::field::LastEventId;

/// Why a [`Log`](crate::log::Log) refuses an event, or another change.
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
    /// The id is not a valid value of a header.
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
    /// The event has a topic, and an id of its own. Topics need numbers: a place between two events
    /// of one topic could only have the id of another topic's event.
    TopicWithOwnId,
    /// The log has as many keys as its [`Compaction`](crate::Compaction) allows, and this is the
    /// first event of another.
    TooManyKeys {
        /// How many keys there can be.
        max: usize,
    },
    /// With this event, the newest events of all keys would have more bytes than the
    /// [`Compaction`](crate::Compaction) of the log allows.
    KeysTooLarge {
        /// How many bytes they can have.
        max: usize,
    },
    /// A tombstone needs a key, and the topic is not a key.
    NotAKey,
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
            Self::TopicWithOwnId => f.write_str(
                "an event with a topic cannot have an id of its own; omit it to get a number",
            ),
            Self::TooManyKeys { max } => write!(
                f,
                "the log has {max} keys, which is its limit; delete one by a tombstone, or raise \
                 Compaction::with_max_keys"
            ),
            Self::KeysTooLarge { max } => write!(
                f,
                "the newest events of all keys would have more than {max} bytes, which is the \
                 limit; see Compaction::with_max_bytes"
            ),
            Self::NotAKey => {
                f.write_str("the topic is not a key of this log, so it cannot be deleted")
            }
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
