//! A client opens a connection: to its node, or to a proxy in front of it that speaks HTTP/2.

use lasse_tokio::now;

use super::accept::{Visit, accept};
use super::client::{ClientTask, Condition};
use super::pipe::{ClientEnd, pipe};
use super::proxy::proxy;
use super::reader::Reader;
use super::request::{request, requested};
use super::settings::{ClientKind, ClientSettings, Route, Stack};
use super::world::{Part, State};

/// A connection that a client has opened.
pub(super) struct Opened {
    pub(super) connection: usize,
    /// What the client must send.
    pub(super) request: Vec<u8>,
    pub(super) end: ClientEnd,
}

impl ClientTask {
    /// Opens a connection, if the node accepts one.
    pub(super) fn open(&mut self, id: Option<Vec<u8>>) -> Option<Opened> {
        let (request, connection, is_http2) = self.begin(&mut self.world.state(), id)?;
        let visit = Visit {
            node: self.node,
            feed: self.feed,
            route: self.settings.route,
            client: self.index,
            connection: Some(connection),
        };
        let random = self.world.random(Part::Pipe(connection));
        let (server_end, end) = pipe(&self.settings.pipe, random, &self.world.meter);
        match is_http2 {
            true => proxy(&self.world, server_end, &self.settings, visit),
            false => accept(&self.world, server_end, visit),
        }
        Some(Opened { connection, request, end })
    }

    /// Takes note of a connection. Returns its request, its index, and whether there is a
    /// proxy before the node.
    fn begin(&self, state: &mut State, id: Option<Vec<u8>>) -> Option<(Vec<u8>, usize, bool)> {
        let (node, feed) = (self.node, self.feed);
        state.counts.connects += 1;
        if !state.nodes[node].is_accepting() {
            state.note(format_args!("client {}: node {node} is down", self.index));
            return None;
        }
        let is_http2 = self.settings.is_http2 && state.nodes[node].settings.stack == Stack::Serve;
        let ids = self.ids(state, id)?;
        let client = &mut state.clients[self.index];
        client.requested = requested(&ids);
        let requested = client.requested.clone();
        let connection = state.readers.len();
        client.state = Condition::Connected(connection);
        state.readers.push(Reader::new(self.index, node, feed, now()));
        state.note(format_args!(
            "client {} connects to node {node}, feed {feed}: connection {connection}, {requested:?}",
            self.index
        ));
        Some((request(&self.settings, feed, &ids), connection, is_http2))
    }

    /// The last event ids of the next request: those that the client claims, or the one
    /// that it must have.
    fn ids(&self, state: &mut State, id: Option<Vec<u8>>) -> Option<Vec<Vec<u8>>> {
        let node = &state.nodes[self.node];
        let (log, topics) = (&state.logs[node.feeds[self.feed].log], node.topics.as_ref());
        let topics = topics.map(|topics| &state.topics.logs[topics.log]);
        let client = &mut state.clients[self.index];
        let sent = id.as_deref().unwrap_or_default();
        let ClientSettings { kind, route, .. } = client.settings;
        // A browser keeps the id of an event that has ended, and of no other.
        let has_forgotten = sent.is_empty() && !client.last_id.is_empty();
        let must_be_last =
            kind == ClientKind::Lasse && matches!(route, Route::Feed | Route::Topics);
        if has_forgotten || must_be_last && sent != client.last_id.as_bytes() {
            let (sent, last_id) = (String::from_utf8_lossy(sent), client.last_id.clone());
            let what = format!("client {} asks for {sent:?}, not {last_id:?}", self.index);
            state.breach(what);
            return None;
        }
        Some(match client.claim.take() {
            Some(claim) => match topics.filter(|_| route == Route::Topics) {
                Some(topics) => claim.values(topics.epoch(), &topics.ids()),
                None => claim.values(&log.epoch, &log.ids()),
            },
            None => id.into_iter().collect(),
        })
    }
}
