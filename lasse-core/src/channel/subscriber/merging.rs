//! What a stream of several channels asks of the subscriber of each.

use std::sync::Arc;

use super::Subscriber;
use crate::channel::notice::NoticeName;
use crate::log::{Epoch, Gauge, Read};

impl Subscriber {
    /// Has the subscriber mark its notices: the merged stream writes the positions, and adds the name
    /// of the channel to the others.
    pub(in crate::channel) fn mark_notices(&mut self) {
        self.terms.mark_notices();
    }

    /// The epoch of the channel's ids. None, if its events have ids of their own.
    pub(in crate::channel) fn epoch(&self) -> Option<Epoch> {
        let state = self.shared.lock();
        Some(*state.log.epoch()).filter(|_| !state.log.has_own_ids())
    }

    pub(in crate::channel) fn is_of_channel_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The name of the channel's position events.
    pub(in crate::channel) fn position_name(&self) -> Option<NoticeName> {
        self.shared.settings().position.clone()
    }

    /// The count of the channel's bytes that readers hold.
    pub(in crate::channel) fn gauge(&self) -> Gauge {
        self.shared.lock().log.gauge()
    }

    /// What the stream of the channel starts with, before the events. None, if that waits for
    /// something, or if there is nothing.
    pub(in crate::channel) fn read_first_notices(&mut self) -> Option<Read> {
        self.read_opening().filter(|read| matches!(read, Read::Events(_)))
    }
}
