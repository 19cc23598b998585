//! A request and its response, on a client's side.

use std::sync::Arc;
use std::time::Duration;

use lasse_core::{Decoded, Instant};
use lasse_tokio::now;
use tokio::time::sleep;

use super::agent::{Agent, Wish};
use super::client::{ClientTask, Command, Over, at};
use super::client_action::Cut;
use super::http::{Part as ResponsePart, ResponseReader};
use super::opening::Opened;
use super::pipe::{ClientEnd, Moved};
use super::reader::End;
use super::world::World;

impl ClientTask {
    /// Sends the request and reads the response, until either side ends the connection.
    pub(super) async fn exchange(&mut self, agent: &mut Agent, opened: Opened) -> (End, Over) {
        let Opened { connection, request, mut end } = opened;
        let world: Arc<World> = self.world.clone();
        let reader = ResponseReader::new(self.settings.is_http10, false);
        let mut exchange = Exchange { world: &world, connection, end: End::Broken, reader };
        let (mut unsent, mut deadline) = (request.as_slice(), None);
        loop {
            while let Some(command) = self.take_command() {
                match exchange.obey(command, end) {
                    Ok(still) => end = still,
                    Err(over) => return (exchange.end, over),
                }
            }
            if self.step(&mut exchange, agent, &mut end, &mut unsent, deadline).await {
                return (exchange.end, Over::Connection);
            }
            match agent.poll(now(), self.random.next()) {
                Wish::Listen(until) => deadline = until,
                _ => return (exchange.end, Over::Connection),
            }
        }
    }

    /// Writes or reads once, or waits for a command or the deadline. Returns whether the
    /// response is over.
    async fn step(
        &self,
        exchange: &mut Exchange<'_>,
        agent: &mut Agent,
        end: &mut ClientEnd,
        unsent: &mut &[u8],
        deadline: Option<Instant>,
    ) -> bool {
        let (stalled_until, is_repaired) = {
            let state = self.world.state();
            (state.clients[self.index].stalled_until, state.is_repaired)
        };
        let is_stalled = stalled_until > now();
        let pause = if is_repaired { Duration::ZERO } else { self.settings.pause };
        if is_stalled || !pause.is_zero() {
            self.world.state().readers[exchange.connection].is_slow = true;
        }
        let (piece, mut space) =
            (&unsent[..unsent.len().min(self.settings.request_piece)], [0; 4096]);
        tokio::select! {
            biased;
            () = self.notify.notified() => {}
            () = at(Some(stalled_until)), if is_stalled => {}
            moved = end.write_or_read(piece, &mut space), if !is_stalled => match moved {
                Moved::Written(Ok(n)) => *unsent = &unsent[n..],
                // The answer may be there all the same.
                Moved::Written(Err(_)) => *unsent = &[],
                Moved::Read(read) => {
                    let bytes = read.as_ref().map(|n| &space[..*n]).map_err(|_| ());
                    if exchange.handle_read(bytes, agent) {
                        return true;
                    }
                    if !pause.is_zero() {
                        sleep(pause).await;
                    }
                }
            },
            () = at(deadline) => {}
        }
        false
    }
}

/// A response on its way to a client.
struct Exchange<'a> {
    world: &'a World,
    connection: usize,
    end: End,
    reader: ResponseReader,
}

impl Exchange<'_> {
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

    /// Does what a fault demands. Without the end that it returns, the connection is over.
    fn obey(&self, command: Command, end: ClientEnd) -> Result<ClientEnd, Over> {
        self.world.state().readers[self.connection].is_faulted = true;
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
