//! Reading and waiting in one locking: at home, or in the shard of the reader.

use std::task::{Poll, Waker};

use super::place::Place;
use super::shard::{Shard, ShardState, Slice};
use super::shared::Shared;
use super::state::State;
use super::terms::Terms;
use crate::log::{Cursor, Read, ResetReason, StartAt};

/// The parts of a subscriber that read and wait.
pub(super) struct Reader<'a> {
    pub(super) shared: &'a Shared,
    pub(super) cursor: &'a mut Cursor,
    pub(super) place: &'a mut Place,
    pub(super) terms: &'a mut Terms,
    /// Whether the caller deals with events that are missing.
    pub(super) leaves_gaps: bool,
}

impl Reader<'_> {
    /// Reads new events. With a waker, registers it if the read reaches the tip.
    pub(super) fn read(&mut self, waker: Option<&Waker>) -> Read {
        // Cloned and dropped without the lock, because it is the runtime's code that runs.
        let waker = waker.cloned();
        match self.place.shard(self.shared) {
            Some(shard) => self.read_in(shard, waker),
            None => self.read_at_home(waker),
        }
    }

    /// Reads new events, or else registers the waker.
    pub(super) fn poll_read(&mut self, waker: &Waker) -> Poll<Read> {
        self.place.settle(self.shared);
        loop {
            match self.read(Some(waker)) {
                Read::Wait if !self.has_news() => return Poll::Pending,
                Read::Wait => {}
                read => return Poll::Ready(read),
            }
        }
    }

    /// Registers the waker, unless there is something to read.
    pub(super) fn poll_wake(&mut self, waker: &Waker) -> Poll<()> {
        self.place.settle(self.shared);
        let waker = waker.clone();
        let unneeded = match self.place.shard(self.shared) {
            Some(shard) => {
                let mut state = shard.lock();
                self.wait_in(shard, &mut state, Some(waker))
            }
            None => {
                let mut state = self.shared.lock();
                self.wait_at_home(&mut state, Some(waker))
            }
        };
        drop(unneeded);
        if self.has_news() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn read_at_home(&mut self, waker: Option<Waker>) -> Read {
        let mut state = self.shared.lock();
        let settings = self.shared.settings();
        let read = if self.leaves_gaps {
            state.log.read(self.cursor, settings.read_budget)
        } else {
            self.terms.read(self.cursor, &mut state, settings)
        };
        let unneeded = self.wait_at_home(&mut state, waker);
        drop(state);
        drop(unneeded);
        read
    }

    fn read_in(&mut self, shard: &Shard, waker: Option<Waker>) -> Read {
        let mut state = shard.lock();
        let mut stale = None;
        let read = match state.find(*self.cursor, &self.shared.tip) {
            Some((frame, to)) => {
                *self.cursor = to;
                Read::Events(frame)
            }
            None if !self.has_news() => Read::Wait,
            // It is further behind than others of its shard, which must not wait for it.
            None if state.is_beyond(*self.cursor) => {
                drop(state);
                drop(waker);
                return self.read_at_home(None);
            }
            None => self.read_into(&mut state, &mut stale),
        };
        let unneeded = self.wait_in(shard, &mut state, waker);
        drop(state);
        drop((unneeded, stale));
        read
    }

    /// Reads from the log, and keeps the slice for the other readers of the shard. The slice that was
    /// kept before is put into `stale`, to be dropped without the lock.
    fn read_into(&mut self, state: &mut ShardState, stale: &mut Option<Slice>) -> Read {
        let (mut channel, settings) = (self.shared.lock(), self.shared.settings());
        let from = *self.cursor;
        let reason = match channel.log.read(self.cursor, settings.read_budget) {
            Read::Events(frame) => {
                let end = channel.log.cursor(StartAt::Now);
                drop(channel);
                let slice = Slice::new(from, *self.cursor, end, frame);
                let frame = slice.frame();
                *stale = state.keep(slice);
                return Read::Events(frame);
            }
            Read::Lagged if !self.leaves_gaps => ResetReason::Lagged,
            Read::Hole if !self.leaves_gaps => ResetReason::Hole,
            read => return read,
        };
        let reset = self.terms.reset(reason, self.cursor, &mut channel, settings);
        reset.unwrap_or_else(|| self.terms.read(self.cursor, &mut channel, settings))
    }

    /// Registers a waker at home, unless there is something to read. Returns what the caller drops
    /// without the lock.
    fn wait_at_home(&mut self, state: &mut State, waker: Option<Waker>) -> Option<Waker> {
        if state.log.is_ready(*self.cursor) {
            return waker;
        }
        self.place.wait_at_home(self.shared, state, waker?)
    }

    /// Registers a waker in a shard, unless there is something to read. The caller reads the tip
    /// after this. Returns what the caller drops without the lock.
    fn wait_in(
        &mut self,
        shard: &Shard,
        state: &mut ShardState,
        waker: Option<Waker>,
    ) -> Option<Waker> {
        if self.has_news() {
            return waker;
        }
        self.place.wait_in(self.shared, shard, state, waker?)
    }

    fn has_news(&self) -> bool {
        self.shared.tip.has_news(*self.cursor)
    }
}
