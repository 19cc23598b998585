//! A client: it connects, reads, loses its connection and reconnects.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;

use lasse_core::Instant;
use lasse_tokio::now;
use tokio::sync::Notify;
use tokio::time::sleep_until;

use super::agent::{Agent, Wish};
use super::client_action::{Claim, Cut};
use super::decision::Requested;
use super::random::Random;
use super::reader::End;
use super::settings::ClientSettings;
use super::topics::Want;
use super::world::{Part, World};

/// What the simulation knows of a client.
#[derive(Debug)]
pub(super) struct ClientState {
    pub(super) settings: ClientSettings,
    pub(super) feed: usize,
    /// The last event id in its newest request.
    pub(super) requested: Requested,
    /// The id that its next request must have.
    pub(super) last_id: String,
    /// What its next request claims instead.
    pub(super) claim: Option<Claim>,
    /// Which topics it asks for. None: all events.
    pub(super) wants: Option<Vec<Want>>,
    /// Whether its filter can change while its stream is open.
    pub(super) has_handle: bool,
    pub(super) stalled_until: Instant,
    pub(super) commands: VecDeque<Command>,
    pub(super) notify: Arc<Notify>,
    pub(super) state: Condition,
}

/// What a client is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Connected(usize),
    Waiting(Instant),
    /// It received the end for good.
    Stopped,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Command {
    Cut(Cut),
    /// Start again.
    Reload,
    /// Close the connection and do nothing more.
    Leave,
}

/// Why a client's connection or wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Connection,
    Life,
    All,
}

impl ClientState {
    pub(super) fn new(settings: ClientSettings, feed: usize) -> Self {
        Self {
            settings,
            feed,
            requested: Requested::Nothing,
            last_id: String::new(),
            claim: None,
            wants: None,
            has_handle: false,
            stalled_until: now(),
            commands: VecDeque::new(),
            notify: Arc::default(),
            state: Condition::Waiting(now()),
        }
    }
}

/// A client's task.
pub(super) async fn run(world: Arc<World>, index: usize) {
    let mut task = ClientTask::new(world, index);
    while task.live().await != Over::All {
        let state = &mut task.world.state().clients[index];
        state.last_id.clear();
    }
}

pub(super) struct ClientTask {
    pub(super) world: Arc<World>,
    pub(super) index: usize,
    pub(super) settings: ClientSettings,
    pub(super) feed: usize,
    pub(super) notify: Arc<Notify>,
    pub(super) random: Random,
    pub(super) node: usize,
}

impl ClientTask {
    fn new(world: Arc<World>, index: usize) -> Self {
        let mut random = world.random(Part::Client(index));
        let (settings, feed, notify) = {
            let state = &world.state().clients[index];
            (state.settings.clone(), state.feed, state.notify.clone())
        };
        let node = random.up_to(world.settings.nodes.len() - 1);
        Self { world, index, settings, feed, notify, random, node }
    }

    /// Lives until it is reloaded or leaves.
    async fn live(&mut self) -> Over {
        let mut agent = Agent::new(self.settings.kind, self.settings.read_timeout);
        loop {
            let over = match agent.poll(now(), self.random.next()) {
                Wish::Connect(id) => self.connect(&mut agent, id).await,
                // The node was down.
                Wish::Listen(_) => {
                    agent.handle_end(End::Broken, now());
                    Over::Connection
                }
                Wish::Wait(until) => self.wait(Condition::Waiting(until), Some(until)).await,
                Wish::Stop => self.wait(Condition::Stopped, None).await,
            };
            if over != Over::Connection {
                return over;
            }
        }
    }

    async fn wait(&self, condition: Condition, until: Option<Instant>) -> Over {
        self.world.state().clients[self.index].state = condition;
        loop {
            match self.take_command() {
                Some(Command::Reload) => return Over::Life,
                Some(Command::Leave) => return Over::All,
                Some(Command::Cut(_)) => continue,
                None => {}
            }
            tokio::select! {
                biased;
                () = self.notify.notified() => {}
                () = at(until) => return Over::Connection,
            }
        }
    }

    pub(super) fn take_command(&self) -> Option<Command> {
        self.world.state().clients[self.index].commands.pop_front()
    }

    async fn connect(&mut self, agent: &mut Agent, id: Option<Vec<u8>>) -> Over {
        if self.random.one_in(self.settings.hops_one_in) {
            self.node = self.random.up_to(self.world.settings.nodes.len() - 1);
        }
        let Some(opened) = self.open(id) else { return Over::Connection };
        let connection = opened.connection;
        let (end, over) = self.exchange(agent, opened).await;
        agent.handle_end(end, now());
        self.world.state().readers[connection].is_over = true;
        over
    }
}

/// Returns at a time; never, if there is none.
pub(super) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(tokio::time::Instant::from_std(time.into())).await,
        None => pending().await,
    }
}
