//! Runs a scenario from its first action to the end of all connections.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use lasse_core::NotifyError;
use lasse_tokio::now;
use tokio::runtime::Builder;
use tokio::time::{advance, sleep};

use super::client::{self, ClientState, Command, Condition};
use super::panics::Recorder;
use super::scenario::{Action, Cut, Reloaded, Scenario};
use super::sequence::Sequence;
use super::settings::{MILLI, NodeSettings, SECOND};
use super::stranger;
use super::task::spawn;
use super::world::{Counts, Part, State, World};
use super::{Breach, Report};

/// Runs a scenario.
pub(super) fn run(scenario: &Scenario, keeps_lines: bool) -> Result<Report, Box<Breach>> {
    let (world, result) = simulate(scenario, keeps_lines);
    result.map(|()| report(&world)).map_err(|what| {
        Box::new(Breach {
            seed: scenario.seed,
            what,
            scenario: format!("{scenario:#?}"),
            trace: world.take_lines(),
        })
    })
}

/// Runs a scenario, and returns all that happens in it.
pub(super) fn trace(scenario: &Scenario) -> String {
    let (world, result) = simulate(scenario, true);
    format!("{scenario:#?}\n{}\n{result:?}", world.take_lines().join("\n"))
}

fn simulate(scenario: &Scenario, keeps_lines: bool) -> (Arc<World>, Result<(), String>) {
    let panics = Recorder::new();
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O needs nothing that could lack");
    let entered = runtime.enter();
    let world = World::new(scenario.seed, scenario.settings.clone(), keeps_lines);
    drop(entered);
    let result = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(Run { world: world.clone(), panics: &panics }.run(scenario))
    }));
    drop(runtime);
    let result = match (result, panics.first()) {
        (_, Some(panic)) => Err(panic),
        (result, None) => result.unwrap_or_else(|_| Err("a panic".into())),
    };
    (world, result)
}

fn report(world: &World) -> Report {
    let state = world.state();
    let Counts { published, delivered, connects, resets, probes } = state.counts.clone();
    Report {
        steps: world.meter.steps(),
        published,
        delivered,
        connects,
        probes,
        resets,
        faults: world.meter.faults(),
        trace_hash: state.trace.hash(),
    }
}

struct Run<'a> {
    world: Arc<World>,
    panics: &'a Recorder,
}

impl Run<'_> {
    async fn run(&self, scenario: &Scenario) -> Result<(), String> {
        let settings = &scenario.settings;
        settings.nodes.iter().for_each(|node| self.world.add_node(node));
        for (index, client) in settings.clients.iter().enumerate() {
            let state = ClientState::new(client.clone(), index % settings.feeds);
            self.world.state().clients.push(state);
            let task = client::run(self.world.clone(), index);
            let random = self.world.random(Part::Client(index));
            drop(spawn(task, random, &self.world.meter));
        }
        for (nth, action) in scenario.actions.iter().enumerate() {
            self.world.meter.count_step();
            self.act(action, nth).await?;
            self.check()?;
        }
        self.heal().await?;
        self.finish().await
    }

    /// Whether the law holds so far.
    fn check(&self) -> Result<(), String> {
        if let Some(panic) = self.panics.first() {
            return Err(panic);
        }
        let state = self.world.state();
        if let Some(breach) = &state.breach {
            return Err(breach.clone());
        }
        for (index, node) in state.nodes.iter().enumerate().filter(|(_, node)| node.is_up) {
            node.check_counters().map_err(|what| format!("node {index}: {what}"))?;
        }
        state.check_channels(&self.world.settings.channel)
    }

    async fn sleep(&self, time: Duration) -> Result<(), String> {
        sleep(time).await;
        self.check()
    }

    async fn act(&self, action: &Action, nth: usize) -> Result<(), String> {
        let world = &self.world;
        let (clients, nodes, feeds) = {
            let state = world.state();
            (state.clients.len(), state.nodes.len(), state.feeds.len())
        };
        match *action {
            Action::Publish { feed, events, size } => self.publish(feed % feeds, events, size),
            Action::Wait(time) => self.sleep(time).await?,
            Action::Jump(time) => {
                self.fault("jump of the clock");
                world.state().readers.iter_mut().for_each(|reader| reader.is_slow = true);
                advance(time).await;
            }
            Action::Stall { client, time } => {
                self.fault("stall");
                let client = &mut world.state().clients[client % clients];
                client.stalled_until = now() + time;
                client.notify.notify_one();
            }
            Action::Cut { client, how } => {
                self.fault(match how {
                    Cut::Reset => "reset",
                    Cut::After(_) => "cut planned",
                    Cut::Vanish => "client vanished",
                    Cut::HalfClose => "half-close",
                });
                world.state().command(client % clients, Command::Cut(how));
            }
            Action::Claim { client, ref claim } => {
                self.fault("claimed id");
                world.state().clients[client % clients].claim = Some(claim.clone());
            }
            Action::Reload { client } => {
                world.state().command(client % clients, Command::Reload);
            }
            Action::Drain { node, plan } => {
                let node = node % nodes;
                if world.state().nodes[node].is_up {
                    self.fault("drain");
                    world.drain(node, &plan);
                }
            }
            Action::Restart { node, downtime, log } => {
                let node = node % nodes;
                self.fault("restart");
                let settings = world.state().nodes[node].settings.clone();
                world.kill(node);
                self.sleep(downtime).await?;
                world.restart(node, &settings, log);
            }
            Action::Lag { node } => world.state().nodes[node % nodes].is_lagging = true,
            Action::CatchUp { node } => self.catch_up(node % nodes),
            Action::End { feed, ending } => {
                world.state().feeds[feed % feeds].ending.get_or_insert(ending);
                self.spread(feed % feeds);
            }
            Action::Reopen { feed } => self.reopen(feed % feeds),
            Action::Clear { node, feed } => {
                let channel = world.state().nodes[node % nodes].channel(feed % feeds);
                channel.clear();
                world.renew(node % nodes, feed % feeds);
            }
            Action::Notify { client, messages, stops } => {
                self.notify(client % clients, messages, stops).await?;
            }
            Action::Probe { feed } => self.probe(feed % feeds).await?,
            Action::Stranger { node, kind } => {
                self.fault("stranger");
                stranger::connect(world, node % nodes, kind, nth);
            }
        }
        Ok(())
    }

    fn fault(&self, kind: &'static str) {
        self.world.meter.count_fault(kind);
    }

    fn publish(&self, feed: usize, events: usize, size: usize) {
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

    /// Has each node that is up, and does not lag, publish what is new.
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

    /// Sends messages to a client's mailbox, and checks that they arrive soon.
    async fn notify(&self, client: usize, messages: usize, stops: bool) -> Result<(), String> {
        let (connection, notifier, capacity) = {
            let state = self.world.state();
            let Condition::Connected(connection) = state.clients[client].state else {
                return Ok(());
            };
            let Some((notifier, capacity)) = &state.readers[connection].mailbox else {
                return Ok(());
            };
            (connection, notifier.clone(), *capacity as u64)
        };
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

    /// Publishes an event, and checks that every reader that can take it has it soon.
    async fn probe(&self, feed: usize) -> Result<(), String> {
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
    async fn heal(&self) -> Result<(), String> {
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
        let state = self.world.state();
        let clients = if has_given_up { 0..0 } else { 0..clients };
        clients.into_iter().try_for_each(|client| state.check_is_served(client, &self.world))
    }

    /// Ends all: clients leave, and nothing of them must be left.
    async fn finish(&self) -> Result<(), String> {
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

impl State {
    fn command(&mut self, client: usize, command: Command) {
        self.note(format_args!("client {client}: {command:?}"));
        self.clients[client].commands.push_back(command);
        self.clients[client].notify.notify_one();
    }
}

/// How many seconds clients have to reconnect at the end.
const ROUNDS: u32 = 300;

/// After so many steps, clients are refused again and again, or read too slowly to wait for them.
const MOST_STEPS_OF_ROUNDS: u64 = 300_000;

/// Longer than any timeout of a calm node.
const LAST_WAIT: Duration = Duration::from_secs(120);
