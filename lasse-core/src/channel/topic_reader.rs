//! The reader of a part of a channel: of some topics, or of the newest event of each key.

use std::sync::Arc;
use std::task::Waker;

use super::config::{LagPolicy, Settings};
use super::filter_handle::{FilterCell, FilterHandle};
use super::notice::{conflated, position, reset};
use super::place::Place;
use super::shard_topics::{join, leave};
use super::shared::Shared;
use super::state::State;
use super::terms::Terms;
use crate::frame::Frame;
use crate::log::{Cursor, Read, ResetReason, StartAt, View};
use crate::topic::TopicFilter;

/// A reader of a part of a channel. While it waits, it is in a list of each of its topics, and so is
/// woken by their events only.
#[derive(Debug)]
pub(super) struct TopicReader {
    pub(super) view: View,
    /// Whether it is in the lists of its topics, at home or in its shard.
    is_joined: bool,
    /// Whether the client must be sent its position.
    lacks_position: bool,
    /// Whether the client must be sent a notice that it skips superseded events.
    is_conflated: bool,
    /// Whether the client was sent the position of the cursor, or an event after which it is.
    pub(super) has_position: bool,
    /// The next filter, once there is a handle.
    filter: Option<Arc<FilterCell>>,
}

impl TopicReader {
    pub(super) fn new(view: View) -> Self {
        Self {
            lacks_position: view.is_catching_up(),
            view,
            is_joined: false,
            is_conflated: false,
            has_position: false,
            filter: None,
        }
    }

    /// The same reader, which must be sent a notice that it skips superseded events.
    pub(super) fn conflated(mut self) -> Self {
        (self.is_conflated, self.lacks_position) = (true, false);
        self
    }

    /// Has the client be sent its position.
    pub(super) fn request_position(&mut self) {
        self.lacks_position = true;
    }

    /// Whether it reads all events, one after the other, so that it need not be a reader of this
    /// kind any more.
    pub(super) fn is_plain(&self, settings: &Settings) -> bool {
        self.view.is_all()
            && !self.view.is_catching_up()
            && !self.lacks_position
            && self.filter.is_none()
            && !matches!(settings.lag_policy, LagPolicy::Latest { .. })
    }

    pub(super) fn handle(&mut self, shared: &Arc<Shared>) -> FilterHandle {
        FilterHandle::new(shared, self.filter.get_or_insert_default())
    }

    /// Takes a filter that a handle has left, and the place from which it applies.
    pub(super) fn take_filter(&self) -> Option<(TopicFilter, Cursor)> {
        self.filter.as_ref()?.take()
    }

    /// Registers a waker for the next filter. Returns `false` if there is one already. Called without
    /// the lock.
    pub(super) fn wait_for_filter(&self, waker: &Waker) -> bool {
        self.filter.as_ref().is_none_or(|cell| cell.wait(waker))
    }

    /// Reads new events, and puts notices in their places.
    pub(super) fn read(
        &mut self,
        cursor: &mut Cursor,
        state: &mut State,
        terms: &mut Terms,
        settings: &Settings,
    ) -> Read {
        if let Some(frame) = self.notice(*cursor, state, terms, settings) {
            return Read::Events(frame);
        }
        loop {
            let before = *cursor;
            let read = state.log.read_view(cursor, &mut self.view, settings.read_budget);
            self.has_position &= *cursor == before;
            let reason = match read {
                Read::Lagged => ResetReason::Lagged,
                Read::Hole => ResetReason::Hole,
                Read::Events(events) => {
                    return Read::Events(
                        self.with_position(events, *cursor, state, terms, settings),
                    );
                }
                read => {
                    let position = self.position(*cursor, state, terms, settings);
                    return position.map_or(read, Read::Events);
                }
            };
            if let Some(read) = self.reset(reason, cursor, state, terms, settings) {
                return read;
            }
        }
    }

    /// Whether a notice is the next that the client is sent.
    pub(super) fn has_notice(&self) -> bool {
        self.is_conflated || self.lacks_position
    }

    /// Whether the reader has to look into the log, even if it is up to date.
    pub(super) fn needs_log(&self) -> bool {
        self.has_notice() || !self.view.is_steady()
    }

    pub(super) fn is_joined(&self) -> bool {
        self.is_joined
    }

    /// Enters the lists of its topics.
    pub(super) fn join_lists(&mut self, shared: &Shared, place: &mut Place) {
        self.is_joined = true;
        drop(join(shared, place, &self.view));
    }

    /// Leaves the lists of its topics, if it is there.
    pub(super) fn leave_lists(&mut self, shared: &Shared, place: &Place) {
        if std::mem::take(&mut self.is_joined) {
            drop(leave(shared, place, &self.view));
        }
    }

    /// Registers the waker of a reader of some topics that has read everything. The caller drops what
    /// this returns without the lock.
    pub(super) fn wait_at_home(
        &self,
        place: &Place,
        state: &mut State,
        waker: Waker,
    ) -> Option<Waker> {
        match place.ticket() {
            Some(ticket) if self.is_joined => state.home.wait_apart(ticket, waker),
            _ => Some(waker),
        }
    }

    /// The position of a reader that was not sent an id since it moved on, in place of a keep-alive.
    pub(super) fn keep_alive(
        &mut self,
        cursor: &mut Cursor,
        shared: &Shared,
        terms: &Terms,
    ) -> Option<Frame> {
        if self.view.is_all() || self.view.is_catching_up() {
            return None;
        }
        let state = shared.lock();
        let end = state.log.cursor(StartAt::Now);
        if state.log.is_view_ready(*cursor, &self.view) || (self.has_position && *cursor == end) {
            return None;
        }
        *cursor = end;
        self.has_position = true;
        let at = state.log.id_before(end)?;
        drop(state);
        position(terms, shared.settings(), &at)
    }

    /// Changes the filter of a reader that is in no list.
    pub(super) fn set_filter(
        &mut self,
        cursor: &mut Cursor,
        state: &mut State,
        filter: &TopicFilter,
        from: Cursor,
    ) {
        state.log.change_view_from(cursor, &mut self.view, filter, from);
        self.lacks_position = true;
    }

    /// The notice that comes before events, if there is one now.
    fn notice(
        &mut self,
        cursor: Cursor,
        state: &mut State,
        terms: &Terms,
        settings: &Settings,
    ) -> Option<Frame> {
        if let LagPolicy::Latest { behind } = settings.lag_policy {
            let is_far =
                !self.view.is_catching_up() && state.log.behind(cursor, &self.view) > behind;
            self.is_conflated |= is_far && state.log.conflate(cursor, &mut self.view);
        }
        if std::mem::take(&mut self.is_conflated) {
            state.stats.get_or_insert_default().conflated += 1;
            let until = state.log.id_before(state.log.cursor(StartAt::Now));
            return conflated(terms, settings, until.as_ref());
        }
        self.position(cursor, state, terms, settings)
    }

    /// The events, and the position of the client, if it must be sent that.
    fn with_position(
        &mut self,
        events: Frame,
        cursor: Cursor,
        state: &State,
        terms: &Terms,
        settings: &Settings,
    ) -> Frame {
        match self.position(cursor, state, terms, settings) {
            Some(position) => Frame::concat(&[events, position]),
            None => events,
        }
    }

    /// The position of the client, if it must be sent that now.
    fn position(
        &mut self,
        cursor: Cursor,
        state: &State,
        terms: &Terms,
        settings: &Settings,
    ) -> Option<Frame> {
        let is_due = self.lacks_position && !self.view.is_catching_up();
        // The id of a place before the first event that is held is that of the first: it would move
        // the client past events that it lost.
        if !is_due
            || state.log.has_kept(cursor, &self.view)
            || state.log.has_lost(cursor, &self.view)
        {
            return None;
        }
        self.lacks_position = false;
        let at = state.log.id_before(cursor)?;
        let position = position(terms, settings, &at)?;
        self.has_position = true;
        Some(position)
    }

    /// Handles a reader that lacks events: it skips superseded events if nothing else is missing,
    /// or is reset. Returns `None` if it continues without a notice.
    pub(super) fn reset(
        &mut self,
        reason: ResetReason,
        cursor: &mut Cursor,
        state: &mut State,
        terms: &mut Terms,
        settings: &Settings,
    ) -> Option<Read> {
        let is_latest = matches!(settings.lag_policy, LagPolicy::Latest { .. });
        if !is_latest || reason != ResetReason::Lagged || !terms.has_notices() {
            return terms.reset(reason, cursor, state, settings);
        }
        if state.log.conflate(*cursor, &mut self.view) {
            self.is_conflated = true;
            return self.notice(*cursor, state, terms, settings).map(Read::Events);
        }
        state.stats.get_or_insert_default().count_reset(reason);
        *cursor = state.log.start_view(StartAt::LatestPerKey, &mut self.view);
        self.lacks_position = true;
        reset(terms, settings, reason, None, None, None).map(Read::Events)
    }
}
