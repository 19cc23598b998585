//! The state of a simulation, which the tasks of its nodes and clients share.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lasse_core::{Decoded, Instant};
use lasse_tokio::now;

use super::client::ClientState;
use super::feed::{Feed, LogRecord};
use super::meter::Meter;
use super::node::Node;
use super::random::Random;
use super::reader::{Answer, Circumstances, End, Reader};
use super::settings::Settings;
use super::topics::Topics;
use super::trace::Trace;

#[derive(Debug)]
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) settings: Settings,
    pub(super) meter: Arc<Meter>,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) feeds: Vec<Feed>,
    /// Every log that there ever was.
    pub(super) logs: Vec<LogRecord>,
    pub(super) topics: Topics,
    pub(super) nodes: Vec<Node>,
    pub(super) clients: Vec<ClientState>,
    /// The connections of clients.
    pub(super) readers: Vec<Reader>,
    pub(super) trace: Trace,
    /// What broke the law first.
    pub(super) breach: Option<String>,
    pub(super) counts: Counts,
    /// Whether nothing goes wrong any more, so that clients read without pauses.
    pub(super) is_repaired: bool,
}

/// The report of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) published: u64,
    pub(super) delivered: u64,
    pub(super) connects: u64,
    pub(super) resets: BTreeMap<&'static str, u64>,
    pub(super) probes: u64,
}

impl World {
    pub(super) fn new(seed: u64, settings: Settings, keeps_lines: bool) -> Arc<Self> {
        let state = State {
            feeds: (0..settings.feeds).map(|_| Feed::default()).collect(),
            logs: Vec::new(),
            topics: Topics::default(),
            nodes: Vec::new(),
            clients: Vec::new(),
            readers: Vec::new(),
            trace: Trace::new(now(), keeps_lines),
            breach: None,
            counts: Counts::default(),
            is_repaired: false,
        };
        Arc::new(Self { seed, settings, meter: Arc::default(), state: Mutex::new(state) })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A generator for one part of the simulation.
    pub(super) fn random(&self, part: Part) -> Random {
        let (kind, index) = match part {
            Part::Node(index) => (1, index),
            Part::Client(index) => (2, index),
            Part::Pipe(index) => (3, index),
            Part::Task(index) => (4, index),
            Part::Stranger(index) => (5, index),
            Part::Source(index) => (6, index),
            Part::Proxy(index) => (7, index),
            // Number 0 of kind 0 makes the scenario.
            Part::Topics(index) => (0, index + 1),
        };
        Random::for_part(self.seed, (index as u64) << 3 | kind)
    }

    /// Adds to the trace.
    pub(super) fn note(&self, what: fmt::Arguments<'_>) {
        self.state().note(what);
    }

    /// Takes the head of a response.
    pub(super) fn handle_status(&self, connection: usize, status: u16) {
        let state = &mut *self.state();
        state.note(format_args!("connection {connection}: {status}"));
        let result = state.readers[connection].handle_status(status);
        state.hold(connection, result);
    }

    /// Takes what a client decoded.
    pub(super) fn handle_decoded(&self, connection: usize, decoded: &Decoded<'_>) {
        let state = &mut *self.state();
        if state.readers[connection].is_of_topics() {
            state.refresh_topics(state.readers[connection].node);
        }
        let reader = &mut state.readers[connection];
        let feed = &state.feeds[reader.feed];
        let before = reader.delivered();
        let result = match &self.settings.topics {
            Some(settings) if reader.is_of_topics() => {
                reader.handle_topics(decoded, &state.topics, settings)
            }
            _ => reader.handle_decoded(decoded, feed, &state.logs, &self.settings.channel),
        };
        state.counts.delivered += reader.delivered() - before;
        let at = reader.position().map(|position| position.next);
        match decoded {
            Decoded::Message(message) => {
                let (name, id) = (message.name(), message.last_event_id());
                state.note(format_args!("connection {connection}: {name:?} {id:?}, at {at:?}"));
            }
            other => state.note(format_args!("connection {connection}: {other:?}, at {at:?}")),
        }
        if let Ok(Some(reason)) = result {
            *state.counts.resets.entry(reason.as_str()).or_default() += 1;
        }
        state.hold(connection, result.map(drop));
    }

    /// Takes the end of a connection.
    pub(super) fn handle_end(&self, connection: usize, end: End) {
        let state = &mut *self.state();
        state.note(format_args!("connection {connection}: {end:?} end"));
        let circumstances = state.circumstances(connection, end, &self.settings);
        let reader = &mut state.readers[connection];
        let log = reader.position().map(|position| &state.logs[position.log]);
        let result = reader.handle_end(end, log, &self.settings.channel, &circumstances);
        state.hold(connection, result);
    }

    /// The lines of the trace, if they were kept.
    pub(super) fn take_lines(&self) -> Vec<String> {
        self.state().trace.take_lines()
    }

    /// Takes a violation of HTTP.
    pub(super) fn handle_wrong(&self, connection: usize, what: String) {
        self.state().hold(connection, Err(what));
    }
}

impl State {
    pub(super) fn note(&mut self, what: fmt::Arguments<'_>) {
        self.trace.note(now(), what);
    }

    /// Keeps what broke the law, if something did for the first time.
    pub(super) fn hold(&mut self, connection: usize, result: Result<(), String>) {
        if let Err(what) = result {
            let Reader { client, node, feed, .. } = self.readers[connection];
            self.breach(format!(
                "connection {connection} of client {client} to node {node}, feed {feed}: {what}"
            ));
        }
    }

    pub(super) fn breach(&mut self, what: String) {
        self.note(format_args!("BREACH {what}"));
        self.breach.get_or_insert(what);
    }

    fn circumstances(&mut self, connection: usize, end: End, settings: &Settings) -> Circumstances {
        self.refresh_topics(self.readers[connection].node);
        let reader = &self.readers[connection];
        let node = &self.nodes[reader.node];
        let held_from = match &reader.answer {
            Some(Answer::Stream(position)) => node.held_from(reader.feed, position.log, &self.logs),
            _ => 0,
        };
        let of_topics = match (&reader.answer, &settings.topics) {
            (Some(Answer::Topics(topics)), Some(settings)) => {
                topics.reason_to_end(end, &self.topics.logs[topics.log], settings)
            }
            _ => None,
        };
        let age = node.settings.max_age;
        Circumstances {
            held_from,
            of_topics,
            is_draining: node.drain.is_some_and(|drain| drain.first_shut_at <= now()),
            is_drained: node.drain.is_some_and(|drain| drain.over_at <= now()),
            is_too_old: age.is_some_and(|age| reader.opened_at + age <= now()),
        }
    }
}

/// The parts with random numbers of their own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Node(usize),
    Client(usize),
    Pipe(usize),
    Task(usize),
    Stranger(usize),
    Source(usize),
    Proxy(usize),
    Topics(usize),
}

/// The times of a node that drains.
#[derive(Clone, Copy, Debug)]
pub(super) struct DrainTimes {
    /// From when on it admits no more streams, by its newest plan.
    pub(super) shut_at: Instant,
    /// The first time, by any of its plans, at which streams can end.
    pub(super) first_shut_at: Instant,
    /// When all its streams must have ended, by its newest plan.
    pub(super) over_at: Instant,
    /// The same, but not soon after a jump of the clock.
    pub(super) left_by: Instant,
}

impl DrainTimes {
    /// The times after a plan follows on another.
    pub(super) fn followed_by(self, next: Self) -> Self {
        Self {
            shut_at: next.shut_at,
            first_shut_at: self.first_shut_at.min(next.first_shut_at),
            over_at: next.over_at,
            left_by: next.left_by,
        }
    }
}
