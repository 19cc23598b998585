//! The channels with topics of nodes: how they are filled, published to, ended and begun again.

use lasse_core::{AppendError, Channel, Ending, Epoch, Event, EventId, Topic};

use super::record::{self, Entry, Item, TopicLog};
use super::settings::TopicSettings;
use crate::sim::random::Random;
use crate::sim::scenario::Reloaded;
use crate::sim::task::spawn;
use crate::sim::world::{Part, State, World};

/// All that is published to channels with topics, and every log that there ever was.
#[derive(Debug, Default)]
pub(in crate::sim) struct Topics {
    pub(in crate::sim) items: Vec<Item>,
    pub(in crate::sim) logs: Vec<TopicLog>,
    /// The name of the newest item that is an event.
    pub(super) newest: (usize, u64),
    /// Whether the channels are over, and have not begun again.
    pub(super) is_over: bool,
}

/// A node's channel with topics.
#[derive(Debug)]
pub(in crate::sim) struct NodeTopics {
    pub(in crate::sim) channel: Channel,
    /// The record of what the channel was given.
    pub(in crate::sim) log: usize,
    /// How many items it was given, or left out.
    pub(super) applied: usize,
    /// Its channels before, which are over, each with its record.
    retired: Vec<(Channel, usize)>,
    random: Random,
}

/// What a new channel takes over from the one before.
pub(in crate::sim) struct Held {
    epochs: Vec<String>,
    entries: Vec<Entry>,
    applied: usize,
    ending: Option<Ending>,
}

impl NodeTopics {
    /// What the channel holds from its first event on that is no tombstone.
    pub(in crate::sim) fn held(&self, logs: &[TopicLog]) -> Held {
        let log = &logs[self.log];
        let held = log.entries[log.first..].iter();
        let held = held.skip_while(|entry| entry.is_tombstone || entry.is_hole);
        Held {
            epochs: log.epochs.iter().map(|(name, _)| name.clone()).collect(),
            entries: held.copied().collect(),
            applied: self.applied,
            ending: log.ending,
        }
    }

    /// Whether the channel has counted what it was given.
    pub(in crate::sim) fn check_counters(&self, logs: &[TopicLog]) -> Result<(), String> {
        let (published, given) = (self.channel.stats().published, logs[self.log].events() as u64);
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
                (Some(held), applied)
            }
            (Reloaded::All, None) => (None, 0),
            (Reloaded::Newest(n), _) => (None, state.topics.items.len().saturating_sub(n)),
        };
        let ending = held.as_ref().and_then(|held| held.ending);
        let held = held.filter(|held| !held.entries.is_empty());
        let epoch = match &held {
            Some(held) => held.epochs[held.entries[0].name.0].clone(),
            None => new_epoch(settings, state.topics.epoch_at(applied), &mut random),
        };
        let (channel, log) = self.open_topics(index, state, settings, &epoch);
        let mut topics = NodeTopics { channel, log, applied, retired: Vec::new(), random };
        held.into_iter().for_each(|held| topics.reload(&mut state.topics, &held));
        ending.into_iter().for_each(|ending| topics.end(&mut state.topics, ending));
        state.nodes[index].topics = Some(topics);
        self.publish_topics(index, state);
    }

    /// Opens a channel of a node, with a record of its own.
    fn open_topics(
        &self,
        index: usize,
        state: &mut State,
        settings: &TopicSettings,
        epoch: &str,
    ) -> (Channel, usize) {
        let epoch = Epoch::new(epoch).expect("it is a word");
        let channel = Channel::with_epoch(&self.settings.topic_config(settings), epoch);
        state.topics.logs.push(TopicLog::new(epoch.as_str(), settings.has_keys));
        let log = state.topics.logs.len() - 1;
        if self.settings.has_dispatcher {
            let random = self.random(Part::Topics(index << 20 | 1 << 19 | log));
            let task = spawn(lasse_tokio::dispatch(&channel), random, &self.meter);
            state.nodes[index].own(task.abort_handle());
        }
        (channel, log)
    }

    /// Gives a node's channel the items that it lacks.
    pub(in crate::sim) fn publish_topics(&self, index: usize, state: &mut State) {
        let Some(settings) = &self.settings.topics else { return };
        let Some(mut topics) = state.nodes[index].topics.take() else { return };
        while topics.applied < state.topics.items.len() {
            match state.topics.items[topics.applied] {
                Item::Reopen => self.reopen_topics(index, state, settings, &mut topics),
                _ => {
                    if let Err(what) = topics.apply(index, &mut state.topics, settings) {
                        state.breach(format!("node {index}: {what}"));
                    }
                }
            }
            topics.applied += 1;
        }
        state.nodes[index].topics = Some(topics);
    }

    /// Gives a node a new channel, if the one that it has is over.
    fn reopen_topics(
        &self,
        index: usize,
        state: &mut State,
        settings: &TopicSettings,
        topics: &mut NodeTopics,
    ) {
        if state.topics.logs[topics.log].ending.is_none() {
            return;
        }
        let shared = state.topics.epoch_at(topics.applied);
        let epoch = new_epoch(settings, shared, &mut topics.random);
        let (channel, log) = self.open_topics(index, state, settings, &epoch);
        let before = std::mem::replace(&mut topics.channel, channel);
        topics.retired.push((before, std::mem::replace(&mut topics.log, log)));
    }

    /// Drops the events of a node's channel.
    pub(super) fn clear_topics(&self, index: usize) {
        let state = &mut *self.state();
        let Some(topics) = &state.nodes[index].topics else { return };
        topics.channel.clear();
        state.topics.logs[topics.log].clear();
        state.note(format_args!("node {index} drops its events of topics"));
    }
}

impl State {
    /// Takes note of the events that the channels of a node have dropped.
    pub(in crate::sim) fn refresh_topics(&mut self, index: usize) {
        let Some(topics) = &self.nodes[index].topics else { return };
        let retired = topics.retired.iter().map(|(channel, log)| (channel, *log));
        for (channel, log) in retired.chain([(&topics.channel, topics.log)]) {
            self.topics.logs[log].retain(channel.stats().events);
        }
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

    /// Publishes the next item on the node `index`.
    fn apply(
        &mut self,
        index: usize,
        topics: &mut Topics,
        settings: &TopicSettings,
    ) -> Result<(), String> {
        let record::Event { topic, is_tombstone, missed_by, name, .. } =
            match topics.items[self.applied] {
                Item::Event(event) => event,
                Item::Epoch => return self.begin_epoch(topics, settings),
                Item::End(ending) => {
                    self.end(topics, ending);
                    return Ok(());
                }
                Item::Reopen => return Ok(()),
            };
        let log = &mut topics.logs[self.log];
        log.retain(self.channel.stats().events);
        let is_hole = missed_by == Some(index) && log.can_have_hole();
        let epoch = log.epochs.len() - 1;
        let number = if settings.is_shared { name.1 } else { log.number() + 1 };
        let id = (number != log.number() + 1).then(|| log.id((epoch, number)));
        let topic = topic.filter(|_| !is_hole);
        let entry =
            Entry { name: (epoch, number), item: self.applied, topic, is_tombstone, is_hole };
        let event = event(&topics.items, self.applied);
        self.publish(log, &entry, id, &event)
    }

    fn begin_epoch(&mut self, topics: &mut Topics, settings: &TopicSettings) -> Result<(), String> {
        let epoch = new_epoch(settings, topics.epoch_at(self.applied + 1), &mut self.random);
        let log = &mut topics.logs[self.log];
        if log.number() == 0 && !log.entries.is_empty() {
            return Ok(());
        }
        let epoch = Epoch::new(&epoch).expect("it is a word");
        let begun = self.channel.begin_epoch(epoch);
        log.begin_epoch(epoch.as_str());
        begun.map_err(|error| format!("the epoch {epoch} is refused: {error}"))
    }

    fn end(&self, topics: &mut Topics, ending: Ending) {
        match ending {
            Ending::Finished => self.channel.finish(),
            Ending::Aborted => self.channel.abort(),
        }
        topics.logs[self.log].ending = Some(ending);
    }

    /// Publishes an event, under this id if it is not the next.
    fn publish(
        &self,
        log: &mut TopicLog,
        entry: &Entry,
        id: Option<String>,
        event: &Event<'_>,
    ) -> Result<(), String> {
        if entry.is_hole {
            return self.publish_hole(log, entry);
        }
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
        self.record(log, entry, &published.map(Some))
    }

    /// Publishes a hole, in one of two ways.
    fn publish_hole(&self, log: &mut TopicLog, entry: &Entry) -> Result<(), String> {
        let number = entry.name.1;
        let published = match number % 2 {
            0 => self.channel.publish_hole(),
            _ => self.channel.publish_hole_up_to(number).map(|()| self.channel.last_id()),
        };
        self.record(log, entry, &published)
    }

    /// Takes note of an entry that was published, if it has the right id.
    fn record(
        &self,
        log: &mut TopicLog,
        entry: &Entry,
        published: &Result<Option<EventId>, AppendError>,
    ) -> Result<(), String> {
        let expected = log.id((log.epochs.len() - 1, entry.name.1));
        log.push(*entry);
        log.retain(self.channel.stats().events);
        match published {
            Ok(Some(id)) if id.as_str() == expected => Ok(()),
            other => Err(format!("{expected} is published as {other:?}")),
        }
    }
}

impl Topics {
    /// Whether a log that there ever was is aborted.
    pub(in crate::sim) fn is_aborted(&self) -> bool {
        self.logs.iter().any(|log| log.ending == Some(Ending::Aborted))
    }

    /// The epoch of the items from `place` on, if all nodes share it.
    fn epoch_at(&self, place: usize) -> usize {
        self.items[..place].iter().filter(|item| matches!(item, Item::Epoch)).count()
    }
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
