//! What happens in a scenario, action by action.

use std::time::Duration;

use lasse_core::{Ending, NotifyError};
use lasse_tokio::now;
use tokio::time::advance;

use super::client::{Command, Condition};
use super::client_action::{Claim, ClientAction, Cut};
use super::node::Node;
use super::run::Run;
use super::scenario::{Action, Plan, Reloaded};
use super::sequence::Sequence;
use super::settings::MILLI;
use super::source::MailNotifier;
use super::stranger;
use super::world::State;

impl Run<'_> {
    pub(super) async fn act(&self, action: &Action, nth: usize) -> Result<(), String> {
        let (clients, nodes, feeds) = {
            let state = self.world.state();
            (self.world.settings.clients.len(), state.nodes.len(), state.feeds.len())
        };
        match *action {
            Action::Publish { feed, events, size } => self.publish(feed % feeds, events, size),
            Action::Wait(time) => self.sleep(time).await?,
            Action::Jump(time) => self.jump(time).await,
            Action::Client { client, ref action } => self.act_on_client(client % clients, action),
            Action::Drain { node, plan } => self.drain(node % nodes, &plan),
            Action::Restart { node, downtime, log } => {
                self.restart(node % nodes, downtime, log).await?;
            }
            Action::Lag { node } => self.world.state().nodes[node % nodes].is_lagging = true,
            Action::CatchUp { node } => self.catch_up(node % nodes),
            Action::Miss { node, feed } => self.miss(node % nodes, feed % feeds),
            Action::End { feed, ending } => self.end(feed % feeds, ending),
            Action::Reopen { feed } => self.reopen(feed % feeds),
            Action::Clear { node, feed } => self.clear(node % nodes, feed % feeds),
            Action::Notify { client, messages, stops } => {
                self.notify(client % clients, messages, stops).await?;
            }
            Action::Probe { feed } => self.probe(feed % feeds).await?,
            Action::Stranger { node, kind } => {
                self.fault("stranger");
                stranger::connect(&self.world, node % nodes, kind, nth);
            }
            Action::Topics(ref action) => self.act_on_topics(action).await?,
        }
        Ok(())
    }

    async fn jump(&self, time: Duration) {
        self.fault("jump of the clock");
        self.world.state().readers.iter_mut().for_each(|reader| reader.is_slow = true);
        advance(time).await;
        self.world.state().nodes.iter_mut().for_each(Node::handle_jump);
    }

    pub(super) fn act_on_client(&self, client: usize, action: &ClientAction) {
        match *action {
            ClientAction::Stall(time) => self.stall(client, time),
            ClientAction::Cut(how) => self.cut(client, how),
            ClientAction::Claim(ref claim) => self.claim(client, claim),
            ClientAction::Reload => self.world.state().command(client, Command::Reload),
        }
    }

    fn stall(&self, client: usize, time: Duration) {
        self.fault("stall");
        let client = &mut self.world.state().clients[client];
        client.stalled_until = now() + time;
        client.notify.notify_one();
    }

    fn cut(&self, client: usize, how: Cut) {
        self.fault(match how {
            Cut::Reset => "reset",
            Cut::After(_) => "cut planned",
            Cut::Vanish => "client vanished",
            Cut::HalfClose => "half-close",
        });
        self.world.state().command(client, Command::Cut(how));
    }

    fn claim(&self, client: usize, claim: &Claim) {
        self.fault("claimed id");
        self.world.state().clients[client].claim = Some(claim.clone());
    }

    fn drain(&self, node: usize, plan: &Plan) {
        if self.world.state().nodes[node].is_up {
            self.fault("drain");
            self.world.drain(node, plan);
        }
    }

    async fn restart(&self, node: usize, downtime: Duration, log: Reloaded) -> Result<(), String> {
        self.fault("restart");
        let settings = self.world.state().nodes[node].settings.clone();
        self.world.kill(node);
        self.sleep(downtime).await?;
        self.world.restart(node, &settings, log);
        Ok(())
    }

    fn miss(&self, node: usize, feed: usize) {
        if self.world.settings.has_holes {
            self.world.miss(node, feed);
            self.spread(feed);
        }
    }

    fn end(&self, feed: usize, ending: Ending) {
        self.world.state().feeds[feed].ending.get_or_insert(ending);
        self.spread(feed);
    }

    fn clear(&self, node: usize, feed: usize) {
        let channel = self.world.state().nodes[node].channel(feed);
        channel.clear();
        self.world.renew(node, feed);
    }

    fn fault(&self, kind: &'static str) {
        self.world.meter.count_fault(kind);
    }

    pub(super) fn publish(&self, feed: usize, events: usize, size: usize) {
        let mut guard = self.world.state();
        let state = &mut *guard;
        if state.feeds[feed].ending.is_some() {
            return;
        }
        state.feeds[feed].sizes.extend(std::iter::repeat_n(size, events));
        state.counts.published += events as u64;
        let len = state.feeds[feed].len();
        state.note(format_args!("feed {feed} has {len} events"));
        drop(guard);
        self.spread(feed);
    }

    /// Publishes the new events on each node that is up and does not lag.
    fn spread(&self, feed: usize) {
        let nodes = self.world.state().nodes.len();
        for node in 0..nodes {
            let is_there = {
                let node = &self.world.state().nodes[node];
                node.is_up && !node.is_lagging
            };
            if is_there {
                self.world.catch_up(node, feed);
            }
        }
    }

    fn catch_up(&self, node: usize) {
        self.world.state().nodes[node].is_lagging = false;
        if self.world.state().nodes[node].is_up {
            (0..self.world.settings.feeds).for_each(|feed| self.world.catch_up(node, feed));
            self.world.publish_topics(node, &mut self.world.state());
        }
    }

    fn reopen(&self, feed: usize) {
        let nodes = {
            let state = &mut *self.world.state();
            if state.feeds[feed].ending.is_none() {
                return;
            }
            state.feeds[feed].ending = None;
            state.nodes.len()
        };
        (0..nodes).for_each(|node| self.world.reopen(node, feed));
    }

    /// The connection of a client, and its mailbox with how many messages that holds.
    fn mailbox(&self, client: usize) -> Option<(usize, MailNotifier, u64)> {
        let state = self.world.state();
        let Condition::Connected(connection) = state.clients[client].state else { return None };
        let (notifier, capacity) = state.readers[connection].mailbox.as_ref()?;
        Some((connection, notifier.clone(), *capacity as u64))
    }

    /// Sends messages to a client's mailbox, and checks that they arrive soon.
    async fn notify(&self, client: usize, messages: usize, stops: bool) -> Result<(), String> {
        let Some((connection, notifier, capacity)) = self.mailbox(client) else { return Ok(()) };
        for nth in 0..messages {
            let sent = notifier.notify(nth * 20);
            let state = &mut *self.world.state();
            let reader = &mut state.readers[connection];
            let queued = reader.sequence.accepted - reader.sequence.produced;
            match sent {
                Ok(()) => reader.sequence.accepted += 1,
                Err(NotifyError::Full) if queued == capacity => {}
                Err(NotifyError::Closed) if reader.reason.is_some() || reader.is_stopped => {}
                Err(error) => {
                    return Err(format!("connection {connection}: {error}, {queued} wait"));
                }
            }
        }
        if stops {
            notifier.stop();
            self.world.state().readers[connection].is_stopped = true;
        }
        let before = now();
        self.sleep(5 * MILLI).await?;
        let state = self.world.state();
        let reader = &state.readers[connection];
        let Sequence { accepted, received, .. } = reader.sequence;
        let is_missing = received != accepted || stops;
        if is_missing && state.is_well(reader, before) {
            return Err(format!("connection {connection} waits: {:?}", reader.sequence));
        }
        Ok(())
    }
}

impl State {
    pub(super) fn command(&mut self, client: usize, command: Command) {
        self.note(format_args!("client {client}: {command:?}"));
        self.clients[client].commands.push_back(command);
        self.clients[client].notify.notify_one();
    }
}
