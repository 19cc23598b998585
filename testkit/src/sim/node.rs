//! A node: one server with its gate and its channels, which can be killed, drained and started again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use lasse_core::{Channel, Channels, EndReason};
use lasse_tokio::server::ConnectionTracker;
use lasse_tokio::{DrainPlan, Endpoint, Gate, GateConfig, PeerAddr, ServeConfig, now};
use tokio::task::AbortHandle;

use super::decision::held_from;
use super::feed::LogRecord;
use super::pipe::Control;
use super::random::Random;
use super::scenario::{Plan, Reloaded};
use super::settings::{NodeSettings, Stack};
use super::task::spawn;
use super::topics::NodeTopics;
use super::world::{DrainTimes, Part, World};

#[derive(Debug)]
pub(super) struct Node {
    pub(super) settings: NodeSettings,
    pub(super) is_up: bool,
    pub(super) is_lagging: bool,
    pub(super) drain: Option<DrainTimes>,
    pub(super) gate: Gate,
    /// The connections of `Stack::Serve`. `None` once it no longer accepts connections.
    pub(super) tracker: Option<ConnectionTracker>,
    pub(super) endpoint: Endpoint,
    pub(super) serve: ServeConfig,
    pub(super) feeds: Vec<NodeFeed>,
    pub(super) topics: Option<NodeTopics>,
    pub(super) pool: Option<Channels<usize>>,
    /// The connections that it has, for when it is killed.
    pub(super) pipes: Vec<(Option<usize>, Control)>,
    tasks: Vec<AbortHandle>,
    /// How many streams the gate has admitted.
    pub(super) admitted: u64,
}

/// A node's channel of a feed.
#[derive(Debug)]
pub(super) struct NodeFeed {
    /// None, if the node has a pool: then the channel is the pool's.
    pub(super) channel: Option<Channel>,
    /// The record of what the channel was given.
    pub(super) log: usize,
    /// How many of the feed's events it was given, or left out for good.
    pub(super) applied: usize,
}

impl Node {
    /// The channel of a feed. A pool may have released the previous one.
    pub(super) fn channel(&self, feed: usize) -> Channel {
        match (&self.feeds[feed].channel, &self.pool) {
            (Some(channel), _) => channel.clone(),
            (None, Some(pool)) => pool.open(feed),
            (None, None) => unreachable!("a node has a pool or channels of its own"),
        }
    }

    /// The channels that there are, by feed.
    pub(super) fn channels(&self) -> impl Iterator<Item = (usize, Channel)> {
        let feeds = 0..self.feeds.len();
        feeds.filter_map(|feed| Some((feed, self.existing_channel(feed)?)))
    }

    /// The channel of a feed, unless the pool has released it.
    fn existing_channel(&self, feed: usize) -> Option<Channel> {
        match (&self.feeds[feed].channel, &self.pool) {
            (Some(channel), _) => Some(channel.clone()),
            (None, pool) => pool.as_ref()?.get(&feed),
        }
    }

    /// The first entry of a log that its channel holds; all are gone if it is not the channel's any
    /// more.
    pub(super) fn held_from(&self, feed: usize, log: usize, logs: &[LogRecord]) -> usize {
        if self.feeds[feed].log != log {
            return logs[log].entries.len();
        }
        let channel = self.existing_channel(feed);
        let channel = channel.filter(|channel| channel.epoch().as_str() == logs[log].epoch);
        channel.map_or(logs[log].entries.len(), |channel| held_from(&channel, &logs[log]))
    }

    /// Keeps the handle of a task that ends with the node.
    pub(super) fn own(&mut self, task: AbortHandle) {
        self.tasks.retain(|task| !task.is_finished());
        self.tasks.push(task);
    }

    /// Whether a client can connect.
    pub(super) fn is_accepting(&self) -> bool {
        self.is_up && (self.settings.stack != Stack::Serve || self.tracker.is_some())
    }

    /// Whether new streams are refused because the node shuts down.
    pub(super) fn is_shut(&self) -> bool {
        self.drain.is_some_and(|drain| drain.shut_at <= now())
    }

    /// Whether no stream is open any more once a drain is over.
    ///
    /// A server of others asks the body for nothing while its client takes nothing, so only its
    /// write timeout ends the stream.
    pub(super) fn check_drained(&self) -> Result<(), String> {
        let open = self.gate.stats().open;
        let of_server = match self.settings.stack {
            Stack::Hyper => self.settings.write_timeout.unwrap_or(FOREVER).min(FOREVER),
            _ => Duration::ZERO,
        };
        let is_over = self.drain.is_some_and(|drain| drain.left_by + of_server < now());
        if is_over && open > 0 { Err(format!("{open} streams outlive the drain")) } else { Ok(()) }
    }

    /// After a jump of the clock, a stream whose turn in a drain was passed has its time to end from
    /// now on.
    pub(super) fn handle_jump(&mut self) {
        if let Some(drain) = &mut self.drain {
            drain.left_by = drain.left_by.max(now() + TIME_TO_END);
        }
    }

    /// Whether the gate has counted every stream that it admitted, once.
    pub(super) fn check_counters(&self) -> Result<(), String> {
        let stats = self.gate.stats();
        let ended: u64 = EndReason::all().iter().map(|reason| stats.ended(*reason)).sum();
        if self.admitted != ended + stats.open as u64 {
            return Err(format!("{} admitted, but {stats:?}", self.admitted));
        }
        if stats.draining > stats.open {
            return Err(format!("more drain than are open: {stats:?}"));
        }
        Ok(())
    }
}

impl World {
    /// Starts a node, the first one at its index.
    pub(super) fn add_node(self: &Arc<Self>, settings: &NodeSettings) {
        let index = self.state().nodes.len();
        let gate = self.new_gate(settings, index);
        let node = Node {
            is_up: true,
            is_lagging: false,
            drain: None,
            endpoint: Endpoint::new(settings.stream_config()).with_gate(&gate),
            gate,
            tracker: None,
            serve: settings.serve_config(),
            feeds: Vec::new(),
            topics: None,
            pool: None,
            pipes: Vec::new(),
            tasks: Vec::new(),
            admitted: 0,
            settings: settings.clone(),
        };
        self.state().nodes.push(node);
        self.listen(index);
        self.fill(index, Reloaded::Newest(0), Vec::new());
        self.fill_topics(index, Reloaded::Newest(0), None);
    }

    /// Kills a node: its tasks are gone, its connections are reset.
    pub(super) fn kill(&self, index: usize) {
        let mut guard = self.state();
        let state = &mut *guard;
        state.note(format_args!("node {index} is killed"));
        state.refresh_topics(index);
        let node = &mut state.nodes[index];
        node.is_up = false;
        node.tasks.drain(..).for_each(|task| task.abort());
        let tracker = node.tracker.take();
        for (connection, control) in node.pipes.drain(..) {
            if let Some(connection) = connection {
                let reader = &mut state.readers[connection];
                (reader.is_faulted, reader.is_orphaned) = (true, true);
            }
            control.reset(true);
        }
        drop(guard);
        drop(tracker);
    }

    /// Accepts connections until the gate is shut, as a server's accept loop does.
    fn listen(self: &Arc<Self>, index: usize) {
        let gate = {
            let node = &mut self.state().nodes[index];
            node.tracker = Some(ConnectionTracker::new());
            node.gate.clone()
        };
        let world = self.clone();
        self.spawn_for_node(index, async move {
            gate.shut().await;
            let tracker = world.state().nodes[index].tracker.take();
            if let Some(tracker) = tracker {
                tracker.shut_down(&gate).await;
            }
        });
    }

    /// Starts a killed node again, with these settings.
    pub(super) fn restart(self: &Arc<Self>, index: usize, settings: &NodeSettings, log: Reloaded) {
        let gate = self.new_gate(settings, index);
        let mut guard = self.state();
        let state = &mut *guard;
        state.note(format_args!("node {index} starts with {log:?}"));
        let held = (0..state.feeds.len()).map(|feed| {
            let (node, log) = (&state.nodes[index], state.nodes[index].feeds[feed].log);
            let first = node.held_from(feed, log, &state.logs);
            let mut record = state.logs[log].clone();
            record.entries.drain(..first);
            (record, node.feeds[feed].applied)
        });
        let held = held.collect();
        state.refresh_topics(index);
        let topics = state.nodes[index].topics.take();
        let held_topics = topics.as_ref().map(|topics| topics.held(&state.topics.logs));
        let node = &mut state.nodes[index];
        node.settings = settings.clone();
        node.serve = settings.serve_config();
        node.endpoint = Endpoint::new(settings.stream_config()).with_gate(&gate);
        node.gate = gate;
        (node.is_up, node.is_lagging, node.drain, node.admitted) = (true, false, None, 0);
        // The old channels go here, outside of the lock.
        let old = (std::mem::take(&mut node.feeds), node.pool.take(), topics);
        drop(guard);
        drop(old);
        self.listen(index);
        self.fill(index, log, held);
        self.fill_topics(index, log, held_topics);
    }

    pub(super) fn spawn_for_node(
        &self,
        index: usize,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = spawn(task, self.random(Part::Node(index)), &self.meter);
        self.state().nodes[index].own(task.abort_handle());
    }

    fn new_gate(&self, settings: &NodeSettings, index: usize) -> Gate {
        let mut random = self.random(Part::Node(index));
        let counter = AtomicU64::new(random.next());
        let config = GateConfig::new()
            .with_limit(settings.limit)
            .with_random(move || Random::new(counter.fetch_add(1, Relaxed)).next())
            .with_retry(RETRY.0..=RETRY.1);
        Gate::new(match settings.limit_per_client {
            Some(limit) => config.with_limit_per_key(limit, |request| {
                request.extensions().get().map(|PeerAddr(peer)| peer.port())
            }),
            None => config,
        })
    }

    /// Begins to drain a node.
    pub(super) fn drain(&self, index: usize, plan: &Plan) {
        let state = &mut *self.state();
        let shut_at = now() + plan.notice;
        let over_at = shut_at + plan.window + plan.grace + TIME_TO_END;
        state.note(format_args!("node {index} drains: {plan:?}"));
        let node = &mut state.nodes[index];
        let times = DrainTimes { shut_at, first_shut_at: shut_at, over_at, left_by: over_at };
        node.drain = Some(node.drain.map_or(times, |before| before.followed_by(times)));
        let plan = DrainPlan::new()
            .with_notice(plan.notice)
            .with_window(plan.window)
            .with_grace(plan.grace)
            .with_retry(plan.retry());
        node.gate.drain(&plan);
    }
}

/// Longer than a simulation lasts.
const FOREVER: Duration = Duration::from_secs(3600);

/// How long after a drain plan its last stream can end.
const TIME_TO_END: Duration = Duration::from_secs(2);

/// When a client returns after a refusal of the gate.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(2));
