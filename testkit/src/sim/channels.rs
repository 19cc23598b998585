//! The channels of a node: how they are filled, published to, ended and restarted.

use std::sync::{Mutex, PoisonError};

use lasse_core::{Channel, Channels, Ending, Epoch, EventId};

use super::feed::LogRecord;
use super::node::NodeFeed;
use super::random::Random;
use super::scenario::Reloaded;
use super::settings::Numbering;
use super::task::spawn;
use super::world::{Part, State, World};

impl World {
    /// Gives a node its channels, and those the events that they should hold.
    pub(super) fn fill(&self, index: usize, log: Reloaded, held: Vec<(LogRecord, usize)>) {
        let mut random = self.random(Part::Node(index));
        let generation = self.state().logs.len() as u64;
        let mut random = Random::for_part(random.next(), generation);
        let Some(budget) = self.budget() else {
            for feed in 0..self.settings.feeds {
                let (epoch, record, applied) =
                    self.reloaded(feed, log, held.get(feed), &mut random);
                let channel = Channel::with_epoch(&self.settings.channel_config(None), epoch);
                self.add_feed(index, Some(channel), record, applied);
                self.catch_up(index, feed);
            }
            return;
        };
        let random = Mutex::new(random);
        let new_epoch = move || {
            let mut random = random.lock().unwrap_or_else(PoisonError::into_inner);
            Epoch::from(random.next() >> 16)
        };
        let pool = Channels::with_epochs(&self.settings.channel_config(Some(budget)), new_epoch);
        self.spawn_for_node(index, lasse_tokio::sweep(&pool));
        self.state().nodes[index].pool = Some(pool.clone());
        for feed in 0..self.settings.feeds {
            let record = self.new_record(&pool.open(feed).epoch());
            let applied = match log {
                Reloaded::All => 0,
                Reloaded::Newest(n) => self.state().feeds[feed].len().saturating_sub(n),
            };
            self.add_feed(index, None, record, applied);
            self.catch_up(index, feed);
        }
    }

    fn new_record(&self, epoch: &Epoch) -> LogRecord {
        let number_before = match self.settings.numbering {
            Numbering::PerNode => self.settings.number_before,
            Numbering::OwnIds | Numbering::Shared => 0,
        };
        LogRecord::new(epoch.as_str(), number_before)
    }

    /// The budget of a node's channels. Those of a pool cannot share an epoch.
    fn budget(&self) -> Option<usize> {
        self.settings.budget.filter(|_| self.settings.numbering != Numbering::Shared)
    }

    /// What a node's new channel begins with.
    fn reloaded(
        &self,
        feed: usize,
        log: Reloaded,
        held: Option<&(LogRecord, usize)>,
        random: &mut Random,
    ) -> (Epoch, LogRecord, usize) {
        let epoch = match (self.settings.numbering, log, held) {
            (Numbering::Shared, ..) => Epoch::new("store").expect("it is a word"),
            (Numbering::PerNode, Reloaded::All, Some((old, _))) => {
                Epoch::new(&old.epoch).expect("it was an epoch before")
            }
            _ => Epoch::from(random.next() >> 16),
        };
        let mut record = self.new_record(&epoch);
        let published = self.state().feeds[feed].len();
        match (log, held) {
            (Reloaded::All, Some((old, applied))) => {
                if epoch.as_str() == old.epoch {
                    record.number_before = old.number.max(old.number_before);
                }
                record.entries.clone_from(&old.entries);
                (epoch, record, *applied)
            }
            (Reloaded::Newest(n), _) => (epoch, record, published.saturating_sub(n)),
            (Reloaded::All, None) => (epoch, record, 0),
        }
    }

    fn add_feed(
        &self,
        index: usize,
        channel: Option<Channel>,
        mut record: LogRecord,
        applied: usize,
    ) {
        let state = &mut *self.state();
        let feed = state.nodes[index].feeds.len();
        let reloaded = std::mem::take(&mut record.entries);
        state.logs.push(record);
        let log = state.logs.len() - 1;
        state.nodes[index].feeds.push(NodeFeed { channel, log, applied });
        let dispatched = state.nodes[index].channel(feed);
        for entry in &reloaded {
            match entry.is_hole {
                true => state.publish_hole(index, feed, entry.place, self.settings.numbering),
                false => {
                    let id = Some(entry.id.as_str());
                    state.publish(index, feed, entry.place, id, self.settings.numbering);
                }
            }
        }
        if self.settings.has_dispatcher {
            let task = spawn(
                lasse_tokio::dispatch(&dispatched),
                self.random(Part::Task(log)),
                &self.meter,
            );
            state.nodes[index].own(task.abort_handle());
        }
    }

    /// Gives a node's channel the events that it lacks, and its end.
    pub(super) fn catch_up(&self, index: usize, feed: usize) {
        self.renew(index, feed);
        let state = &mut *self.state();
        while state.nodes[index].feeds[feed].applied < state.feeds[feed].len() {
            let place = state.nodes[index].feeds[feed].applied;
            state.publish(index, feed, place, None, self.settings.numbering);
            state.nodes[index].feeds[feed].applied += 1;
        }
        let channel = state.nodes[index].channel(feed);
        let log = state.nodes[index].feeds[feed].log;
        match state.feeds[feed].ending {
            Some(Ending::Finished) => channel.finish(),
            Some(Ending::Aborted) => channel.abort(),
            None => return,
        }
        state.logs[log].ending = channel.ending();
    }

    /// Publishes an event that a node misses, which it records, if it has all the others.
    pub(super) fn miss(&self, index: usize, feed: usize) {
        self.renew(index, feed);
        let state = &mut *self.state();
        let (node, place) = (&state.nodes[index], state.feeds[feed].len());
        let has_others = node.is_up && !node.is_lagging && node.feeds[feed].applied == place;
        let is_open = state.feeds[feed].ending.is_none();
        if !has_others || !is_open || state.logs[node.feeds[feed].log].events == 0 {
            return;
        }
        self.meter.count_fault("missed event");
        state.feeds[feed].sizes.push(0);
        state.counts.published += 1;
        state.note(format_args!("node {index} misses event {place} of feed {feed}"));
        // A store's numbers show a hole by themselves, when the next event comes.
        if self.settings.numbering == Numbering::PerNode || place % 2 == 0 {
            state.publish_hole(index, feed, place, self.settings.numbering);
        }
        state.nodes[index].feeds[feed].applied += 1;
    }

    /// Takes note that a node's pool has released a channel, and begins a record for the next.
    pub(super) fn renew(&self, index: usize, feed: usize) {
        let state = &mut *self.state();
        let channel = state.nodes[index].channel(feed);
        let log = state.nodes[index].feeds[feed].log;
        if channel.epoch().as_str() == state.logs[log].epoch {
            return;
        }
        state.note(format_args!("node {index} has released feed {feed}"));
        state.logs.push(self.new_record(&channel.epoch()));
        state.nodes[index].feeds[feed].log = state.logs.len() - 1;
        if self.settings.has_dispatcher {
            let random = self.random(Part::Task(state.logs.len()));
            let task = spawn(lasse_tokio::dispatch(&channel), random, &self.meter);
            state.nodes[index].own(task.abort_handle());
        }
    }

    /// Restarts a feed on a node, after its end.
    pub(super) fn reopen(&self, index: usize, feed: usize) {
        let mut random = self.random(Part::Node(index));
        let state = &mut *self.state();
        let log = state.nodes[index].feeds[feed].log;
        if state.logs[log].ending.is_none() {
            return;
        }
        match &state.nodes[index].pool {
            Some(pool) => drop(pool.remove(&feed)),
            None => {
                let epoch = match self.settings.numbering {
                    Numbering::Shared => Epoch::new("store").expect("it is a word"),
                    _ => {
                        let mut random = Random::for_part(random.next(), state.logs.len() as u64);
                        Epoch::from(random.next() >> 16)
                    }
                };
                let channel = Channel::with_epoch(&self.settings.channel_config(None), epoch);
                state.logs.push(self.new_record(&epoch));
                let log = state.logs.len() - 1;
                if self.settings.has_dispatcher {
                    let random = self.random(Part::Task(log));
                    let task = spawn(lasse_tokio::dispatch(&channel), random, &self.meter);
                    state.nodes[index].own(task.abort_handle());
                }
                let node_feed = &mut state.nodes[index].feeds[feed];
                (node_feed.log, node_feed.channel) = (log, Some(channel));
            }
        }
    }
}

impl State {
    /// Gives a node's channel a hole in place of an event, and of those before that it misses, too.
    fn publish_hole(&mut self, index: usize, feed: usize, place: usize, numbering: Numbering) {
        let channel = self.nodes[index].channel(feed);
        let hole = match numbering {
            Numbering::Shared => {
                let number = place as u64 + 1;
                channel.publish_hole_up_to(number).map(|()| channel.last_id())
            }
            _ => channel.publish_hole(),
        };
        match hole {
            Ok(Some(id)) => {
                let log = self.nodes[index].feeds[feed].log;
                self.logs[log].push_hole(id.as_str(), place);
            }
            other => self.breach(format!("node {index}: a hole is published as {other:?}")),
        }
    }

    /// Gives a node's channel an event, under the id that it had before or a new one.
    fn publish(
        &mut self,
        index: usize,
        feed: usize,
        place: usize,
        id: Option<&str>,
        numbering: Numbering,
    ) {
        let channel = self.nodes[index].channel(feed);
        let record = &mut self.logs[self.nodes[index].feeds[feed].log];
        let event = self.feeds[feed].event(place);
        let id_of = |text: String| EventId::new(text).expect("it is one line");
        let number = if record.entries.is_empty() { record.number_before } else { record.number };
        let next = format!("{}-{}", record.epoch, number + 1);
        let (published, expected) = match (numbering, id) {
            (Numbering::OwnIds, _) => {
                let id = format!("item {place}/é");
                (channel.publish(event.with_id(id_of(id.clone()))), id)
            }
            (Numbering::Shared, _) => {
                let id = format!("store-{}", place + 1);
                if record.entries.last().is_some_and(|last| last.place + 1 < place) {
                    record.push_hole(&format!("store-{place}"), place - 1);
                }
                (channel.publish_as(&id_of(id.clone()), &event), id)
            }
            (Numbering::PerNode, Some(id)) => {
                (channel.publish_as(&id_of(id.into()), &event), id.into())
            }
            // The first event after a reload of nothing: the application knows the number.
            (Numbering::PerNode, None) if record.entries.is_empty() && number > 0 => {
                (channel.publish_as(&id_of(next.clone()), &event), next)
            }
            (Numbering::PerNode, None) => (channel.publish(&event), next),
        };
        match published {
            Ok(id) if id.as_str() == expected => record.push(&expected, place),
            other => self.breach(format!("node {index}: {expected} is published as {other:?}")),
        }
    }
}
