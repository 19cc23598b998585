//! The channels with topics of nodes: how they are filled, published to and subscribed to.

use std::sync::Arc;

use lasse_core::{
    Channel, Epoch, Event, EventId, Init, RequestHead, Subscription, Topic, TopicFilter,
};
use lasse_tokio::now;

use super::decision::{Outcome, decide};
use super::place::Change;
use super::record::{Entry, Item, TopicLog};
use super::settings::{TopicSettings, Want};
use crate::sim::random::Random;
use crate::sim::scenario::Reloaded;
use crate::sim::source::{AnySource, Watched};
use crate::sim::task::spawn;
use crate::sim::world::{Part, State, World};

/// All that is published to channels with topics, and every log that there ever was.
#[derive(Debug, Default)]
pub(in crate::sim) struct Topics {
    pub(in crate::sim) items: Vec<Item>,
    pub(in crate::sim) logs: Vec<TopicLog>,
    /// The name of the newest item that is an event.
    pub(super) newest: (usize, u64),
}

/// A node's channel with topics.
#[derive(Debug)]
pub(in crate::sim) struct NodeTopics {
    pub(in crate::sim) channel: Channel,
    /// The record of what the channel was given.
    pub(in crate::sim) log: usize,
    /// How many items it was given, or left out.
    pub(super) applied: usize,
    random: Random,
}

/// What a new channel takes over from the one before.
pub(in crate::sim) struct Held {
    epochs: Vec<String>,
    entries: Vec<Entry>,
    applied: usize,
}

impl NodeTopics {
    /// What the channel holds from its first event on that is no tombstone.
    pub(in crate::sim) fn held(&self, logs: &[TopicLog]) -> Held {
        let log = &logs[self.log];
        let held = log.entries[log.first..].iter().skip_while(|entry| entry.is_tombstone);
        Held {
            epochs: log.epochs.iter().map(|(name, _)| name.clone()).collect(),
            entries: held.copied().collect(),
            applied: self.applied,
        }
    }

    /// Whether the channel has counted what it was given.
    pub(in crate::sim) fn check_counters(&self, logs: &[TopicLog]) -> Result<(), String> {
        let (published, given) = (self.channel.stats().published, logs[self.log].len() as u64);
        if published == given { Ok(()) } else { Err(format!("{given} given, {published} counted")) }
    }
}

impl World {
    /// Gives a node its channel with topics, and that the events that it should hold.
    pub(in crate::sim) fn fill_topics(&self, index: usize, log: Reloaded, held: Option<Held>) {
        let Some(settings) = &self.settings.topics else { return };
        let state = &mut *self.state();
        let mut random = self.random(Part::Topics(index << 20 | state.topics.logs.len()));
        let (held, applied) = match (log, held) {
            (Reloaded::All, Some(held)) => {
                let applied = held.applied;
                (Some(held).filter(|held| !held.entries.is_empty()), applied)
            }
            (Reloaded::All, None) => (None, 0),
            (Reloaded::Newest(n), _) => (None, state.topics.items.len().saturating_sub(n)),
        };
        let epoch = match &held {
            Some(held) => held.epochs[held.entries[0].name.0].clone(),
            None => new_epoch(settings, state.topics.epoch_at(applied), &mut random),
        };
        let epoch = Epoch::new(&epoch).expect("it is a word");
        let channel = Channel::with_epoch(&self.settings.topic_config(settings), epoch);
        state.topics.logs.push(TopicLog::new(epoch.as_str(), settings.has_keys));
        let log = state.topics.logs.len() - 1;
        let dispatched = channel.clone();
        let mut topics = NodeTopics { channel, log, applied, random };
        held.into_iter().for_each(|held| topics.reload(&mut state.topics, &held));
        if self.settings.has_dispatcher {
            let random = self.random(Part::Topics(index << 20 | 1 << 19 | log));
            let task = spawn(lasse_tokio::dispatch(&dispatched), random, &self.meter);
            state.nodes[index].own(task.abort_handle());
        }
        state.nodes[index].topics = Some(topics);
        self.publish_topics(index, state);
    }

    /// Gives a node's channel the items that it lacks.
    pub(in crate::sim) fn publish_topics(&self, index: usize, state: &mut State) {
        let Some(settings) = &self.settings.topics else { return };
        let Some(mut topics) = state.nodes[index].topics.take() else { return };
        while topics.applied < state.topics.items.len() {
            if let Err(what) = topics.apply(&mut state.topics, settings) {
                state.breach(format!("node {index}: {what}"));
            }
            topics.applied += 1;
        }
        state.nodes[index].topics = Some(topics);
    }

    /// Subscribes a client to topics, and checks the decision.
    pub(in crate::sim) fn subscribe_to_topics(
        self: &Arc<Self>,
        connection: usize,
        head: &RequestHead<'_>,
        channel: &Channel,
    ) -> Init<AnySource> {
        let Some(settings) = &self.settings.topics else { return Init::Complete };
        let mut guard = self.state();
        let state = &mut *guard;
        let client = &state.clients[state.readers[connection].client];
        let log_index = match &state.nodes[state.readers[connection].node].topics {
            Some(topics) => topics.log,
            None => return Init::Complete,
        };
        let log = &mut state.topics.logs[log_index];
        let resolved = client.wants.as_deref().map(|wants| resolve(wants, log));
        channel.advance(now());
        let before = channel.stats();
        let mut subscription = match &resolved {
            Some((filter, _)) => channel.subscribe_to(filter, head.last_event_id()),
            None => channel.subscribe(head.last_event_id()),
        };
        let outcome = Outcome::between(&before, &channel.stats());
        let from = |(pattern, from): (&'static str, Option<usize>)| (pattern, from.unwrap_or(0));
        let wanted = resolved.map(|(_, wanted)| wanted.into_iter().map(from).collect());
        let decided = decide(&client.requested, (log_index, log), wanted, settings, outcome);
        if client.has_handle {
            if let Subscription::Stream(subscriber) = &mut subscription {
                state.readers[connection].filter = Some(subscriber.filter_handle());
            }
        }
        match decided {
            Ok(reader) => state.readers[connection].topics = Some(reader),
            Err(what) => state.hold(connection, Err(what)),
        }
        drop(guard);
        subscription.into_init(head, |reader| Watched::source(reader, self, Some(connection)))
    }

    /// Changes the filter of a client, now if it has a stream that takes it, and else with its next
    /// request.
    pub(in crate::sim) fn set_filter(
        &self,
        client: usize,
        connection: Option<usize>,
        wants: &[Want],
    ) {
        let state = &mut *self.state();
        state.note(format_args!("client {client} wants {wants:?}"));
        let reader = connection.map(|connection| &mut state.readers[connection]);
        if let Some((topics, handle)) = reader.and_then(|reader| reader.topics_and_filter()) {
            if topics.unsettled() >= MOST_CHANGES {
                return;
            }
            let log = &mut state.topics.logs[topics.log];
            let (filter, wanted) = resolve(wants, log);
            if handle.set_filter(filter) {
                topics.change(Change { wanted, from: log.len() });
            }
        }
        state.clients[client].wants = Some(wants.to_vec());
    }
}

impl NodeTopics {
    /// Publishes what another channel held, under the same ids.
    fn reload(&mut self, topics: &mut Topics, held: &Held) {
        let log = &mut topics.logs[self.log];
        let mut epochs = held.epochs.iter().enumerate().skip(held.entries[0].name.0 + 1).peekable();
        let mut begin = |log: &mut TopicLog, last: usize| {
            while let Some((_, name)) = epochs.next_if(|(epoch, _)| *epoch <= last) {
                let name = Epoch::new(name).expect("it was an epoch before");
                self.channel.begin_epoch(name).expect("the log does not have it");
                log.begin_epoch(name.as_str());
            }
        };
        for (nth, entry) in held.entries.iter().enumerate() {
            begin(log, entry.name.0);
            let event = event(&topics.items, entry.item);
            let id = (nth == 0).then(|| log.id((0, entry.name.1)));
            self.publish(log, entry, id, &event).expect("it was published before");
        }
        begin(log, usize::MAX);
    }

    /// Publishes the next item.
    fn apply(&mut self, topics: &mut Topics, settings: &TopicSettings) -> Result<(), String> {
        let log = &mut topics.logs[self.log];
        let Item::Event { topic, is_tombstone, name, .. } = topics.items[self.applied] else {
            let epoch = new_epoch(settings, topics.epoch_at(self.applied + 1), &mut self.random);
            let log = &mut topics.logs[self.log];
            if log.number() == 0 && !log.entries.is_empty() {
                return Ok(());
            }
            let epoch = Epoch::new(&epoch).expect("it is a word");
            let begun = self.channel.begin_epoch(epoch);
            log.begin_epoch(epoch.as_str());
            return begun.map_err(|error| format!("the epoch {epoch} is refused: {error}"));
        };
        let epoch = log.epochs.len() - 1;
        let number = if settings.is_shared { name.1 } else { log.number() + 1 };
        let id = (number != log.number() + 1).then(|| log.id((epoch, number)));
        let entry = Entry { name: (epoch, number), item: self.applied, topic, is_tombstone };
        let event = event(&topics.items, self.applied);
        self.publish(log, &entry, id, &event)
    }

    /// Publishes an event, under this id if it is not the next.
    fn publish(
        &self,
        log: &mut TopicLog,
        entry: &Entry,
        id: Option<String>,
        event: &Event<'_>,
    ) -> Result<(), String> {
        let topic = entry.topic.map(Topic::from_static);
        let given = id.map(|id| EventId::new(id).expect("it is one line"));
        let published = match (&given, &topic) {
            (Some(id), Some(topic)) => self.channel.publish_to_as(id, topic, event),
            (Some(id), None) => self.channel.publish_as(id, event),
            (None, Some(topic)) if entry.is_tombstone => {
                self.channel.publish_tombstone(topic, event)
            }
            (None, Some(topic)) => self.channel.publish_to(topic, event),
            (None, None) => self.channel.publish(event),
        };
        let expected = log.id((log.epochs.len() - 1, entry.name.1));
        log.push(entry.name.1, entry.item, entry.topic, entry.is_tombstone);
        log.first = log.len().saturating_sub(self.channel.stats().events as usize).max(log.first);
        match published {
            Ok(id) if id.as_str() == expected => Ok(()),
            other => Err(format!("{expected} is published as {other:?}")),
        }
    }
}

impl Topics {
    /// The epoch of the items from `place` on, if all nodes share it.
    fn epoch_at(&self, place: usize) -> usize {
        self.items[..place].iter().filter(|item| matches!(item, Item::Epoch)).count()
    }
}

/// The filter that a client's wants stand for, with the bounds that the log can give, and the entries from
/// which these apply.
fn resolve(
    wants: &[Want],
    log: &mut TopicLog,
) -> (TopicFilter, Vec<(&'static str, Option<usize>)>) {
    log.topics_since.get_or_insert(log.first);
    let mut filter = TopicFilter::default();
    let mut wanted: Vec<(&'static str, Option<usize>)> = Vec::new();
    for Want { pattern, after } in wants {
        let index = after.and_then(|back| log.len().checked_sub(back + 1));
        let index = index.filter(|index| *index >= log.first);
        let topic = lasse_core::TopicPattern::from_static(pattern);
        let changed = match index {
            Some(index) => {
                let id = EventId::new(log.id_of(index)).expect("it is one line");
                filter.with_after(topic, id)
            }
            None => filter.with(topic),
        };
        filter = changed.expect("there are few");
        wanted.retain(|(other, _)| other != pattern);
        wanted.push((pattern, index.map(|index| index + 1)));
    }
    (filter, wanted)
}

fn new_epoch(settings: &TopicSettings, shared: usize, random: &mut Random) -> String {
    match settings.is_shared {
        true => format!("topics{shared}"),
        false => Epoch::from(random.next() >> 16).to_string(),
    }
}

fn event(items: &[Item], place: usize) -> Event<'static> {
    Event::new(Item::data(items, place).unwrap_or_default())
}

/// How many filters of a stream can be waiting.
const MOST_CHANGES: usize = 4;
