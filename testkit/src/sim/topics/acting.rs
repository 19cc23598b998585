//! What happens to channels with topics, and what must hold of their readers.

use std::time::Duration;

use lasse_core::Ending;
use lasse_tokio::now;

use super::record::Item;
use super::settings::{TOPICS, TopicAction, TopicSettings};
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
                (0..*events).for_each(|nth| self.publish_item(topic + nth, *size, false, settings));
                self.spread_topics();
            }
            TopicAction::Delete { topic } => {
                self.publish_item(*topic, 0, true, settings);
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
        self.publish_item(topic, 10, false, settings);
        self.spread_topics();
        self.sleep(linger + 5 * MILLI).await?;
        let state = &mut *self.world.state();
        state.counts.probes += 1;
        for connection in 0..state.readers.len() {
            if state.is_well(&state.readers[connection], before) && !state.settle_topics(connection)
            {
                return Err(format!(
                    "connection {connection} waits: {:?}",
                    state.readers[connection]
                ));
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

    fn publish_item(&self, topic: usize, size: usize, deletes: bool, settings: &TopicSettings) {
        let state = &mut *self.world.state();
        if state.topics.is_over {
            return;
        }
        let topic = TOPICS[topic % TOPICS.len()];
        let is_key = topic.is_some_and(|topic| settings.is_key(topic));
        // An id cannot be given to a tombstone.
        let is_tombstone = deletes && is_key && !settings.is_shared;
        state.topics.newest.1 += 1;
        let name = state.topics.newest;
        state.topics.items.push(Item::Event { topic, is_tombstone, size, name });
        state.counts.published += 1;
        let place = state.topics.items.len() - 1;
        state.note(format_args!("item {place} of {topic:?}, a tombstone: {is_tombstone}"));
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
