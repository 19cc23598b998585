//! Why channels cannot share a stream.

use std::error::Error;
use std::fmt;
use std::string::String;

use super::id::{MAX_CHANNELS, MAX_NAME_LEN, MergedId};

/// Why channels cannot share a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MergeError {
    /// There is no channel.
    NoChannel,
    /// There are more than four.
    TooManyChannels,
    /// The name of a channel is not 1 to 32 ASCII letters, digits and underscores.
    InvalidName(String),
    /// Two channels have this name.
    NameTwice(String),
    /// The channel of this name has another name, too. To read several topics of one channel,
    /// subscribe once, with one filter.
    ChannelTwice(String),
    /// The events of the channel of this name have ids of their own, which can be of any form and
    /// length.
    OwnIds(String),
    /// The ids could have this many bytes, which is more than [`MergedId::MAX_LEN`]. Shorter names
    /// help, and shorter epochs.
    IdTooLong(usize),
}

impl fmt::Display for MergeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoChannel => write!(f, "there is no channel; 1 to {MAX_CHANNELS} are merged"),
            Self::TooManyChannels => {
                write!(
                    f,
                    "there are more than {MAX_CHANNELS} channels; 1 to {MAX_CHANNELS} are merged"
                )
            }
            Self::InvalidName(name) => write!(
                f,
                "{name:?} cannot name a channel; a name is 1 to {MAX_NAME_LEN} letters, digits and underscores"
            ),
            Self::NameTwice(name) => write!(f, "two channels are named {name:?}"),
            Self::ChannelTwice(name) => {
                write!(f, "the channel {name:?} is merged under another name, too")
            }
            Self::OwnIds(name) => {
                write!(f, "the events of the channel {name:?} have ids of their own")
            }
            Self::IdTooLong(len) => write!(
                f,
                "an id of these channels can have {len} bytes, and {} are allowed; \
                 use shorter names or epochs",
                MergedId::MAX_LEN
            ),
        }
    }
}

impl Error for MergeError {}
