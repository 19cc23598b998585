//! How clients subscribe to channels with topics, and change their filters.

use std::sync::Arc;

use lasse_core::{Channel, EventId, Init, RequestHead, Subscription, TopicFilter, TopicPattern};
use lasse_tokio::now;

use super::decision::{Outcome, decide};
use super::place::Change;
use super::record::TopicLog;
use super::settings::Want;
use crate::sim::source::{AnySource, Watched};
use crate::sim::world::World;

impl World {
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
        channel.advance(now());
        let node = state.readers[connection].node;
        state.refresh_topics(node);
        let client = &state.clients[state.readers[connection].client];
        let log_index = match &state.nodes[node].topics {
            Some(topics) => topics.log,
            None => return Init::Complete,
        };
        let log = &mut state.topics.logs[log_index];
        let resolved = client.wants.as_deref().map(|wants| resolve(wants, log));
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
            Ok(answer) => state.readers[connection].decided = Some(answer),
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
        if let Some(connection) = connection {
            state.refresh_topics(state.readers[connection].node);
        }
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
        let index = index.filter(|index| *index >= log.first && !log.is_hole(*index));
        let topic = TopicPattern::from_static(pattern);
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

/// How many filters of a stream can be waiting.
const MOST_CHANGES: usize = 4;
