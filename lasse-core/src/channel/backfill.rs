//! Events that the log no longer holds, read from elsewhere before the live ones.

use std::boxed::Box;
use std::fmt;
use std::task::{Context, Poll};

use crate::field::EventId;
use crate::frame::Frame;
use crate::log::ResetReason;

/// Reads events that a channel's log no longer holds, from a store that keeps them longer.
///
/// A subscriber with a backfill reads pages at the pace of its client, until one of them ends where
/// the log begins. Then it drops the backfill and reads the log, without a gap and without a
/// repeat. See [`Channel::subscribe_with_backfill`](crate::Channel::subscribe_with_backfill).
pub trait Backfill: Send {
    /// Returns the next page. Before it returns [`Poll::Pending`], it registers the waker of `cx`.
    ///
    /// It is called again at once after [`BackfillPage::Skipped`].
    fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<BackfillPage>;
}

/// What a [`Backfill`] returns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackfillPage {
    /// Whole events in order, and the id of the last one. About 64 KiB are enough.
    Events(Frame, EventId),
    /// The next events, up to the one with this id, are not for the client: its filter leaves them
    /// out.
    Skipped(EventId),
    /// The next events are missing there, too: the client is reset, and starts like a client that
    /// cannot resume.
    Missing(ResetReason),
    /// They cannot be read now. The stream ends cleanly, and the client reconnects.
    Failed,
}

/// A backfill that continues.
pub(super) struct Backfilling {
    pub(super) pages: Box<dyn Backfill>,
    /// The last event that the client has.
    pub(super) after: EventId,
}

impl fmt::Debug for Backfilling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backfilling").field("after", &self.after).finish_non_exhaustive()
    }
}
