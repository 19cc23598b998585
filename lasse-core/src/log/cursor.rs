//! A place in a log, and how a log ends.

/// A place in a [`Log`](crate::log::Log): between two events.
///
/// A cursor means nothing to any other log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor(pub(super) u64);

impl Cursor {
    /// How many events and holes there were before it.
    #[cfg(feature = "std")]
    pub(crate) fn position(self) -> u64 {
        self.0
    }
}

/// How a log ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// It is complete.
    Finished,
    /// It is incomplete: there should have been more events.
    Aborted,
}
