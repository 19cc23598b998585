//! Runs a scenario from its first action to the end of all connections.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::sleep;

use super::client::{self, ClientState};
use super::panics::Recorder;
use super::scenario::Scenario;
use super::task::spawn;
use super::threads::restart_numbers;
use super::world::{Counts, Part, World};
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
    restart_numbers();
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

pub(super) struct Run<'a> {
    pub(super) world: Arc<World>,
    panics: &'a Recorder,
}

impl Run<'_> {
    async fn run(&self, scenario: &Scenario) -> Result<(), String> {
        let settings = &scenario.settings;
        settings.nodes.iter().for_each(|node| self.world.add_node(node));
        for (index, client) in settings.clients.iter().enumerate() {
            self.start_client(ClientState::new(client.clone(), index % settings.feeds));
        }
        for client in settings.topics.iter().flat_map(|topics| &topics.clients) {
            let state = ClientState::new(client.client.clone(), 0);
            let (wants, has_handle) = (client.wants.clone(), client.has_handle);
            self.start_client(ClientState { wants, has_handle, ..state });
        }
        for (nth, action) in scenario.actions.iter().enumerate() {
            self.world.meter.count_step();
            self.act(action, nth).await?;
            self.check()?;
        }
        self.heal().await?;
        self.finish().await
    }

    fn start_client(&self, client: ClientState) {
        let index = self.world.state().clients.len();
        self.world.state().clients.push(client);
        let task = client::run(self.world.clone(), index);
        let random = self.world.random(Part::Client(index));
        drop(spawn(task, random, &self.world.meter));
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
            let topics = node.topics.as_ref();
            let counters =
                topics.map_or(Ok(()), |topics| topics.check_counters(&state.topics.logs));
            let counters = counters.and_then(|()| node.check_counters());
            counters.map_err(|what| format!("node {index}: {what}"))?;
        }
        state.check_channels(&self.world.settings.channel)
    }

    pub(super) async fn sleep(&self, time: Duration) -> Result<(), String> {
        sleep(time).await;
        self.check()
    }
}
