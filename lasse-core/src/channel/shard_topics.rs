//! The readers of topics in a shard: which of them an event concerns, and what they read.

use std::boxed::Box;
use std::task::Waker;
use std::vec::Vec;

use super::place::Place;
use super::shard::{Shard, ShardState};
use super::shared::Shared;
use super::tip::Tip;
use super::topic_calls::DueTopics;
use super::topic_lists::TopicLists;
use super::waiters::{Standing, Ticket};
use crate::frame::Frame;
use crate::log::{Batch, Cursor, StartAt, View};

/// The readers of topics in a shard.
///
/// A reader that waits here has everything before [`until`](Self::until), wherever its cursor is:
/// otherwise it would have become due.
#[derive(Debug)]
pub(super) struct ShardTopics {
    lists: TopicLists,
    /// How many readers there are, those of no topic included.
    readers: usize,
    /// The place up to which the readers of all events have become due.
    until: Cursor,
    /// How often readers have become due.
    turn: u64,
    /// What became due last. None, if its readers have to look into the log.
    batch: Option<Batch>,
    /// The due topics. The list is kept for its memory.
    due: DueTopics,
}

/// What a reader of topics finds in its shard.
#[derive(Debug)]
pub(super) enum Found {
    /// These events, and the place after them.
    Events(Frame, Cursor),
    /// Nothing, and the reader waits here.
    Nothing,
    /// The reader must look into the log.
    Log,
}

impl ShardState {
    /// Makes due the readers of all topics with new events. Returns values that the caller drops
    /// without the lock.
    pub(super) fn call_topics(&mut self, shard: &Shard, shared: &Shared) -> Option<Batch> {
        let mut channel = shared.lock();
        shard.topics_flag.clear();
        let topics = self.topics.as_deref_mut()?;
        channel.watchers.as_mut()?.calls.take(shard.number(), &mut topics.due);
        let from = std::mem::replace(&mut topics.until, channel.log.cursor(StartAt::Now));
        let batch = if topics.due.is_all() {
            None
        } else {
            channel.log.batch(from, topics.due.topics(), shared.settings().read_budget)
        };
        drop(channel);
        let stale = std::mem::replace(&mut topics.batch, batch);
        topics.turn += 1;
        if topics.due.is_all() {
            self.readers.call_apart();
        } else {
            for topic in topics.due.topics() {
                topics.lists.each_reader_of(*topic, |reader| self.readers.call_one(reader));
            }
        }
        stale
    }

    /// The turn in which the readers of topics became due that are due now.
    pub(super) fn turn(&self) -> u64 {
        self.topics.as_deref().map_or(0, |topics| topics.turn)
    }

    /// Takes the batch that is kept for readers.
    pub(super) fn take_batch(&mut self) -> Option<Batch> {
        self.topics.as_deref_mut()?.batch.take()
    }

    /// What a reader finds here, without the log.
    pub(super) fn find_topics(
        &self,
        ticket: Ticket,
        cursor: Cursor,
        view: &View,
        tip: &Tip,
    ) -> Found {
        let Some(topics) = self.topics.as_deref() else { return Found::Log };
        match self.readers.standing(ticket, topics.turn) {
            Standing::Waits => Found::Nothing,
            Standing::Elsewhere => Found::Log,
            Standing::IsDue => match &topics.batch {
                Some(batch) if !tip.has_passed(batch.first()) => match batch.read(cursor, view) {
                    Some(frame) => Found::Events(frame, batch.to().max(cursor)),
                    None => Found::Nothing,
                },
                _ => Found::Log,
            },
        }
    }

    /// Registers the waker of a reader of topics. The caller drops what this returns without the lock.
    pub(super) fn wait_for_topics(&mut self, ticket: Ticket, waker: Waker) -> Option<Waker> {
        self.readers.wait_apart(ticket, waker)
    }

    /// Whether a reader that has everything before `cursor` can wait here: no events after that have
    /// made readers due already.
    pub(super) fn can_wait_from(&self, cursor: Cursor) -> bool {
        self.topics.as_deref().is_some_and(|topics| topics.until <= cursor)
    }
}

/// Enters a reader at home or in its shard. It has to look into the log after this. The caller drops
/// the waker that was registered without a lock.
pub(super) fn join(shared: &Shared, place: &mut Place, view: &View) -> Option<Waker> {
    let Some(shard) = place.shard(shared) else {
        let mut state = shared.lock();
        let ticket = place.ticket_in(&mut state.home);
        state.watchers.get_or_insert_default().topics.join(ticket, view.ids());
        return state.home.forget(ticket);
    };
    let mut state = shard.lock();
    let ticket = place.ticket_in(&mut state.readers);
    let mut channel = shared.lock();
    let until = channel.log.cursor(StartAt::Now);
    let topics = state.topics.get_or_insert_with(|| Box::new(ShardTopics::new(until)));
    topics.readers += 1;
    topics.lists.join(ticket, view.ids());
    channel.watchers.get_or_insert_default().calls.join(shard.number(), view.ids());
    drop(channel);
    state.readers.forget(ticket)
}

/// Takes a reader out of the lists at home or of its shard. The caller drops what this returns
/// without a lock.
pub(super) fn leave(
    shared: &Shared,
    place: &Place,
    view: &View,
) -> (Option<Waker>, Option<Box<ShardTopics>>) {
    let Some(ticket) = place.ticket() else { return (None, None) };
    let Some(shard) = place.shard(shared) else {
        let mut state = shared.lock();
        if let Some(watchers) = &mut state.watchers {
            drop(watchers.topics.leave(ticket, view.ids()));
        }
        return (state.home.forget(ticket), None);
    };
    let mut state = shard.lock();
    let waker = state.readers.forget(ticket);
    let Some(topics) = state.topics.as_deref_mut() else { return (waker, None) };
    let left: Vec<u32> = topics.lists.leave(ticket, view.ids());
    topics.readers -= 1;
    let is_last = topics.readers == 0;
    if !left.is_empty() || is_last {
        let mut channel = shared.lock();
        if let Some(watchers) = &mut channel.watchers {
            watchers.calls.leave(shard.number(), &left, is_last);
        }
    }
    let stale = state.topics.take_if(|_| is_last);
    (waker, stale)
}

impl ShardTopics {
    fn new(until: Cursor) -> Self {
        Self {
            lists: TopicLists::default(),
            readers: 0,
            until,
            turn: 1,
            batch: None,
            due: DueTopics::default(),
        }
    }
}
