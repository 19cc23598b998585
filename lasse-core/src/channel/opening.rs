//! The frames that a stream starts with, before the first event.

use std::vec::Vec;

use super::backfill::Backfilling;
use super::config::Settings;
use super::notice::{position, reset};
use super::terms::Terms;
use crate::field::{EventId, LastEventId};
use crate::frame::Frame;
use crate::log::ResetReason;

/// What a stream starts with.
#[derive(Debug)]
pub(super) struct Opening {
    /// Why the client does not resume where it left off, if it does not.
    pub(super) reset: Option<ResetReason>,
    /// Whether the client has seen events that the channel does not have yet: it waits for them.
    pub(super) is_ahead: bool,
    /// The [changes](super::tip::Tip::changes) of the log when it was last seen to be behind.
    pub(super) changes: u32,
    /// The client's last event id.
    pub(super) requested: LastEventId,
    /// The id of the place where the stream starts, if the place has one.
    pub(super) at: Option<EventId>,
    /// Where the events come from that the log no longer holds.
    pub(super) backfill: Option<Backfilling>,
    /// The snapshot that the application supplied.
    pub(super) snapshot: Option<Vec<Frame>>,
}

impl Opening {
    /// The frames, in order.
    ///
    /// With a snapshot, no frame before its end carries the position: a client that is cut off
    /// within the snapshot reconnects as before, and gets all of the next one.
    pub(super) fn into_frames(self, terms: &Terms, settings: &Settings) -> Vec<Frame> {
        let Self { reset: reason, requested, at, snapshot, .. } = self;
        let has_snapshot = snapshot.is_some();
        let mut frames = Vec::new();
        let mut lacks_position = true;
        if let Some(reason) = reason {
            let id = at.as_ref().filter(|_| !has_snapshot);
            lacks_position = has_snapshot || settings.reset.is_none();
            frames.extend(reset(terms, settings, reason, requested.id(), at.as_ref(), id));
        }
        frames.extend(snapshot.into_iter().flatten());
        if let Some(at) = at.filter(|_| lacks_position) {
            frames.extend(position(terms, settings, &at));
        }
        frames
    }
}
