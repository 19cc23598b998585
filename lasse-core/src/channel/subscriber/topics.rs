//! How a subscriber of a part of the channel reads and waits: in its shard if it is up to date, and
//! otherwise in the log.

use std::task::{Poll, Waker};

use super::Subscriber;
use crate::channel::config::LagPolicy;
use crate::channel::shard_topics::Found;
use crate::channel::topic_reader::TopicReader;
use crate::log::{Cursor, Read, ResetReason, StartAt};

impl Subscriber {
    /// Reads new events from the log.
    pub(super) fn read_topics(&mut self) -> Read {
        self.apply_filter(None);
        self.read_log(None)
    }

    /// Reads new events, or else registers the waker and returns [`Read::Wait`]. It registers no
    /// waker if the subscriber reads all events from now on.
    pub(super) fn poll_topics(&mut self, waker: &Waker) -> Read {
        loop {
            self.apply_filter(Some(waker));
            let Some(topics) = self.rare.topics() else { return Read::Wait };
            let read = match topics.view.is_all() {
                true => self.poll_all(waker),
                false => self.poll_some(waker),
            };
            if let Some(read) = read {
                return read;
            }
        }
    }

    /// Ready when there is something to read. Until then, registers the waker.
    pub(super) fn poll_wake_topics(&mut self, waker: &Waker) -> Poll<()> {
        loop {
            self.apply_filter(Some(waker));
            let Some(topics) = self.rare.topics() else { return Poll::Ready(()) };
            if topics.has_notice() {
                return Poll::Ready(());
            }
            if topics.view.is_all() {
                return self.poll_wake_all(waker);
            }
            self.settle_topics();
            match self.find_in_shard(waker) {
                Found::Events(..) => return Poll::Ready(()),
                Found::Nothing => return Poll::Pending,
                Found::Log => {}
            }
            let Some(end) = self.end_if_read(waker) else { return Poll::Ready(()) };
            if self.place.shard(&self.shared).is_none() || self.wait_in_shard(end, waker) {
                return Poll::Pending;
            }
        }
    }

    /// For a reader of all events, which is of this kind for its notices. None: once more.
    fn poll_all(&mut self, waker: &Waker) -> Option<Read> {
        let settings = self.shared.settings();
        let topics = self.rare.topics()?;
        let is_far = match settings.lag_policy {
            LagPolicy::Latest { behind } => self.shared.tip.around(self.cursor).0 > behind,
            LagPolicy::Skip | LagPolicy::Disconnect => false,
        };
        if is_far || topics.needs_log() || topics.is_plain(settings) {
            return Some(self.read_log(None)).filter(|read| *read != Read::Wait);
        }
        if self.is_registered(waker) {
            return Some(Read::Wait);
        }
        let mut reader = self.reader();
        reader.leaves_gaps = true;
        let reason = match reader.poll_read(waker) {
            Poll::Pending => return Some(Read::Wait),
            Poll::Ready(Read::Lagged) => ResetReason::Lagged,
            Poll::Ready(Read::Hole) => ResetReason::Hole,
            Poll::Ready(read) => return Some(read),
        };
        let mut state = self.shared.lock();
        let topics = self.rare.topics_mut()?;
        topics.reset(reason, &mut self.cursor, &mut state, &mut self.terms, self.shared.settings())
    }

    /// For a reader of some topics. None: once more.
    fn poll_some(&mut self, waker: &Waker) -> Option<Read> {
        self.settle_topics();
        if self.rare.topics().is_some_and(|topics| !topics.needs_log()) {
            match self.find_in_shard(waker) {
                Found::Events(frame, to) => {
                    let topics = self.rare.topics_mut()?;
                    topics.has_position &= self.cursor == to;
                    self.cursor = to;
                    return Some(Read::Events(frame));
                }
                Found::Nothing => return Some(Read::Wait),
                Found::Log => {}
            }
        }
        match self.read_log(Some(waker)) {
            Read::Wait if self.place.shard(&self.shared).is_none() => Some(Read::Wait),
            Read::Wait => self.wait_in_shard(self.cursor, waker).then_some(Read::Wait),
            read => Some(read),
        }
    }

    fn poll_wake_all(&mut self, waker: &Waker) -> Poll<()> {
        let is_catching_up = |topics: &TopicReader| topics.view.is_catching_up();
        if self.rare.topics().is_some_and(is_catching_up) && self.end_if_read(waker).is_none() {
            return Poll::Ready(());
        }
        if self.is_registered(waker) {
            return Poll::Pending;
        }
        self.reader().poll_wake(waker)
    }

    /// Enters the lists of its topics where it has to wait now, if it is not there.
    fn settle_topics(&mut self) {
        let Self { shared, rare, place, .. } = self;
        let Some(topics) = rare.topics_mut() else { return };
        if topics.is_joined() && !place.has_to_move(shared) {
            return;
        }
        topics.leave_lists(shared, place);
        place.settle(shared);
        topics.join_lists(shared, place);
    }

    /// What a reader of some topics finds in its shard, where it registers the waker unless it has to
    /// look into the log.
    fn find_in_shard(&self, waker: &Waker) -> Found {
        let (Some(topics), Some(shard)) = (self.rare.topics(), self.place.shard(&self.shared))
        else {
            return Found::Log;
        };
        let Some(ticket) = self.place.ticket() else { return Found::Log };
        let waker = waker.clone();
        let mut state = shard.lock();
        let found = state.find_topics(ticket, self.cursor, &topics.view, &self.shared.tip);
        let unneeded = match found {
            Found::Log => Some(waker),
            Found::Events(..) | Found::Nothing => state.wait_for_topics(ticket, waker),
        };
        drop(state);
        drop(unneeded);
        found
    }

    /// Registers the waker in the shard, if nothing after `read_up_to` can have made the reader due.
    fn wait_in_shard(&self, read_up_to: Cursor, waker: &Waker) -> bool {
        let Some((ticket, shard)) = self.place.ticket().zip(self.place.shard(&self.shared)) else {
            return true;
        };
        let waker = waker.clone();
        let mut state = shard.lock();
        let can_wait = state.can_wait_from(read_up_to);
        let unneeded = if can_wait { state.wait_for_topics(ticket, waker) } else { Some(waker) };
        drop(state);
        drop(unneeded);
        can_wait
    }

    /// Reads from the log. With a waker, registers it if nothing is left to read, and if the reader is
    /// one of topics that waits at home.
    fn read_log(&mut self, waker: Option<&Waker>) -> Read {
        let waker = waker.cloned();
        let Self { shared, cursor, rare, place, terms } = self;
        let Some(topics) = rare.topics_mut() else { return Read::Wait };
        let settings = shared.settings();
        let mut state = shared.lock();
        let read = topics.read(cursor, &mut state, terms, settings);
        let is_plain = topics.is_plain(settings);
        let waits = read == Read::Wait && place.shard(shared).is_none();
        let unneeded = match waker {
            Some(waker) if waits => topics.wait_at_home(place, &mut state, waker),
            waker => waker,
        };
        drop(state);
        drop(unneeded);
        if is_plain {
            rare.take_topics();
        }
        read
    }

    /// The end of the log, if the reader has everything before it. Then, a reader of topics that waits
    /// at home has registered the waker.
    fn end_if_read(&self, waker: &Waker) -> Option<Cursor> {
        let topics = self.rare.topics()?;
        let waker = waker.clone();
        let mut state = self.shared.lock();
        if state.log.is_view_ready(self.cursor, &topics.view) {
            drop(state);
            drop(waker);
            return None;
        }
        let end = state.log.cursor(StartAt::Now);
        let unneeded = match self.place.shard(&self.shared) {
            Some(_) => Some(waker),
            None => topics.wait_at_home(&self.place, &mut state, waker),
        };
        drop(state);
        drop(unneeded);
        Some(end)
    }
}
