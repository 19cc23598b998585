//! What must hold when nothing goes wrong any more: events arrive at once, all clients catch up, and
//! nothing of them is left when they have gone.

use std::time::Duration;

use lasse_tokio::now;

use super::client::Command;
use super::run::Run;
use super::scenario::Reloaded;
use super::settings::{MILLI, NodeSettings, SECOND};

impl Run<'_> {
    /// Publishes an event, and checks that every reader that can take it has it soon.
    pub(super) async fn probe(&self, feed: usize) -> Result<(), String> {
        let linger = match self.world.settings.has_dispatcher {
            true => self.world.settings.channel.linger,
            false => Duration::ZERO,
        };
        if linger > SECOND {
            return Ok(());
        }
        let before = now();
        self.sleep(linger + 5 * MILLI).await?;
        self.publish(feed, 1, 10);
        self.sleep(linger + 5 * MILLI).await?;
        let state = &mut *self.world.state();
        state.counts.probes += 1;
        for (index, node) in state.nodes.iter().enumerate().filter(|(_, node)| node.is_up) {
            node.check_drained().map_err(|what| format!("node {index}: {what}"))?;
        }
        let readers = state.readers.iter().enumerate().filter(|(_, reader)| reader.feed == feed);
        for (index, reader) in readers {
            if let Err(what) = state.check_is_up_to_date(reader, before, &self.world) {
                return Err(format!("connection {index} to node {}: {what}", reader.node));
            }
        }
        Ok(())
    }

    /// Repairs everything: nodes start again with calm settings and their logs, clients stop to stall.
    /// Then every client must receive all that comes.
    pub(super) async fn heal(&self) -> Result<(), String> {
        self.world.note(format_args!("all is repaired"));
        let (nodes, clients) = {
            let state = &mut *self.world.state();
            state.is_repaired = true;
            for client in &mut state.clients {
                client.stalled_until = now();
                client.notify.notify_one();
            }
            (state.nodes.len(), state.clients.len())
        };
        for node in 0..nodes {
            let stack = self.world.state().nodes[node].settings.stack;
            self.world.kill(node);
            self.world.restart(node, &NodeSettings::calm(stack), Reloaded::All);
        }
        let steps = self.world.meter.steps();
        let mut has_given_up = false;
        for _ in 0..ROUNDS {
            self.sleep(SECOND).await?;
            let state = self.world.state();
            has_given_up = self.world.meter.steps() > steps + MOST_STEPS_OF_ROUNDS;
            if has_given_up || (0..clients).all(|client| state.is_settled(client, ROUNDS * SECOND))
            {
                break;
            }
        }
        for feed in 0..self.world.settings.feeds {
            self.probe(feed).await?;
        }
        self.heal_topics().await?;
        let state = self.world.state();
        let clients = if has_given_up { 0..0 } else { 0..clients };
        clients.into_iter().try_for_each(|client| state.check_is_served(client, &self.world))
    }

    /// Ends all: clients leave, and nothing of them must be left.
    pub(super) async fn finish(&self) -> Result<(), String> {
        {
            let state = &mut *self.world.state();
            (0..state.clients.len()).for_each(|client| state.command(client, Command::Leave));
        }
        self.sleep(LAST_WAIT).await?;
        let state = self.world.state();
        for (index, node) in state.nodes.iter().enumerate() {
            let stats = node.gate.stats();
            if stats.open > 0 {
                return Err(format!("node {index} has streams without clients: {stats:?}"));
            }
            let readers = node.topics.as_ref().map_or(0, |node| node.channel.stats().subscribers);
            if readers > 0 {
                return Err(format!("node {index}: {readers} readers of topics are left"));
            }
            for feed in 0..self.world.settings.feeds {
                let stats = node.channel(feed).stats();
                if stats.subscribers > 0 {
                    return Err(format!("node {index}, feed {feed} has readers: {stats:?}"));
                }
            }
        }
        Ok(())
    }
}

/// How many seconds clients have to reconnect at the end.
const ROUNDS: u32 = 300;

/// After so many steps, clients are refused again and again, or read too slowly to wait for them.
const MOST_STEPS_OF_ROUNDS: u64 = 300_000;

/// Longer than any timeout of a calm node.
const LAST_WAIT: Duration = Duration::from_secs(120);
