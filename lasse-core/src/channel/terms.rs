//! How a stream starts, and what happens to it where events are missing.

use super::config::{LagPolicy, Settings};
use super::notice::reset;
use super::state::State;
use super::subscriber::ResumeOutcome;
use crate::log::{Cursor, Read, ResetReason, StartAt};

/// How a stream starts, and what happens to it where events are missing.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) outcome: ResumeOutcome,
    /// Whether a client that cannot resume gets a snapshot.
    pub(super) has_snapshots: bool,
    notices: Notices,
    pub(super) has_lagged: bool,
}

/// Which events of the protocol the client is sent: its position, a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notices {
    All,
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "a request has a dialect"))]
    None,
    /// All, marked for the merged stream of several channels.
    Marked,
    /// Only the marks of positions, by which the merged stream makes its ids.
    OnlyMarks,
}

impl Terms {
    pub(super) fn new(outcome: ResumeOutcome) -> Self {
        Self { outcome, has_snapshots: false, notices: Notices::All, has_lagged: false }
    }

    /// Whether the client is sent notices.
    pub(super) fn has_notices(&self) -> bool {
        matches!(self.notices, Notices::All | Notices::Marked)
    }

    /// Whether notices are marked, for the merged stream of several channels.
    pub(super) fn has_marks(&self) -> bool {
        matches!(self.notices, Notices::Marked | Notices::OnlyMarks)
    }

    /// Marks the notices.
    pub(super) fn mark_notices(&mut self) {
        self.notices = if self.has_notices() { Notices::Marked } else { Notices::OnlyMarks };
    }

    /// Sends no notices, to a client that would not know them.
    #[cfg(feature = "http")]
    pub(super) fn omit_notices(&mut self) {
        self.notices = if self.has_marks() { Notices::OnlyMarks } else { Notices::None };
    }

    /// The result of a read from the log, or a reset in place of events that are missing.
    pub(super) fn reset_if_missing(
        &mut self,
        mut read: Read,
        cursor: &mut Cursor,
        state: &mut State,
        settings: &Settings,
    ) -> Read {
        loop {
            let reason = match read {
                Read::Lagged => ResetReason::Lagged,
                Read::Hole => ResetReason::Hole,
                read => return read,
            };
            if let Some(reset) = self.reset(reason, cursor, state, settings) {
                return reset;
            }
            read = state.log.read(cursor, settings.read_budget);
        }
    }

    /// The reset of a reader at a gap. None, if it continues without one.
    pub(super) fn reset(
        &mut self,
        reason: ResetReason,
        cursor: &mut Cursor,
        state: &mut State,
        settings: &Settings,
    ) -> Option<Read> {
        if !self.has_lagged {
            state.stats.get_or_insert_default().count_reset(reason);
        }
        let skips = settings.lag_policy == LagPolicy::Skip || reason == ResetReason::Hole;
        if self.has_snapshots || self.has_lagged || !skips || !self.has_notices() {
            self.has_lagged = true;
            return Some(Read::Lagged);
        }
        if reason == ResetReason::Lagged {
            *cursor = state.log.cursor(StartAt::Oldest);
        }
        let at = state.log.id_before(*cursor);
        reset(self, settings, reason, None, at.as_ref(), at.as_ref()).map(Read::Events)
    }
}
