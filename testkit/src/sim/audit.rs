//! What must hold of the whole simulation at any time: counters equal a recount, clients that can be up to
//! date are.

use std::time::Duration;

use lasse_core::{Channels, Ending, Instant, LagPolicy};
use lasse_tokio::now;

use super::channel_settings::ChannelSettings;
use super::client::Condition;
use super::reader::{Answer, Reader};
use super::settings::{Route, Stack};
use super::topics::TopicSettings;
use super::world::{State, World};

impl State {
    /// Whether each channel has counted what it was given, and each pool the bytes of its channels.
    pub(super) fn check_channels(&self, settings: &ChannelSettings) -> Result<(), String> {
        for (index, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.is_up) {
            if settings.age.is_none() {
                // What was read last is counted when the time of a channel advances. Some may go then.
                node.channels().for_each(|(_, channel)| channel.advance(now()));
            }
            let channels: Vec<_> = node.channels().collect();
            for (feed, channel) in &channels {
                let (stats, log) = (channel.stats(), &self.logs[node.feeds[*feed].log]);
                let len = log.events;
                if channel.epoch().as_str() == log.epoch && stats.published != len {
                    return Err(format!("node {index}, feed {feed}: {len} events, {stats:?}"));
                }
            }
            let bytes: usize = channels.iter().map(|(_, channel)| channel.stats().bytes).sum();
            let counted = node.pool.as_ref().map_or(bytes, Channels::bytes);
            if settings.age.is_none() && counted != bytes {
                return Err(format!("node {index}: {counted} bytes counted, {bytes} taken"));
            }
        }
        Ok(())
    }

    /// Whether a connection that was there at `since` still is, and nothing is wrong with it.
    pub(super) fn is_well(&self, reader: &Reader, since: Instant) -> bool {
        let client = &self.clients[reader.client];
        !reader.is_over
            && !reader.is_faulted
            && self.nodes[reader.node].is_up
            && reader.opened_at <= since
            && client.stalled_until <= since
            && client.settings.pause.is_zero()
    }

    /// Whether a reader that has been connected since `since` has all that its log has, if it can.
    pub(super) fn check_is_up_to_date(
        &self,
        reader: &Reader,
        since: Instant,
        world: &World,
    ) -> Result<(), String> {
        let Some(position) = reader.position() else { return Ok(()) };
        let (node, log) = (&self.nodes[reader.node], &self.logs[position.log]);
        let is_well = self.is_well(reader, since) && node.feeds[reader.feed].log == position.log;
        let settings = &world.settings.channel;
        let may_skip = settings.has_silent_resets() && settings.lag == LagPolicy::Skip;
        let Some(next) = position.next_in(log) else { return Ok(()) };
        let is_settled = next == log.entries.len()
            || settings.has_silent_resets() && log.after_holes(next) == log.entries.len();
        if !is_well || may_skip || is_settled {
            return Ok(());
        }
        Err(format!("it is at {} of {} and waits", position.next, log.entries.len()))
    }

    /// Whether a client waits for nothing but new events, or longer than `horizon`.
    pub(super) fn is_settled(&self, client: usize, horizon: Duration) -> bool {
        match self.clients[client].state {
            // It connects again and again.
            _ if matches!(self.clients[client].settings.route, Route::Tokens | Route::Mail) => true,
            Condition::Stopped => true,
            Condition::Waiting(until) => until > now() + horizon,
            Condition::Connected(connection) => {
                let reader = &self.readers[connection];
                let is_up_to_date = match &reader.answer {
                    Some(Answer::Stream(position)) => {
                        let log = &self.logs[position.log];
                        position.next_in(log).is_none_or(|next| next == log.entries.len())
                    }
                    Some(Answer::Topics(topics)) => {
                        topics.is_settled(&self.topics.logs[topics.log])
                    }
                    answer => answer.is_some(),
                };
                !reader.is_over && is_up_to_date
            }
        }
    }

    /// Whether a client is connected and has everything, or has a reason not to.
    pub(super) fn check_is_served(&self, client: usize, world: &World) -> Result<(), String> {
        let state = &self.clients[client];
        if let (Route::Topics, Some(topics)) = (state.settings.route, &world.settings.topics) {
            return self.check_topics_are_served(client, topics);
        }
        let settings = &world.settings.channel;
        let is_limited = settings.max_subscribers < self.clients.len();
        let may_end = settings.age.is_some()
            || settings.has_snapshots
            || settings.lag == LagPolicy::Disconnect;
        // A body that fails takes with it what hyper has not written yet.
        let may_lose = self.feeds[state.feed].ending == Some(Ending::Aborted)
            && self.nodes.iter().any(|node| node.settings.stack != Stack::Tokio);
        if self.is_settled(client, Duration::ZERO)
            || is_limited
            || may_end
            || may_lose
            || settings.has_silent_resets()
        {
            return Ok(());
        }
        Err(format!("client {client} is not served: {:?}", state.state))
    }

    /// Whether a client with topics is connected and has everything, or has a reason not to.
    fn check_topics_are_served(
        &self,
        client: usize,
        settings: &TopicSettings,
    ) -> Result<(), String> {
        let may_end = settings.age.is_some() && settings.lag == LagPolicy::Disconnect;
        // A body that fails takes with it what hyper has not written yet.
        let may_lose = self.topics.is_aborted()
            && self.nodes.iter().any(|node| node.settings.stack != Stack::Tokio);
        match self.is_settled(client, Duration::ZERO) || may_end || may_lose {
            true => Ok(()),
            false => {
                Err(format!("client {client} is not served: {:?}", self.clients[client].state))
            }
        }
    }
}
