//! Channels by key over several nodes.

use std::time::Duration;

use lasse_core::{ChannelConfig, Event, EventId, LastEventId, Subscription, Topic};
use lasse_redis::{Backplane, BackplaneConfig, RedisChannels, RedisServer};
use libtest_mimic::Trial;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::figures;
use crate::nodes::{keeping_all, settings, until};
use crate::server::{Server, call_on};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("an_event_reaches_the_readers_of_its_key_on_all_nodes", all_nodes),
        trial("a_key_without_readers_costs_one_command_for_each_event", quiet_keys),
        trial("a_key_that_is_opened_is_read_at_once", new_key),
        trial("a_lost_announcement_loses_no_event", lost_announcements),
        trial("a_server_that_restarts_with_its_data_resets_nobody_of_any_key", restart),
        trial("a_loss_is_recorded_by_a_node_that_only_publishes", publisher_knows),
        trial("a_stream_that_is_not_used_expires_and_one_with_readers_does_not", expiry),
        trial("a_channel_without_readers_is_let_go_and_used_again", idle),
        trial("a_key_beyond_the_limit_has_its_clients_retry", too_many),
        trial("a_user_who_cannot_announce_is_refused", permissions),
        trial("a_finished_channel_of_a_key_ends_on_all_nodes", finish),
        trial("clients_of_keys_that_move_have_each_event_once", hoppers),
        trial("a_hundred_thousand_keys_cost_what_their_readers_cost", scale),
    ]
}

fn backplane(server: &Server, config: &BackplaneConfig) -> Backplane {
    Backplane::start(RedisServer::new(server.url()).unwrap(), config)
}

fn chats(server: &Server) -> RedisChannels<str> {
    chats_with(server, &settings())
}

fn chats_with(server: &Server, config: &BackplaneConfig) -> RedisChannels<str> {
    backplane(server, config).channels("chat", &keeping_all()).unwrap()
}

async fn publish(chats: &RedisChannels<str>, key: &str, data: &str) -> EventId {
    chats.open(key).unwrap().publish(Event::new(data)).await.unwrap()
}

async fn client(chats: &RedisChannels<str>, key: &str) -> Client {
    Client::of(&chats.open(key).unwrap()).await
}

/// The same, of a node that reads nothing else for a minute, the longest block time.
fn counted(server: &Server) -> RedisChannels<str> {
    let hour = Duration::from_secs(3600);
    chats_with(server, &settings().with_block(hour).with_connect_timeout(hour))
}

/// How often the readers of two such nodes have read nothing since then.
fn waits(started_at: Instant) -> u64 {
    2 * (started_at.elapsed().as_secs() / 60)
}

/// How often a command was called.
pub(crate) fn calls(server: &Server, command: &str) -> u64 {
    let stats: String = server.call("INFO commandstats");
    let name = format!("cmdstat_{command}:calls=");
    let line = stats.lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

/// How many nodes are subscribed to the announcements of a key.
fn subscribed(server: &Server, key: &str) -> i64 {
    let found: Vec<redis::Value> = server.call(&format!("PUBSUB SHARDNUMSUB chat:{key}"));
    redis::from_redis_value(found[1].clone()).unwrap()
}

/// Publishes once, as soon as the server is there.
async fn retry(chats: &RedisChannels<str>, data: &str) {
    while chats.open("a").unwrap().publish_once(data, Event::new(data)).await.is_err() {
        sleep(Duration::from_millis(20)).await;
    }
}

async fn all_nodes() {
    let server = Server::start();
    let nodes = [chats(&server), chats(&server)];
    until("the node is ready", || nodes[0].open("a").unwrap().backplane().health().is_ready).await;
    let mut clients =
        [client(&nodes[0], "a").await, client(&nodes[1], "a").await, client(&nodes[1], "b").await];
    for n in 0..20 {
        publish(&nodes[n % 2], "a", &format!("a{n}")).await;
        publish(&nodes[n % 2], "b", &format!("b{n}")).await;
    }
    for (client, key) in clients.iter_mut().zip(["a", "a", "b"]) {
        client.receive_events(20).await;
        let expected: Vec<_> = (0..20).map(|n| format!("{key}{n}")).collect();
        assert_eq!(client.events(), expected);
        assert!(client.resets().is_empty());
    }
    assert!(nodes[0].open("").is_err() && nodes[0].open("{a}").is_err());
    let topics = nodes[0].open("topics").unwrap();
    let mut tea = Client::of_topics(&topics, Topic::from_static("tea")).await;
    topics.publish_to(&Topic::from_static("cake"), Event::new("1")).await.unwrap();
    topics.publish_to(&Topic::from_static("tea"), Event::new("2")).await.unwrap();
    tea.receive_events(1).await;
    assert_eq!(tea.events(), ["2"]);
}

async fn quiet_keys() {
    let server = Server::start();
    let started_at = Instant::now();
    let (reading, publishing) = (counted(&server), counted(&server));
    let mut tea = client(&reading, "tea").await;
    publish(&publishing, "tea", "1").await;
    tea.receive_events(1).await;
    let before = ["evalsha", "xread", "ssubscribe", "xrange"].map(|name| calls(&server, name));
    for n in 0..500 {
        publish(&publishing, &n.to_string(), "x").await;
    }
    let after = ["evalsha", "xread", "ssubscribe", "xrange"].map(|name| calls(&server, name));
    let added: Vec<_> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    assert_eq!([added[0], added[2], added[3]], [500, 0, 0], "one command an event");
    assert!(added[1] <= waits(started_at), "{added:?}");
    // Without a handle and without readers, a key takes nothing.
    assert_eq!((reading.len(), publishing.len()), (1, 0));
}

async fn new_key() {
    let server = Server::start();
    let slow = settings().with_block(Duration::from_secs(60));
    let (a, b) = (chats_with(&server, &slow), chats(&server));
    // The reader waits now.
    let mut first = client(&a, "first").await;
    let id = publish(&b, "second", "1").await;
    let second = a.open("second").unwrap();
    let decision = second.subscribe(&LastEventId::Id(id)).await;
    let Subscription::Stream(subscriber) = decision else { panic!("{decision:?}") };
    drop(subscriber);
    let mut second = client(&a, "second").await;
    publish(&b, "second", "2").await;
    publish(&b, "first", "3").await;
    second.receive_events(2).await;
    first.receive_events(1).await;
    assert_eq!((first.events(), second.events()), (vec!["3"], vec!["1", "2"]));
}

async fn lost_announcements() {
    let server = Server::start();
    let (reading, publishing) = (chats(&server), chats(&server));
    let mut clients = Vec::new();
    for key in ["a", "b", "c"] {
        clients.push(client(&reading, key).await);
    }
    let mut admin = server.connection();
    for n in 0..300 {
        if n % 60 == 1 {
            until("the node is subscribed", || subscribed(&server, "c") == 1).await;
            let killed: i64 = call_on(&mut admin, "CLIENT KILL TYPE pubsub SKIPME yes");
            assert_eq!(killed, 1);
        }
        for key in ["a", "b", "c"] {
            publish(&publishing, key, &n.to_string()).await;
        }
    }
    for client in &mut clients {
        client.receive_events(300).await;
        let expected: Vec<_> = (0..300).map(|n| n.to_string()).collect();
        assert_eq!(client.events(), expected);
        assert!(client.resets().is_empty());
    }
}

async fn restart() {
    let mut server = Server::durable();
    let nodes = [chats(&server), chats(&server)];
    let mut clients = [client(&nodes[0], "a").await, client(&nodes[1], "a").await];
    publish(&nodes[0], "a", "1").await;
    for client in &mut clients {
        client.receive_events(1).await;
    }
    server.kill();
    server.run();
    retry(&nodes[1], "2").await;
    for client in &mut clients {
        client.receive_events(2).await;
        assert_eq!((client.events(), client.resets().len()), (vec!["1", "2"], 0));
    }
    // Without its data, each client is reset once.
    server.kill();
    server.lose_data();
    server.run();
    retry(&nodes[0], "3").await;
    for client in &mut clients {
        client.receive_until(|record| record.len() >= 4).await;
        assert_eq!((client.events(), client.resets()), (vec!["1", "2", "3"], vec!["hole"]));
    }
}

/// The acknowledged event never reached a reader, and then Redis lost it.
async fn publisher_knows() {
    let mut server = Server::durable();
    let publishing = chats(&server);
    let id = publish(&publishing, "a", "1").await;
    server.kill();
    let earlier = server.files();
    server.run();
    retry(&publishing, "2").await;
    server.kill();
    server.restore(&earlier);
    server.run();
    retry(&publishing, "3").await;
    let reading = chats(&server);
    let mut client = Client::after(id.as_str());
    client.connect(&reading.open("a").unwrap()).await;
    client.receive_until(|record| record.len() >= 2).await;
    assert_eq!(client.resets().len(), 1, "{:?}", client.record);
    assert_eq!(client.events().last(), Some(&"3"));
}

async fn expiry() {
    let server = Server::start();
    let short = settings().with_stream_lifetime(Duration::from_secs(15));
    let (reading, publishing) = (chats_with(&server, &short), chats_with(&server, &short));
    let mut used = client(&reading, "used").await;
    publish(&publishing, "used", "1").await;
    publish(&publishing, "unused", "1").await;
    let exists = || server.call::<i64>("EXISTS chat:unused {chat:unused}:state") > 0;
    until("the stream expires", || !exists()).await;
    // It took two lifetimes until the state was gone.
    publish(&publishing, "used", "2").await;
    used.receive_events(2).await;
    assert_eq!((used.events(), used.resets().len()), (vec!["1", "2"], 0));
}

async fn idle() {
    let server = Server::start();
    let config = keeping_all().with_idle_timeout(Duration::ZERO);
    let short = settings().with_stream_lifetime(Duration::from_secs(20));
    let reading = backplane(&server, &short).channels::<str>("chat", &config).unwrap();
    let publishing = chats(&server);
    let handle = reading.open("a").unwrap();
    let mut client = Client::of(&handle).await;
    publish(&publishing, "a", "1").await;
    client.receive_events(1).await;
    let last = client.last.clone();
    drop(client);
    until("the node leaves the channel", || subscribed(&server, "a") == 0).await;
    for n in 2..50 {
        publish(&publishing, "a", &n.to_string()).await;
    }
    let mut client = Client::new();
    client.last = last;
    client.connect(&handle).await;
    client.receive_events(48).await;
    publish(&publishing, "a", "50").await;
    client.receive_events(49).await;
    assert_eq!((client.events()[0], client.events()[48], client.resets().len()), ("2", "50", 0));
    drop((client, handle));
    until("the node has released the channel", || reading.is_empty()).await;
}

async fn too_many() {
    let server = Server::start();
    let chats = chats_with(&server, &settings().with_max_watched(0));
    let _first = client(&chats, "a").await;
    let decision = chats.open("b").unwrap().subscribe(&LastEventId::Absent).await;
    assert!(matches!(decision, Subscription::Full(_)), "{decision:?}");
    let again = chats.open("a").unwrap().subscribe(&LastEventId::Absent).await;
    assert!(matches!(again, Subscription::Stream(_)), "{again:?}");
}

async fn permissions() {
    let server = Server::start();
    server.call::<()>("ACL SETUSER news on >secret allkeys resetchannels +@all");
    let url = format!("redis://news:secret@127.0.0.1:{}", server.port);
    let backplane = Backplane::start(
        RedisServer::new(url).unwrap(),
        &settings().with_decision_timeout(Duration::from_secs(1)),
    );
    let chats = backplane.channels::<str>("chat", &ChannelConfig::new()).unwrap();
    let error = chats.open("a").unwrap().publish(Event::new("1")).await.unwrap_err();
    assert!(matches!(error, lasse_redis::PublishError::Refused(_)), "{error:?}");
    assert_eq!(server.call::<i64>("EXISTS chat:a"), 0, "{error}");
    let decision = chats.open("a").unwrap().subscribe(&LastEventId::Absent).await;
    assert!(matches!(decision, Subscription::Undecided(_)), "{decision:?}");
    until("the problem is reported", || backplane.health().problem.is_some()).await;
}

async fn finish() {
    let server = Server::start();
    let (a, b) = (chats(&server), chats(&server));
    let mut reader = client(&b, "a").await;
    a.open("a").unwrap().finish_with(Event::new("1")).await.unwrap();
    reader.receive_until(|record| record.len() == 2).await;
    assert_eq!(reader.events(), ["1"]);
    let error = b.open("a").unwrap().publish(Event::new("2")).await.unwrap_err();
    assert!(matches!(error, lasse_redis::PublishError::Ended(_)), "{error:?}");
    let late = chats(&server);
    let mut reader = client(&late, "a").await;
    reader.receive_until(|record| record.len() == 2).await;
}

/// Clients of several keys that move between three nodes.
async fn hoppers() {
    let server = Server::start();
    let nodes = [chats(&server), chats(&server), chats(&server)];
    let clients: Vec<_> = (0..30)
        .map(|n| {
            let (nodes, key) = (nodes.clone(), format!("key-{}", n % 5));
            tokio::spawn(async move {
                let mut client = Client::new();
                for hop in 0.. {
                    client.connect(&nodes[(n + hop) % 3].open(&key).unwrap()).await;
                    client.receive_for(Duration::from_millis(40)).await;
                    if client.events().len() >= 200 {
                        break;
                    }
                }
                client
            })
        })
        .collect();
    for n in 0..200 {
        for key in 0..5 {
            publish(&nodes[(n + key) % 3], &format!("key-{key}"), &n.to_string()).await;
        }
    }
    let expected: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    for client in clients {
        let client = client.await.unwrap();
        assert_eq!(client.events(), expected);
        assert!(client.resets().is_empty());
    }
}

/// Ten readers on each hundredth key. A debug build has fewer keys.
async fn scale() {
    const KEYS: usize = if cfg!(debug_assertions) { 5_000 } else { 100_000 };
    let server = Server::start();
    let started_at = Instant::now();
    let (reading, publishing) = (counted(&server), counted(&server));
    let keys: Vec<_> = (0..KEYS).map(|n| n.to_string()).collect();
    let before = resident();
    let mut clients = Vec::new();
    for key in keys.iter().step_by(100) {
        for _ in 0..10 {
            clients.push(client(&reading, key).await);
        }
    }
    let with_readers = resident();
    let names = ["evalsha", "xread", "xrange", "xrevrange", "ssubscribe"];
    let count = || names.map(|name| calls(&server, name));
    let started = count();
    for key in &keys {
        publish(&publishing, key, "1").await;
    }
    for client in &mut clients {
        client.receive_events(1).await;
        assert!(client.resets().is_empty());
    }
    let added: Vec<_> = count().iter().zip(started).map(|(now, then)| now - then).collect();
    // Each event is one call, and each event of a key with readers at most one read.
    let readers = (KEYS / 100) as u64;
    assert!(added[0] <= KEYS as u64 + 1, "{added:?}");
    assert!(added[1] <= readers + waits(started_at), "{added:?}");
    assert_eq!(added[2..], [0, 0, 0], "{added:?}");
    assert_eq!((reading.len(), publishing.len()), (KEYS / 100, 0));
    figures::keep(format!(
        "{KEYS} keys, {} readers on {}: {} KiB before, {} KiB with readers, {} KiB after an event \
         on each key; {names:?} {added:?}",
        clients.len(),
        KEYS / 100,
        before / 1024,
        with_readers / 1024,
        resident() / 1024,
    ));
}

/// The resident memory of this process, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or_default() * 4096
}
