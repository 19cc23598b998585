//! The state of a channel behind its lock.

use std::boxed::Box;
use std::sync::{Arc, Weak};

use super::budget::{Budget, Counted};
use super::sample::Sample;
use super::seat::Seat;
use super::shard::Shards;
use super::stats::ChannelStats;
use super::topic_calls::{ShardSet, TopicCalls};
use super::topic_lists::TopicLists;
use super::waiters::Waiters;
use crate::log::{Cursor, Ending, Epoch, Log};

/// What the lock of a channel guards. It is held for microseconds. No code of others, such as that
/// of a waker, runs or is dropped under it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) log: Log,
    /// Readers that do not wait in a shard.
    pub(super) home: Waiters,
    pub(super) subscribers: usize,
    /// Tasks that watch the channel, if there ever were any.
    pub(super) watchers: Option<Box<Watchers>>,
    pub(super) dispatcher: Seat,
    /// The counters, once anything was counted.
    pub(super) stats: Option<Box<ChannelStats>>,
    /// The sum that the log's memory counts towards, and how much of it is counted.
    budget: Option<Weak<dyn Budget>>,
    counted: usize,
}

/// Tasks that watch a channel, or some of its topics.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    /// They wait for the last reader to leave.
    pub(super) idle: Waiters,
    /// They wait for the channel to end.
    pub(super) ended: Waiters,
    /// The readers of each topic, which wait at home.
    pub(super) topics: TopicLists,
    /// The shards that have readers of each topic.
    pub(super) calls: TopicCalls,
    pub(super) sample: Sample,
}

impl State {
    /// What readers wait for: a new entry, the end, or, if they are ahead, the next epoch.
    pub(super) fn extent(&self) -> (Cursor, Option<Ending>, Epoch) {
        (self.log.last(), self.log.ending(), *self.log.epoch())
    }

    pub(super) fn new(log: Log, budget: Option<Weak<dyn Budget>>) -> Self {
        Self {
            log,
            home: Waiters::default(),
            subscribers: 0,
            watchers: None,
            dispatcher: Seat::Empty,
            stats: None,
            budget,
            counted: 0,
        }
    }

    /// Makes due the readers that wait at home for the topics of the entries from `from` on.
    /// Returns the shards that the caller must call for their readers.
    pub(super) fn call_topics(&mut self, from: Cursor, shards: Option<&Shards>) -> ShardSet {
        let mut called = ShardSet::default();
        let Some(watchers) = self.watchers.as_deref_mut() else { return called };
        let (home, lists, calls) = (&mut self.home, &watchers.topics, &mut watchers.calls);
        let mut call = |topic: Option<u32>| {
            match topic {
                Some(topic) => lists.each_reader_of(topic, |reader| home.call_one(reader)),
                None => home.call_apart(),
            }
            for number in calls.call(topic).iter() {
                let shard = shards.and_then(|shards| shards.get(number));
                if shard.is_some_and(|shard| shard.topics_flag.set()) {
                    called.insert(number);
                }
            }
        };
        if self.log.ending().is_some() {
            call(None);
        }
        self.log.each_topic_from(from, call);
        called
    }

    /// The event whose time is taken.
    pub(super) fn sample(&mut self) -> &mut Sample {
        &mut self.watchers.get_or_insert_default().sample
    }

    /// A number that changes with each new subscriber.
    pub(super) fn arrivals(&self) -> u64 {
        self.stats.as_deref().map_or(0, ChannelStats::arrivals)
    }

    /// Counts the log's memory towards the budget, if there is one.
    pub(super) fn count(&mut self) -> Option<Counted> {
        let budget: Arc<dyn Budget> = self.budget.as_ref()?.upgrade()?;
        let memory = self.log.memory();
        let before = std::mem::replace(&mut self.counted, memory);
        Some(Counted::add(budget, memory as isize - before as isize))
    }

    /// How many bytes are counted.
    pub(super) fn counted(&self) -> usize {
        self.counted
    }

    /// Stops counting, and returns how much was counted.
    pub(super) fn leave_budget(&mut self) -> usize {
        self.budget = None;
        std::mem::take(&mut self.counted)
    }
}
