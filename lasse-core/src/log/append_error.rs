//! Why an event was not appended.

use core::error::Error;
use core::fmt;

use super::cursor::Ending;
use crate::field::LastEventId;

/// An event that a [`Log`](crate::Log) did not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendError(Problem);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    Over(Ending),
    Empty,
    TooLong(usize),
    Unsendable { byte: u8, at: usize },
    Numbered,
    Past(u64),
    UsedUp,
}

impl AppendError {
    /// How the log ended, if that is why: no other event will be taken either.
    /// Otherwise it was the event's id.
    pub fn ending(&self) -> Option<Ending> {
        match self.0 {
            Problem::Over(ending) => Some(ending),
            _ => None,
        }
    }

    pub(super) fn over(ending: Ending) -> Self {
        Self(Problem::Over(ending))
    }

    pub(super) fn numbered() -> Self {
        Self(Problem::Numbered)
    }

    pub(super) fn used_up() -> Self {
        Self(Problem::UsedUp)
    }

    pub(super) fn past(newest: u64) -> Self {
        Self(Problem::Past(newest))
    }
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Problem::Over(Ending::Finished) => f.write_str("the log is finished"),
            Problem::Over(Ending::Aborted) => f.write_str("the log was aborted"),
            Problem::Empty => {
                f.write_str("the empty id makes a client forget; leave it out to have a number")
            }
            Problem::TooLong(len) => {
                let most = LastEventId::MAX_LEN;
                write!(f, "the id has {len} bytes; a client may send back {most}")
            }
            Problem::Unsendable { byte, at } => write!(
                f,
                "byte {at} of the id is {byte:#04x}; a header holds no control characters, and \
                 no blanks at its ends"
            ),
            Problem::Numbered => f.write_str(
                "the id looks like one that a log makes, <epoch>-<number>; append_as takes those",
            ),
            Problem::Past(newest) => {
                write!(f, "the id's number is not above the newest, which is {newest}")
            }
            Problem::UsedUp => write!(f, "the log has given its last number, {}", u64::MAX),
        }
    }
}

impl Error for AppendError {}

/// Whether a client could send `id` back in a header.
pub(super) fn check_sendable(id: &str) -> Result<(), AppendError> {
    let last = match id.len() {
        0 => return Err(AppendError(Problem::Empty)),
        len if len > LastEventId::MAX_LEN => return Err(AppendError(Problem::TooLong(len))),
        len => len - 1,
    };
    let mut bytes = id.bytes().enumerate();
    let bad = bytes
        .find(|(at, byte)| byte.is_ascii_control() || (*byte == b' ' && (*at == 0 || *at == last)));
    match bad {
        Some((at, byte)) => Err(AppendError(Problem::Unsendable { byte, at })),
        None => Ok(()),
    }
}
