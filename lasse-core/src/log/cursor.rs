//! A place in a log, and how a log ends.

/// Where a reader of a [`Log`](crate::Log) stands: between two events.
///
/// A cursor is worth nothing to any other log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor(pub(super) u64);

impl Cursor {
    /// How many events there were before it.
    #[cfg(feature = "std")]
    pub(crate) fn position(self) -> u64 {
        self.0
    }
}

/// How a log came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// All that was to be said has been said.
    Finished,
    /// More should have come, and cannot.
    Aborted,
}
