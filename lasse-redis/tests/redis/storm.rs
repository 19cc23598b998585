//! Storms: publishers on all nodes, clients that move between them at random, and a server that
//! fails meanwhile. Every client's events are checked against all that was published.
//!
//! In a debug build the storms are small. `cargo test --release` runs them with 1,000 clients and
//! 20,000 events.

use std::collections::HashMap;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lasse_core::{Event, LastEventId, StartAt};
use lasse_redis::{Backplane, PublishError, RedisChannel, RedisServer};
use libtest_mimic::Trial;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::client::{Client, Received};
use crate::figures;
use crate::nodes::{keeping_all, ready, settings};
use crate::sentinel::Failover;
use crate::server::Server;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("storm_each_client_has_each_event_once_in_one_order", calm),
        trial("storm_a_node_that_restarts_loses_nothing", node_restart),
        trial("storm_a_killed_server_with_its_file_loses_nothing", durable_kill),
        trial("storm_a_server_that_restarts_without_data_is_a_reset", empty_restart),
        trial("storm_a_flush_is_a_reset", flush),
        trial("storm_a_deleted_stream_is_a_reset", delete),
        trial("storm_a_trimmed_stream_is_no_loss_for_those_that_have_read_it", trim),
        trial("storm_a_failover_to_a_replica_without_the_end_is_a_reset", failover),
        trial("storm_a_pause_of_the_server_loses_nothing", pause),
    ]
}

/// The size of a storm.
const CLIENTS: usize = if cfg!(debug_assertions) { 60 } else { 1000 };
const EVENTS: u64 = if cfg!(debug_assertions) { 1500 } else { 20_000 };
const PAUSE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 6 } else { 30 });
const NODES: usize = 3;

/// An id, in the order of the stream.
type Place = (u64, u64);

/// What all tasks of a storm share.
struct Storm {
    nodes: Mutex<Vec<RedisChannel>>,
    server: RedisServer,
    /// The number of the event of each id that anyone has received, or an acknowledgement of.
    events: Vec<Mutex<HashMap<Place, u64>>>,
    published: AtomicU64,
    is_over: AtomicBool,
    /// The last event.
    last: Mutex<Option<Place>>,
    /// How many events each publisher waits after, so that a storm lasts as long as its fault.
    pace: Duration,
}

/// What a client has received.
#[derive(Default)]
struct Tally {
    events: u64,
    resets: u64,
    before: Option<Place>,
    has_reset: bool,
    has_last: bool,
    /// The last place of an epoch, the first of the next one that was received after it, and how
    /// many resets came before.
    crossings: Vec<(Place, Place, u64)>,
}

impl Storm {
    fn new(server: RedisServer, pace: Duration) -> Arc<Self> {
        let storm = Self {
            nodes: Mutex::new(Vec::new()),
            server,
            events: (0..64).map(|_| Mutex::default()).collect(),
            published: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            last: Mutex::default(),
            pace,
        };
        let nodes = (0..NODES).map(|_| storm.new_node()).collect();
        *storm.nodes.lock().unwrap() = nodes;
        Arc::new(storm)
    }

    fn new_node(&self) -> RedisChannel {
        let settings = settings().with_decision_timeout(TIME_LIMIT);
        let backplane = Backplane::start(self.server.clone(), &settings);
        // A client that is reset goes on now, and receives nothing twice.
        backplane.channel("news", &keeping_all().with_start(StartAt::Now)).unwrap()
    }

    fn node(&self) -> RedisChannel {
        let nodes = self.nodes.lock().unwrap();
        nodes[random() as usize % nodes.len()].clone()
    }

    /// Each id means one event.
    fn see(&self, place: Place, number: u64) {
        let shard = &self.events[place.1 as usize % self.events.len()];
        let before = shard.lock().unwrap().insert(place, number);
        assert!(before.is_none_or(|before| before == number), "{place:?}: {before:?}, {number}");
    }

    /// Runs publishers, clients and a fault, and checks what each client has received. Returns the
    /// most resets of a client, and the least.
    async fn run(self: &Arc<Self>, fault: impl Future<Output = ()>) -> (u64, u64) {
        let nodes = self.nodes.lock().unwrap().clone();
        for node in nodes {
            ready(&node).await;
        }
        let clients: Vec<_> =
            (0..CLIENTS).map(|_| tokio::spawn(Arc::clone(self).client())).collect();
        let publishers: Vec<JoinHandle<()>> =
            (0..NODES).map(|_| tokio::spawn(Arc::clone(self).publish())).collect();
        while self.published.load(Ordering::Relaxed) < EVENTS / 3 {
            sleep(Duration::from_millis(5)).await;
        }
        fault.await;
        for publisher in publishers {
            publisher.await.unwrap();
        }
        self.is_over.store(true, Ordering::Relaxed);
        // Clients receive until this one, wherever they are, or are reset behind it.
        let last = self.publish_one(LAST).await;
        *self.last.lock().unwrap() = Some(last);
        let mut tallies = Vec::new();
        for client in clients {
            tallies.push(client.await.unwrap());
        }
        self.check(&tallies);
        let resets = tallies.iter().map(|tally| tally.resets);
        (resets.clone().max().unwrap(), resets.min().unwrap())
    }

    async fn publish(self: Arc<Self>) {
        loop {
            let number = self.published.fetch_add(1, Ordering::Relaxed);
            if number >= EVENTS {
                return;
            }
            self.publish_one(number).await;
            if number % 10 == 0 {
                sleep(self.pace).await;
            }
        }
    }

    /// Publishes an event until it is acknowledged. If the outcome is unknown, the next attempt is
    /// another event.
    async fn publish_one(&self, number: u64) -> Place {
        let started = Instant::now();
        for attempt in 0.. {
            let number = number + attempt * ATTEMPT;
            match self.node().publish(Event::new(number.to_string())).await {
                Ok(id) => {
                    let place = place(id.as_str());
                    self.see(place, number);
                    return place;
                }
                Err(PublishError::NotReachable(_) | PublishError::OutcomeUnknown(_)) => {}
                Err(error) => panic!("{error}"),
            }
            assert!(started.elapsed() < 3 * PAUSE + Duration::from_secs(60), "never published");
            sleep(Duration::from_millis(50)).await;
        }
        unreachable!("the attempts do not end");
    }

    /// Moves between nodes until the storm is over, and receives until the last event. A client that
    /// is reset after that was published starts behind it.
    async fn client(self: Arc<Self>) -> Tally {
        let (mut client, mut tally) = (Client::new(), Tally::default());
        while !self.is_over.load(Ordering::Relaxed) {
            client.connect(&self.node()).await;
            client.receive_for(Duration::from_millis(random() % 400)).await;
            self.take(&mut client, &mut tally);
        }
        let mut started = Instant::now();
        while !(tally.has_last || tally.has_reset && self.is_behind_last(&client.last)) {
            client.connect(&self.node()).await;
            client.receive_for(Duration::from_millis(500)).await;
            self.take(&mut client, &mut tally);
            if self.last.lock().unwrap().is_none() {
                started = Instant::now();
            }
            assert!(started.elapsed() < TIME_LIMIT, "no last event after {:?}", tally.before);
        }
        tally
    }

    fn is_behind_last(&self, id: &LastEventId) -> bool {
        let last = *self.last.lock().unwrap();
        last.is_some_and(|last| id.id().is_some_and(|id| place(id.as_str()) >= last))
    }

    /// Checks what a client has received since the last call.
    fn take(&self, client: &mut Client, tally: &mut Tally) {
        for received in client.record.drain(..) {
            match received {
                Received::Event { id, data } => {
                    let (place, number) = (place(&id), data.parse().unwrap());
                    self.see(place, number);
                    tally.event(place);
                    tally.has_last |= number % ATTEMPT == LAST;
                }
                Received::Reset { .. } => {
                    tally.has_reset = true;
                    tally.resets += 1;
                }
                // Its node has stopped.
                Received::End => {}
            }
        }
    }

    /// Checks that nothing was published where a client went from one epoch to the next, unless it
    /// was reset: a loss at the end of an epoch can be found after the next one has begun.
    fn check(&self, tallies: &[Tally]) {
        let shards = self.events.iter().map(|shard| shard.lock().unwrap().clone());
        let mut places: Vec<Place> = shards.flat_map(HashMap::into_keys).collect();
        places.sort_unstable();
        for (client, tally) in tallies.iter().enumerate() {
            for (before, next, resets) in &tally.crossings {
                let missing = places[places.partition_point(|place| place <= before)];
                let is_whole = missing == *next || tally.resets > *resets;
                assert!(
                    is_whole,
                    "client {client} lacks {missing:?} between {before:?} and {next:?}"
                );
            }
        }
        let received: u64 = tallies.iter().map(|tally| tally.events).sum();
        let resets: u64 = tallies.iter().map(|tally| tally.resets).sum();
        figures::keep(format!("{} events, {received} received, {resets} resets", places.len()));
    }
}

impl Tally {
    /// The next event of a client: no event comes twice, and none is missing but across a reset.
    fn event(&mut self, place: Place) {
        self.events += 1;
        if let Some(before) = self.before {
            assert!(before < place, "{place:?} after {before:?}");
            match (self.has_reset, before.0 == place.0) {
                (true, _) => {}
                (false, true) => assert_eq!(before.1 + 1, place.1, "missing after {before:?}"),
                (false, false) => {
                    self.crossings.push((before, place, self.resets));
                }
            }
        }
        (self.before, self.has_reset) = (Some(place), false);
    }
}

async fn calm() {
    let server = Server::start();
    let storm = storm(&server, Duration::ZERO);
    assert_eq!(storm.run(async {}).await, (0, 0));
}

async fn node_restart() {
    let server = Server::start();
    let storm = storm(&server, Duration::from_millis(10));
    let restarts = async {
        for n in 0..NODES {
            let node = storm.new_node();
            ready(&node).await;
            // The clients of the old one hold its channel until they move.
            storm.nodes.lock().unwrap()[n] = node;
            sleep(Duration::from_millis(100)).await;
        }
    };
    assert_eq!(storm.run(restarts).await, (0, 0));
}

async fn durable_kill() {
    let mut server = Server::durable();
    let storm = storm(&server, Duration::from_millis(5));
    let fault = async {
        server.kill();
        sleep(Duration::from_millis(500)).await;
        server.run();
    };
    assert_eq!(storm.run(fault).await, (0, 0));
}

async fn empty_restart() {
    let mut server = Server::start();
    let storm = storm(&server, Duration::from_millis(5));
    let fault = async {
        server.kill();
        server.lose_data();
        server.run();
    };
    once_at_most(storm.run(fault).await);
}

async fn flush() {
    let server = Server::start();
    let storm = storm(&server, Duration::from_millis(5));
    once_at_most(storm.run(async { server.call::<()>("FLUSHALL") }).await);
}

async fn delete() {
    let server = Server::start();
    let storm = storm(&server, Duration::from_millis(5));
    once_at_most(storm.run(async { assert_eq!(server.call::<i64>("DEL news"), 1) }).await);
}

async fn trim() {
    let server = Server::start();
    let storm = storm(&server, Duration::from_millis(5));
    let fault = async {
        for _ in 0..20 {
            server.call::<i64>("XTRIM news MAXLEN 10");
            sleep(Duration::from_millis(20)).await;
        }
    };
    // A node that has not read the trimmed entries resets its clients.
    storm.run(fault).await;
}

async fn failover() {
    let mut failover = Failover::start().await;
    let storm = Storm::new(failover.redis_server(), Duration::from_millis(5));
    let fault = async {
        failover.cut_replica().await;
        sleep(Duration::from_millis(300)).await;
        failover.kill_master().await;
    };
    assert_eq!(storm.run(fault).await, (1, 1), "the loss is one reset for every client");
}

async fn pause() {
    let server = Server::start();
    let storm = storm(&server, Duration::from_millis(5));
    let fault = async {
        server.pause();
        sleep(PAUSE).await;
        server.unpause();
    };
    assert_eq!(storm.run(fault).await, (0, 0));
}

fn storm(server: &Server, pace: Duration) -> Arc<Storm> {
    Storm::new(RedisServer::new(server.url()).unwrap(), pace)
}

/// Each client is reset for the loss, except those that had no event before it.
fn once_at_most((most, _): (u64, u64)) {
    assert_eq!(most, 1);
}

fn place(id: &str) -> Place {
    let (epoch, number) = id.split_once('-').unwrap();
    (epoch.parse().unwrap(), number.parse().unwrap())
}

fn random() -> u64 {
    RandomState::new().hash_one(()) >> 1
}

/// How long a client takes to receive the last event before the storm fails.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The number of the last event, and what each further attempt adds to a number.
const LAST: u64 = 999_999_999;
const ATTEMPT: u64 = 1_000_000_000;
