//! Reading and waiting in one locking: at home, or in the shard of the reader.

use std::task::{Poll, Waker};

use super::place::Place;
use super::shard::{Shard, ShardState, Slice};
use super::shared::Shared;
use super::state::State;
use super::sync::MutexGuard;
use super::terms::Terms;
use crate::frame::Frame;
use crate::log::{Cursor, Read};

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
    /// Reads new events.
    pub(super) fn read(&mut self) -> Read {
        match self.place.shard(self.shared) {
            Some(shard) => self.read_in(shard, shard.lock(), None),
            None => self.read_at_home(None),
        }
    }

    /// Reads new events, and registers the waker if the read reaches the tip. Never returns
    /// [`Read::Wait`] when it is ready.
    #[inline]
    pub(super) fn poll_read(&mut self, waker: &Waker) -> Poll<Read> {
        match self.place.settle(self.shared) {
            Some(shard) => self.poll_in(shard, waker),
            None => self.poll_at_home(waker),
        }
    }

    fn poll_at_home(&mut self, waker: &Waker) -> Poll<Read> {
        loop {
            // Cloned and dropped without the lock, because it is the runtime's code that runs.
            let read = self.read_at_home(Some(waker.clone()));
            if read != Read::Wait {
                return Poll::Ready(read);
            }
            if !self.has_news() {
                return Poll::Pending;
            }
        }
    }

    fn poll_in(&mut self, shard: &Shard, waker: &Waker) -> Poll<Read> {
        loop {
            let own = waker.clone();
            let mut state = shard.lock();
            if let Some(frame) = self.read_slice(&state) {
                let unneeded = self.wait_in(shard, &mut state, Some(own));
                drop(state);
                drop(unneeded);
                return Poll::Ready(Read::Events(frame));
            }
            let read = self.read_in(shard, state, Some(own));
            if read != Read::Wait {
                return Poll::Ready(read);
            }
            if !self.has_news() {
                return Poll::Pending;
            }
        }
    }

    /// Registers the waker, unless there is something to read.
    pub(super) fn poll_wake(&mut self, waker: &Waker) -> Poll<()> {
        let shard = self.place.settle(self.shared);
        let waker = waker.clone();
        let unneeded = match shard {
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

    #[inline(always)]
    fn read_at_home(&mut self, waker: Option<Waker>) -> Read {
        let mut state = self.shared.lock();
        let settings = self.shared.settings();
        let mut read = state.log.read(self.cursor, settings.read_budget);
        if matches!(read, Read::Lagged | Read::Hole) && !self.leaves_gaps {
            read = self.terms.reset_if_missing(read, self.cursor, &mut state, settings);
        }
        let unneeded = self.wait_at_home(&mut state, waker);
        drop(state);
        drop(unneeded);
        read
    }

    #[inline(never)]
    fn read_in(
        &mut self,
        shard: &Shard,
        mut state: MutexGuard<'_, ShardState>,
        waker: Option<Waker>,
    ) -> Read {
        let mut stale = None;
        let read = match self.read_slice(&state) {
            Some(frame) => Read::Events(frame),
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

    /// Reads the slice that is kept for the readers of the shard.
    #[inline]
    fn read_slice(&mut self, state: &ShardState) -> Option<Frame> {
        let slice = state.find(*self.cursor, &self.shared.tip)?;
        *self.cursor = slice.to();
        Some(slice.frame())
    }

    /// Reads from the log, and keeps the slice for the other readers of the shard. The slice that was
    /// kept before is put into `stale`, to be dropped without the lock.
    #[inline(never)]
    fn read_into(&mut self, state: &mut ShardState, stale: &mut Option<Slice>) -> Read {
        let (mut channel, settings) = (self.shared.lock(), self.shared.settings());
        let from = *self.cursor;
        let read = match channel.log.read(self.cursor, settings.read_budget) {
            Read::Events(frame) => {
                let end = channel.log.last();
                drop(channel);
                let slice = Slice::new(from, *self.cursor, end, frame);
                let frame = slice.frame();
                *stale = state.keep(slice);
                return Read::Events(frame);
            }
            read => read,
        };
        if self.leaves_gaps {
            return read;
        }
        self.terms.reset_if_missing(read, self.cursor, &mut channel, settings)
    }

    /// Registers a waker at home, unless there is something to read. Returns what the caller drops
    /// without the lock.
    #[inline(always)]
    fn wait_at_home(&mut self, state: &mut State, waker: Option<Waker>) -> Option<Waker> {
        if state.log.is_ready(*self.cursor) {
            return waker;
        }
        self.place.wait_at_home(self.shared, state, waker?)
    }

    /// Registers a waker in a shard, unless there is something to read. The caller reads the tip
    /// after this. Returns what the caller drops without the lock.
    #[inline(always)]
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
