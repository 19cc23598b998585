//! What happens to channels with topics, and what must hold of their readers.

use std::time::Duration;

use lasse_core::Ending;
use lasse_tokio::now;

use super::record::{Event, Item};
use super::settings::{KEYS, TOPICS, TopicAction, TopicSettings};
use crate::sim::client::Condition;
use crate::sim::reader::Answer;
use crate::sim::run::Run;
use crate::sim::settings::MILLI;
use crate::sim::world::State;

impl Run<'_> {
    pub(in crate::sim) async fn act_on_topics(&self, action: &TopicAction) -> Result<(), String> {
        let Some(settings) = &self.world.settings.topics else { return Ok(()) };
        let clients = self.world.settings.clients.len();
        let of = |client: usize| clients + client % settings.clients.len().max(1);
        if settings.clients.is_empty() {
            return Ok(());
        }
        match action {
            TopicAction::Publish { topic, events, size } => {
                (0..*events).for_each(|nth| self.publish_item(topic + nth, *size, None));
                self.spread_topics();
            }
            TopicAction::Miss { topic, node } => {
                self.world.meter.count_fault("missed event");
                let nodes = self.world.settings.nodes.len();
                self.publish_item(*topic, 0, Some(node % nodes));
                self.spread_topics();
            }
            TopicAction::Delete { topic } => {
                self.delete(KEYS[topic % KEYS.len()], settings);
                self.spread_topics();
            }
            TopicAction::BeginEpoch => self.begin_epoch(),
            TopicAction::End { ending } => self.end_topics(*ending),
            TopicAction::Reopen => self.reopen_topics(),
            TopicAction::Clear { node } => {
                self.world.clear_topics(node % self.world.settings.nodes.len());
            }
            TopicAction::SetFilter { client, wants } => {
                let client = of(*client);
                let connection = match self.world.state().clients[client].state {
                    Condition::Connected(connection) => Some(connection),
                    _ => None,
                };
                self.world.set_filter(client, connection, wants);
            }
            TopicAction::Probe { topic } => self.probe_topics(*topic).await?,
            TopicAction::Client { client, action } => self.act_on_client(of(*client), action),
        }
        Ok(())
    }

    /// Publishes an event, and checks that every reader that can take it has it soon.
    pub(in crate::sim) async fn probe_topics(&self, topic: usize) -> Result<(), String> {
        let Some(settings) = &self.world.settings.topics else { return Ok(()) };
        let has_dispatcher = self.world.settings.has_dispatcher;
        let linger = if has_dispatcher { settings.linger } else { Duration::ZERO };
        let before = now();
        self.sleep(linger + 5 * MILLI).await?;
        self.publish_item(topic, 10, None);
        self.spread_topics();
        self.sleep(linger + 5 * MILLI).await?;
        let state = &mut *self.world.state();
        state.counts.probes += 1;
        for connection in 0..state.readers.len() {
            let reader = &state.readers[connection];
            // A stream that is over receives no more, even if its client has not read the end yet.
            let can_receive = reader.reason.is_none() && state.is_well(reader, before);
            if can_receive && !state.settle_topics(connection) {
                let reader = &state.readers[connection];
                return Err(format!("connection {connection} waits: {reader:?}"));
            }
        }
        Ok(())
    }

    /// Whether every client with topics gets all that comes, once all is repaired.
    pub(in crate::sim) async fn heal_topics(&self) -> Result<(), String> {
        for topic in 0..TOPICS.len() {
            self.probe_topics(topic).await?;
        }
        Ok(())
    }

    /// Publishes an event, perhaps one that a node misses.
    fn publish_item(&self, topic: usize, size: usize, missed_by: Option<usize>) {
        let topic = TOPICS[topic % TOPICS.len()];
        self.add_item(Event { topic, is_tombstone: false, size, missed_by, name: (0, 0) });
    }

    fn delete(&self, key: &'static str, settings: &TopicSettings) {
        // An id cannot be given to a tombstone.
        let is_tombstone = settings.has_keys && !settings.is_shared;
        let topic = Some(key);
        self.add_item(Event { topic, is_tombstone, size: 0, missed_by: None, name: (0, 0) });
    }

    /// Adds an event, under the next name.
    fn add_item(&self, event: Event) {
        let state = &mut *self.world.state();
        if state.topics.is_over {
            return;
        }
        state.topics.newest.1 += 1;
        let event = Event { name: state.topics.newest, ..event };
        state.topics.items.push(Item::Event(event));
        state.counts.published += 1;
        let place = state.topics.items.len() - 1;
        state.note(format_args!("item {place}: {event:?}"));
    }

    fn begin_epoch(&self) {
        {
            let state = &mut *self.world.state();
            if state.topics.newest.1 == 0 || state.topics.is_over {
                return;
            }
            state.topics.newest = (state.topics.newest.0 + 1, 0);
            state.topics.items.push(Item::Epoch);
            let place = state.topics.items.len() - 1;
            state.note(format_args!("item {place} is another epoch"));
        }
        self.world.meter.count_fault("another epoch");
        self.spread_topics();
    }

    fn end_topics(&self, ending: Ending) {
        if !std::mem::replace(&mut self.world.state().topics.is_over, true) {
            self.world.state().topics.items.push(Item::End(ending));
            self.world.note(format_args!("the channels with topics end: {ending:?}"));
            self.spread_topics();
        }
    }

    fn reopen_topics(&self) {
        if std::mem::take(&mut self.world.state().topics.is_over) {
            self.world.state().topics.items.push(Item::Reopen);
            self.world.note(format_args!("the channels with topics begin again"));
            self.spread_topics();
        }
    }

    /// Publishes the new items on each node that is up and does not lag.
    fn spread_topics(&self) {
        let state = &mut *self.world.state();
        for index in 0..state.nodes.len() {
            if state.nodes[index].is_up && !state.nodes[index].is_lagging {
                self.world.publish_topics(index, state);
            }
        }
    }
}

impl State {
    /// Whether a reader of topics has all that its log has. Others do not matter.
    fn settle_topics(&mut self, connection: usize) -> bool {
        let reader = &mut self.readers[connection];
        let node = &self.nodes[reader.node].topics;
        match &mut reader.answer {
            Some(Answer::Topics(topics))
                if node.as_ref().is_some_and(|node| node.log == topics.log) =>
            {
                topics.settle(&self.topics.logs[topics.log])
            }
            _ => true,
        }
    }
}
