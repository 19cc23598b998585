//! A client: it connects, reads, loses its connection and reconnects.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use lasse_core::{Decoded, Instant};
use lasse_tokio::now;
use tokio::sync::Notify;
use tokio::time::{sleep, sleep_until};

use super::accept::{Visit, accept};
use super::agent::{Agent, Wish};
use super::decision::Requested;
use super::http::{Part as ResponsePart, ResponseReader};
use super::pipe::{ClientEnd, Moved, pipe};
use super::random::Random;
use super::reader::{End, Reader};
use super::request::{request, requested};
use super::scenario::{Claim, Cut};
use super::settings::{ClientKind, ClientSettings, Route};
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
enum Over {
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

struct ClientTask {
    world: Arc<World>,
    index: usize,
    settings: ClientSettings,
    feed: usize,
    notify: Arc<Notify>,
    random: Random,
    node: usize,
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

    fn take_command(&self) -> Option<Command> {
        self.world.state().clients[self.index].commands.pop_front()
    }

    async fn connect(&mut self, agent: &mut Agent, id: Option<Vec<u8>>) -> Over {
        if self.random.one_in(self.settings.hops_one_in) {
            self.node = self.random.up_to(self.world.settings.nodes.len() - 1);
        }
        let Some((connection, request, end)) = self.open(id) else {
            return Over::Connection;
        };
        let mut exchange = Exchange {
            reader: ResponseReader::new(self.settings.is_http10, false),
            world: self.world.clone(),
            connection,
            end: End::Broken,
        };
        let over = self.exchange_messages(agent, &mut exchange, request, end).await;
        agent.handle_end(exchange.end, now());
        exchange.world.state().readers[connection].is_over = true;
        over
    }

    /// Opens a connection, if the node is up.
    fn open(&mut self, id: Option<Vec<u8>>) -> Option<(usize, Vec<u8>, ClientEnd)> {
        let (node, feed) = (self.node, self.feed);
        let mut guard = self.world.state();
        let state = &mut *guard;
        state.counts.connects += 1;
        if !state.nodes[node].is_up {
            state.note(format_args!("client {}: node {node} is down", self.index));
            return None;
        }
        let log = &state.logs[state.nodes[node].feeds[feed].log];
        let client = &mut state.clients[self.index];
        let sent = id.as_deref().unwrap_or_default();
        let ClientSettings { kind, route, .. } = client.settings;
        let must_be_last = kind == ClientKind::Lasse && route == Route::Feed;
        if must_be_last && sent != client.last_id.as_bytes() {
            let (sent, last_id) = (String::from_utf8_lossy(sent), client.last_id.clone());
            let what = format!("client {} asks for {sent:?}, not {last_id:?}", self.index);
            state.breach(what);
            return None;
        }
        let ids = match client.claim.take() {
            Some(claim) => claim.values(log),
            None => id.into_iter().collect(),
        };
        client.requested = requested(&ids);
        let request = request(&self.settings, feed, &ids);
        let connection = state.readers.len();
        client.state = Condition::Connected(connection);
        let reader = Reader::new(self.index, node, feed, now());
        let requested = client.requested.clone();
        state.readers.push(reader);
        state.note(format_args!(
            "client {} connects to node {node}, feed {feed}: connection {connection}, {requested:?}",
            self.index
        ));
        drop(guard);
        let pipe_random = self.world.random(Part::Pipe(connection));
        let (server_end, end) = pipe(&self.settings.pipe, pipe_random, &self.world.meter);
        let visit = Visit {
            node,
            feed,
            route: self.settings.route,
            client: self.index,
            connection: Some(connection),
        };
        accept(&self.world, server_end, visit);
        Some((connection, request, end))
    }

    /// Sends the request and reads the response, until either side ends the connection.
    async fn exchange_messages(
        &mut self,
        agent: &mut Agent,
        exchange: &mut Exchange,
        request: Vec<u8>,
        mut end: ClientEnd,
    ) -> Over {
        let (mut unsent, mut space) = (request.as_slice(), [0; 4096]);
        let mut deadline = None;
        loop {
            while let Some(command) = self.take_command() {
                match self.obey(command, exchange, end) {
                    Ok(still) => end = still,
                    Err(over) => return over,
                }
            }
            let (stalled_until, is_repaired) = {
                let state = self.world.state();
                (state.clients[self.index].stalled_until, state.is_repaired)
            };
            let is_stalled = stalled_until > now();
            let pause = if is_repaired { Duration::ZERO } else { self.settings.pause };
            if is_stalled || !pause.is_zero() {
                exchange.world.state().readers[exchange.connection].is_slow = true;
            }
            let piece = &unsent[..unsent.len().min(self.settings.request_piece)];
            tokio::select! {
                biased;
                () = self.notify.notified() => {}
                () = at(Some(stalled_until)), if is_stalled => {}
                moved = end.write_or_read(piece, &mut space), if !is_stalled => match moved {
                    Moved::Written(Ok(n)) => unsent = &unsent[n..],
                    // The answer may be there all the same.
                    Moved::Written(Err(_)) => unsent = &[],
                    Moved::Read(read) => {
                        let bytes = read.as_ref().map(|n| &space[..*n]).map_err(|_| ());
                        if exchange.handle_read(bytes, agent) {
                            return Over::Connection;
                        }
                        if !pause.is_zero() {
                            sleep(pause).await;
                        }
                    }
                },
                () = at(deadline) => {}
            }
            match agent.poll(now(), self.random.next()) {
                Wish::Listen(until) => deadline = until,
                _ => return Over::Connection,
            }
        }
    }

    /// Does what a fault demands. Without the end that it returns, the connection is over.
    fn obey(
        &self,
        command: Command,
        exchange: &Exchange,
        end: ClientEnd,
    ) -> Result<ClientEnd, Over> {
        exchange.world.state().readers[exchange.connection].is_faulted = true;
        match command {
            Command::Reload => Err(Over::Life),
            Command::Leave => Err(Over::All),
            Command::Cut(Cut::After(bytes)) => {
                end.cut_after(bytes);
                Ok(end)
            }
            Command::Cut(Cut::HalfClose) => {
                end.half_close();
                Ok(end)
            }
            Command::Cut(Cut::Reset) => {
                end.reset();
                Err(Over::Connection)
            }
            Command::Cut(Cut::Vanish) => {
                end.vanish();
                Err(Over::Connection)
            }
        }
    }
}

/// A response on its way to a client.
struct Exchange {
    world: Arc<World>,
    connection: usize,
    end: End,
    reader: ResponseReader,
}

impl Exchange {
    /// Takes what a read returned. Returns whether the response is over.
    fn handle_read(&mut self, read: Result<&[u8], ()>, agent: &mut Agent) -> bool {
        let Ok(bytes) = read else {
            self.handle_end(End::Broken);
            return true;
        };
        if bytes.is_empty() {
            let is_whole = self.reader.is_whole_at_close();
            self.handle_end(if is_whole { End::Clean } else { End::Broken });
            return true;
        }
        self.reader.handle_bytes(bytes);
        loop {
            match self.reader.next_part() {
                Ok(None) => return false,
                Ok(Some(ResponsePart::Head(head))) => {
                    self.world.handle_status(self.connection, head.status().as_u16());
                    agent.handle_head(&head, now());
                }
                Ok(Some(ResponsePart::Body(bytes))) => self.handle_body(&bytes, agent),
                Ok(Some(ResponsePart::End)) => {
                    self.handle_end(End::Clean);
                    return true;
                }
                Err(what) => {
                    self.world.handle_wrong(self.connection, what);
                    return true;
                }
            }
        }
    }

    fn handle_end(&mut self, end: End) {
        self.end = end;
        self.world.handle_end(self.connection, end);
    }

    fn handle_body(&self, bytes: &[u8], agent: &mut Agent) {
        agent.handle_body(bytes);
        self.world.state().readers[self.connection].handle_body(bytes);
        let mut input = bytes;
        loop {
            match agent.decode(&mut input, now()) {
                Ok(None) => return,
                Ok(Some(decoded)) => self.handle_decoded(&decoded),
                Err(error) => self.world.handle_wrong(self.connection, error.to_string()),
            }
        }
    }

    fn handle_decoded(&self, decoded: &Decoded<'_>) {
        self.world.handle_decoded(self.connection, decoded);
        let state = &mut *self.world.state();
        let client = &mut state.clients[state.readers[self.connection].client];
        match decoded {
            Decoded::Message(message) => client.last_id = message.last_event_id().into(),
            Decoded::LastEventId(id) => client.last_id = (*id).into(),
            _ => {}
        }
    }
}

/// Returns at a time; never, if there is none.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(tokio::time::Instant::from_std(time.into())).await,
        None => pending().await,
    }
}
