//! What happens to a client.

use std::time::Duration;

use super::random::Random;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum ClientAction {
    /// It takes nothing for a while.
    Stall(Duration),
    /// Its connection is cut.
    Cut(Cut),
    /// Its next request claims another last event id.
    Claim(Claim),
    /// It forgets everything and starts again, as a page that is loaded again.
    Reload,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cut {
    /// Both sides notice it.
    Reset,
    /// In the middle of what the server writes, after so many bytes.
    After(u64),
    /// The server does not notice.
    Vanish,
    /// The client closes its direction only.
    HalfClose,
}

/// What a client claims as its last event id.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Claim {
    Nothing,
    Empty,
    /// The id of an entry of the node's log that was sent before, by its index from the newest.
    Known(usize),
    /// A number of the log's own form.
    Number(u64),
    Text(&'static str),
    Long,
    NotUtf8,
    /// Two fields that differ.
    Two,
}

impl Cut {
    pub(super) fn random(random: &mut Random) -> Self {
        let after = Self::After(random.within(0..2_000));
        random.pick(&[Self::Reset, after, after, Self::Vanish, Self::HalfClose])
    }
}

impl Claim {
    pub(super) fn random(random: &mut Random) -> Self {
        match random.within(0..10) {
            0 => Self::Nothing,
            1 => Self::Empty,
            2..5 => Self::Known(random.up_to(30)),
            5 => Self::Number(random.pick(&[0, 1, 2, 5, u64::MAX, 999_999_999_999_999_999])),
            6 | 7 => Self::Text(random.pick(&[
                "foreign-3",
                "-",
                "-1",
                "x-",
                "x-01",
                "x--1",
                "Ünicode",
                "a b",
                "1",
                "x-99999999999999999999999",
            ])),
            8 => Self::Long,
            _ => random.pick(&[Self::NotUtf8, Self::Two]),
        }
    }
}
