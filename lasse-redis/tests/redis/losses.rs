//! A server that fails, restarts, and loses what it has acknowledged.

use std::time::Duration;

use lasse_core::{Event, LastEventId, StartAt, Subscription};
use lasse_redis::{Backplane, PublishError, RedisChannel, RedisServer};
use libtest_mimic::Trial;
use tokio::time::{Instant, sleep};

use crate::by_key::calls;
use crate::client::{Client, Received};
use crate::link::Link;
use crate::machine::Stopwatch;
use crate::nodes::{keeping_all, live_node, node, ready, settings, until};
use crate::record::Published;
use crate::server::{Server, call_on};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_node_starts_before_its_server", start_without_server),
        trial("a_server_that_was_killed_and_has_its_file_resets_nobody", durable_restart),
        trial("a_server_that_restarts_without_data_resets_each_client_once", empty_restart),
        trial("a_flush_resets_each_client_once", flush),
        trial("a_deleted_stream_resets_each_client_once", delete),
        trial("a_stream_that_is_deleted_after_an_entry_of_the_future_goes_on", future_entry),
        trial("a_connection_that_redis_has_closed_is_not_used_to_publish", closed_connection),
        trial("a_lost_tail_resets_the_clients_of_all_nodes_once", lost_tail),
        trial("no_new_event_comes_before_the_record_of_a_loss", recorded_first),
        trial("a_client_that_moves_before_a_loss_is_recorded_is_reset_once", late_record),
        trial("events_that_were_trimmed_before_a_node_read_them_are_a_reset", trim_while_away),
        trial("a_paused_server_leaves_streams_open_and_errors_in_time", pause),
        trial("a_node_stays_ready_without_redis_unless_it_is_configured_otherwise", readiness),
        trial("a_client_that_only_redis_can_decide_on_retries_while_redis_is_away", undecided),
    ]
}

/// Publishes a few events by turns on all nodes.
async fn publish(nodes: &[RedisChannel], published: &mut Published, count: usize) {
    for n in 0..count {
        let data = format!("event {}", published.len());
        let id = retry(&nodes[n % nodes.len()], &data).await;
        published.add(&id, &data);
    }
}

/// Publishes until it is acknowledged. An unknown outcome is published again.
async fn retry(node: &RedisChannel, data: &str) -> lasse_core::EventId {
    let started = Instant::now();
    loop {
        match node.publish(Event::new(data)).await {
            Ok(id) => return id,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(60), "{error}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// A client at each node, and one that has left.
struct Scene {
    nodes: Vec<RedisChannel>,
    clients: Vec<Client>,
    published: Published,
}

impl Scene {
    async fn new(server: &Server) -> Self {
        let nodes = vec![live_node(server), live_node(server)];
        let mut scene = Self { nodes, clients: Vec::new(), published: Published::default() };
        publish(&scene.nodes, &mut scene.published, 20).await;
        let first = scene.published.first();
        for on in [0, 1, 0] {
            let mut client = Client::after(&first);
            client.connect(&scene.nodes[on]).await;
            client.receive_events(19).await;
            scene.clients.push(client);
        }
        scene
    }

    /// Publishes, moves the last client to another node meanwhile, and checks that each client
    /// receives the newest event.
    async fn finish(&mut self) {
        publish(&self.nodes, &mut self.published, 10).await;
        // A node that has not read of the loss yet would reset the client again.
        let last = place(&self.published.last());
        // An entry about a loss can follow the last event.
        let has_last =
            || self.nodes[1].local().last_id().is_some_and(|id| place(id.as_str()) >= last);
        until("the node has read all", has_last).await;
        self.clients[2].connect(&self.nodes[1]).await;
        publish(&self.nodes, &mut self.published, 10).await;
        let last = format!("event {}", self.published.len() - 1);
        for client in &mut self.clients {
            client.receive_until(|record| has(record, &last)).await;
        }
        // Whatever else comes, such as a second reset.
        for client in &mut self.clients {
            client.receive_for(Duration::from_millis(300)).await;
        }
        self.published.check(self.clients.iter().map(|client| client.record.as_slice()));
    }

    fn resets(&self) -> Vec<usize> {
        self.clients.iter().map(|client| client.resets().len()).collect()
    }
}

/// Whether an event with this data was received.
fn has(record: &[Received], wanted: &str) -> bool {
    let is_it = |received: &_| matches!(received, Received::Event { data, .. } if data == wanted);
    record.iter().any(is_it)
}

/// The epoch and the number of an id.
fn place(id: &str) -> (u64, u64) {
    let (epoch, number) = id.split_once('-').unwrap();
    (epoch.parse().unwrap(), number.parse().unwrap())
}

async fn start_without_server() {
    let mut server = Server::absent(&["--save", ""]);
    let channel = node(&server);
    let error = channel.publish(Event::new("1")).await.unwrap_err();
    assert!(matches!(error, PublishError::NotReachable(_)), "{error:?}");
    let health = channel.backplane().health();
    assert!(!health.is_ready && !health.is_connected && health.lag.is_none());
    let decision = channel.subscribe(&LastEventId::Absent).await;
    assert!(matches!(decision, Subscription::Undecided(_)));
    server.run();
    ready(&channel).await;
    channel.publish(Event::new("1")).await.unwrap();
    let mut client = Client::of(&channel).await;
    client.receive_events(1).await;
    let health = channel.backplane().health();
    assert!(health.is_connected && health.lag < Some(Duration::from_secs(5)));
}

async fn durable_restart() {
    let mut server = Server::durable();
    let mut scene = Scene::new(&server).await;
    let epoch = scene.nodes[0].local().epoch();
    server.kill();
    sleep(Duration::from_millis(300)).await;
    server.run();
    scene.finish().await;
    assert_eq!(scene.resets(), [0, 0, 0]);
    assert_ne!(scene.nodes[0].local().epoch(), epoch);
    let events = scene.clients[0].events().len();
    assert!(events >= 39, "{events}");
}

async fn empty_restart() {
    let mut server = Server::start();
    let mut scene = Scene::new(&server).await;
    server.kill();
    server.lose_data();
    server.run();
    scene.finish().await;
    assert_eq!(scene.resets(), [1, 1, 1]);
}

async fn flush() {
    let server = Server::start();
    let mut scene = Scene::new(&server).await;
    server.call::<()>("FLUSHALL");
    scene.finish().await;
    assert_eq!(scene.resets(), [1, 1, 1]);
}

async fn delete() {
    let server = Server::start();
    let mut scene = Scene::new(&server).await;
    server.call::<i64>("DEL news");
    scene.finish().await;
    assert_eq!(scene.resets(), [1, 1, 1]);
}

/// The epochs after it are above the id of the entry, or no node would read them.
async fn future_entry() {
    let server = Server::start();
    let mut scene = Scene::new(&server).await;
    server.call::<String>("XADD news 9999999999999-5 message hello");
    let foreign = || scene.nodes.iter().all(|node| node.stream_stats().foreign == 1);
    until("the entry is read", foreign).await;
    server.call::<i64>("DEL news");
    scene.finish().await;
    assert_eq!(scene.resets(), [1, 1, 1]);
}

/// As Redis does with its setting `timeout`, and networks do with connections that are idle.
async fn closed_connection() {
    let server = Server::start();
    let channel = node(&server);
    ready(&channel).await;
    channel.publish(Event::new("1")).await.unwrap();
    let clients: String = server.call("CLIENT LIST TYPE normal");
    let publisher = clients.lines().find(|client| client.contains("cmd=xadd ")).unwrap();
    let id = publisher.split(' ').next().unwrap().trim_start_matches("id=").to_owned();
    assert_eq!(server.call::<i64>(&format!("CLIENT KILL ID {id}")), 1);
    // Every five seconds, the connection is checked, and the streams are opened again.
    let before = calls(&server, "evalsha");
    until("it is checked twice", || calls(&server, "evalsha") >= before + 2).await;
    channel.publish(Event::new("2")).await.unwrap();
}

/// The server goes back to an earlier state, as after a failover to a replica that lacks the end.
async fn lost_tail() {
    let mut server = Server::durable();
    let mut scene = Scene::new(&server).await;
    server.kill();
    let earlier = server.files();
    server.run();
    publish(&scene.nodes, &mut scene.published, 5).await;
    for client in &mut scene.clients {
        client.receive_events(24).await;
    }
    server.kill();
    server.restore(&earlier);
    server.run();
    // The first node that finds the loss records it, before or after new events.
    let entries = || format!("{:?}", server.call::<redis::Value>("XRANGE news - +"));
    until("the loss is recorded", || entries().contains("\"lost\"")).await;
    scene.finish().await;
    assert_eq!(scene.resets(), [1, 1, 1]);
    // A client that had the last event before the loss is reset on a node that starts now.
    let late = live_node(&server);
    let mut client = Client::after(&scene.clients[0].id_of("event 19"));
    client.connect(&late).await;
    client.receive_until(|record| !record.is_empty()).await;
    client.receive_for(Duration::from_millis(300)).await;
    assert_eq!(client.resets().len(), 1);
}

/// The node that opens the stream knows a lost event.
async fn recorded_first() {
    let mut server = Server::durable();
    let channel = live_node(&server);
    let first = retry(&channel, "kept").await;
    let earlier = server.files();
    retry(&channel, "lost").await;
    server.kill();
    server.restore(&earlier);
    server.run();
    let next = retry(&channel, "next").await;
    let (epoch, number) = place(next.as_str());
    assert!(epoch > place(first.as_str()).0);
    let entries: Vec<(String, Vec<String>)> = server.call(&format!("XRANGE news {epoch}-0 +"));
    let kinds: Vec<_> = entries.iter().map(|(_, fields)| fields[1].as_str()).collect();
    assert_eq!((kinds, number), (vec!["epoch", "lost", "event"], 2));
}

/// Another node opens the stream first, which does not know a lost event.
async fn late_record() {
    let mut server = Server::durable();
    let (to_a, to_b) = (Link::to(&server).await, Link::to(&server).await);
    let at = |link: &Link| {
        let settings = settings().with_decision_timeout(Duration::from_secs(120));
        let backplane = Backplane::start(RedisServer::new(link.url()).unwrap(), &settings);
        backplane.channel("news", &keeping_all().with_start(StartAt::Now)).unwrap()
    };
    let (a, b) = (at(&to_a), at(&to_b));
    ready(&a).await;
    ready(&b).await;
    let kept = retry(&a, "kept").await;
    let has_read = |node: &RedisChannel| node.local().last_id().as_ref() == Some(&kept);
    until("both nodes have the event", || has_read(&a) && has_read(&b)).await;
    let earlier = server.files();
    to_b.cut().await;
    let mut client = Client::after(kept.as_str());
    client.connect(&a).await;
    let lost = retry(&a, "lost").await;
    client.receive_events(1).await;
    to_a.cut().await;
    server.kill();
    server.restore(&earlier);
    server.run();
    to_b.restore();
    let new = retry(&b, "new").await;
    until("the event is read", || b.local().last_id().as_ref() == Some(&new)).await;
    // The client has an event that this node knows nothing of. The other one records the loss.
    let others = async {
        sleep(Duration::from_millis(300)).await;
        to_a.restore();
    };
    tokio::join!(client.connect(&b), others);
    for (node, data) in [(&b, "at b"), (&a, "at a")] {
        if data == "at a" {
            client.connect(node).await;
        }
        retry(node, data).await;
        client.receive_until(|record| has(record, data)).await;
    }
    assert_eq!(client.resets().len(), 1, "{:?}", client.record);
    let mut ids = client.record.iter().filter_map(|received| match received {
        Received::Event { id, .. } => Some(place(id)),
        _ => None,
    });
    assert_eq!(ids.next(), Some(place(lost.as_str())));
    assert!(ids.is_sorted_by(|before, after| before < after));
}

async fn trim_while_away() {
    let server = Server::start();
    let mut scene = Scene::new(&server).await;
    // The nodes are away as long as the server refuses them.
    for node in &scene.nodes {
        until("connected", || node.backplane().health().is_connected).await;
    }
    let mut admin = server.connection();
    call_on::<()>(&mut admin, "CONFIG SET maxclients 1");
    call_on::<i64>(&mut admin, "CLIENT KILL TYPE normal SKIPME yes");
    let epoch = scene.nodes[0].local().epoch();
    for n in 0..50 {
        let data = format!("away-{n}");
        let add = format!("XADD news {epoch}-* lasse event data {data}");
        let id: String = call_on(&mut admin, &add);
        scene.published.add(&lasse_core::EventId::new(id).unwrap(), &data);
    }
    call_on::<i64>(&mut admin, "XTRIM news MAXLEN 10");
    call_on::<()>(&mut admin, "CONFIG SET maxclients 100");
    scene.finish().await;
    assert_eq!(scene.resets(), [1, 1, 1]);
}

async fn pause() {
    let server = Server::durable();
    let mut scene = Scene::new(&server).await;
    let limit = Duration::from_secs(5);
    let short = settings().with_publish_timeout(limit).with_connect_timeout(limit);
    let hasty = Backplane::start(RedisServer::new(server.url()).unwrap(), &short);
    let hasty = hasty.channel("news", &keeping_all()).unwrap();
    let id = retry(&hasty, "before").await;
    scene.published.add(&id, "before");
    server.pause();
    let stopwatch = Stopwatch::start();
    let outcome = hasty.publish(Event::new("paused")).await.unwrap_err();
    assert!(matches!(outcome, PublishError::OutcomeUnknown(_)), "{outcome:?}");
    stopwatch.check(limit + Duration::from_secs(1));
    let lag = || scene.nodes[1].backplane().health().lag;
    until("the lag is seen", || lag() > Some(Duration::from_secs(5))).await;
    assert!(scene.nodes[0].backplane().health().is_ready, "the clients can stay");
    server.unpause();
    scene.finish().await;
    assert_eq!(scene.resets(), [0, 0, 0]);
}

async fn readiness() {
    let mut server = Server::durable();
    let strict = settings().with_ready_only_connected(true);
    let backplane = Backplane::start(RedisServer::new(server.url()).unwrap(), &strict);
    assert!(!backplane.health().is_ready, "it has no channel");
    let strict = backplane.channel("news", &keeping_all()).unwrap();
    let usual = node(&server);
    ready(&strict).await;
    ready(&usual).await;
    // Without events, too: the reader has an empty reply each block time.
    sleep(Duration::from_secs(2)).await;
    let is_fresh = || usual.backplane().health().lag < Some(Duration::from_secs(1));
    until("the lag is short", is_fresh).await;
    server.kill();
    let is_away = |node: &RedisChannel| !node.backplane().health().is_connected;
    until("the nodes are away", || is_away(&strict) && is_away(&usual)).await;
    assert!(!strict.backplane().health().is_ready);
    assert!(usual.backplane().health().is_ready);
    server.run();
    ready(&strict).await;
    usual.backplane().drain();
    assert!(!usual.backplane().health().is_ready);
    assert!(strict.backplane().health().is_ready);
}

async fn undecided() {
    let mut server = Server::durable();
    let scene = Scene::new(&server).await;
    let known = scene.clients[0].last.clone();
    server.kill();
    let node = &scene.nodes[0];
    // What this node holds is decided without Redis.
    assert!(matches!(node.subscribe(&known).await, Subscription::Stream(_)));
    assert!(matches!(node.subscribe(&LastEventId::Absent).await, Subscription::Stream(_)));
    let epoch = node.local().epoch();
    for id in [format!("{epoch}-999"), "5-5".into(), "99999999999999-1".into()] {
        let last = LastEventId::Id(lasse_core::EventId::new(id).unwrap());
        let decision = node.subscribe(&last).await;
        assert!(matches!(decision, Subscription::Undecided(_)), "{decision:?}");
    }
    let other = LastEventId::Id(lasse_core::EventId::new("not-of-redis").unwrap());
    assert!(matches!(node.subscribe(&other).await, Subscription::Stream(_)));
    assert_eq!(node.local().stats().resets(lasse_core::ResetReason::Foreign), 0);
    server.run();
    let mut client = Client::after("5-5");
    client.connect(node).await;
    client.receive_until(|record| !record.is_empty()).await;
    assert_eq!(client.resets(), ["foreign"]);
}
