//! Several nodes on a server that does not fail.

use std::time::Duration;

use lasse_core::{
    ChannelConfig, Ending, Event, EventId, LastEventId, Retention, StartAt, Subscription,
};
use lasse_redis::{
    Backplane, BackplaneConfig, ChannelError, PublishError, RedisChannel, RedisServer,
};
use libtest_mimic::Trial;
use tokio::time::{Instant, sleep, timeout};

use crate::client::{Client, Received};
use crate::server::Server;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("an_event_reaches_the_readers_of_all_nodes_in_one_order", order),
        trial("a_client_resumes_at_another_node", resume),
        trial("a_client_that_is_ahead_of_its_node_is_not_reset", ahead),
        trial("a_node_loads_the_end_of_the_stream", load),
        trial("a_client_whose_events_only_redis_holds_is_sent_them_from_there", backfill),
        trial("more_clients_than_places_are_all_sent_what_only_redis_holds", many_backfills),
        trial("a_channel_that_is_added_later_is_read_at_once", later_channel),
        trial("an_idempotency_key_publishes_once_on_all_nodes", once),
        trial("a_finished_channel_ends_on_all_nodes_and_on_those_that_start_later", finish),
        trial("what_others_write_is_skipped_and_counted", foreign),
        trial("an_event_arrives_with_all_its_fields", whole_event),
        trial("an_event_with_an_id_of_its_own_is_refused", own_id),
        trial("a_user_without_the_commands_is_refused_with_their_list", permissions),
        trial("a_user_with_the_listed_commands_can_do_everything", listed_permissions),
        trial("each_server_of_a_cluster_is_refused_with_the_reason", cluster),
        trial("a_key_of_another_type_is_refused_and_leaves_the_other_channels_alone", wrong_type),
        trial("a_hundred_channels_are_read_and_no_more", many_channels),
    ]
}

/// Keeps a thousand events, and starts new clients with the oldest.
pub(crate) fn keeping_all() -> ChannelConfig {
    ChannelConfig::new()
        .with_start(StartAt::Oldest)
        .with_retention(Retention::new().with_bytes(64 << 20))
}

/// Times that a machine which does other things for seconds does not exceed.
pub(crate) fn settings() -> BackplaneConfig {
    BackplaneConfig::new()
        .with_connect_timeout(Duration::from_secs(10))
        .with_publish_timeout(Duration::from_secs(30))
        .with_decision_timeout(Duration::from_secs(20))
        .with_max_backoff(Duration::from_millis(200))
        .with_block(Duration::from_millis(500))
}

/// A node with the channel `news`.
pub(crate) fn node(server: &Server) -> RedisChannel {
    node_at(&server.url())
}

/// A node where clients that are new or reset start with the next event.
pub(crate) fn live_node(server: &Server) -> RedisChannel {
    let backplane = Backplane::start(RedisServer::new(server.url()).unwrap(), &settings());
    backplane.channel("news", &keeping_all().with_start(StartAt::Now)).unwrap()
}

pub(crate) fn node_at(url: &str) -> RedisChannel {
    let backplane = Backplane::start(RedisServer::new(url).unwrap(), &settings());
    backplane.channel("news", &keeping_all()).unwrap()
}

/// Waits until the node is ready.
pub(crate) async fn ready(channel: &RedisChannel) {
    until("the node is ready", || channel.backplane().health().is_ready).await;
}

pub(crate) async fn until(what: &str, is_true: impl Fn() -> bool) {
    let waits = async {
        while !is_true() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(Duration::from_secs(60), waits).await.is_ok(), "not in time: {what}");
}

async fn publish(channel: &RedisChannel, data: &str) -> EventId {
    channel.publish(Event::new(data)).await.unwrap()
}

/// Publishes once, as soon as the server is there.
pub(crate) async fn publish_again(channel: &RedisChannel, data: &str) -> EventId {
    let started = Instant::now();
    loop {
        match channel.publish_once(data, Event::new(data)).await {
            Ok(id) => return id,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(60), "{error}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn order() {
    let server = Server::start();
    let nodes = [node(&server), node(&server)];
    let mut clients = [Client::of(&nodes[0]).await, Client::of(&nodes[1]).await];
    let writers = [0, 1, 0, 1].into_iter().enumerate().map(|(writer, on)| {
        let node = nodes[on].clone();
        tokio::spawn(async move {
            for n in 0..50 {
                publish(&node, &format!("{writer}/{n}")).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    for client in &mut clients {
        client.receive_events(200).await;
        assert!(client.resets().is_empty());
    }
    assert_eq!(clients[0].record, clients[1].record);
    for writer in 0..4 {
        let own = |data: &&&str| data.starts_with(&format!("{writer}/"));
        let events = clients[0].events();
        let events: Vec<_> = events.iter().filter(own).collect();
        let expected: Vec<_> = (0..50).map(|n| format!("{writer}/{n}")).collect();
        assert!(events.iter().zip(&expected).all(|(a, b)| **a == b));
    }
}

async fn resume() {
    let server = Server::start();
    let (a, b) = (node(&server), node(&server));
    publish(&a, "1").await;
    let mut client = Client::of(&a).await;
    client.receive_events(1).await;
    publish(&b, "2").await;
    client.connect(&b).await;
    client.receive_events(2).await;
    publish(&a, "3").await;
    client.connect(&a).await;
    client.receive_events(3).await;
    assert_eq!((client.events(), client.resets().len()), (vec!["1", "2", "3"], 0));
}

/// A node that has not read an event yet waits for it.
async fn ahead() {
    let server = Server::start();
    let (a, b) = (node(&server), node(&server));
    ready(&b).await;
    for n in 0..200 {
        let id = publish(&a, &n.to_string()).await;
        // The other node may not have read it.
        let mut client = Client::after(id.as_str());
        client.connect(&b).await;
        let Subscription::Stream(subscriber) = b.subscribe(&LastEventId::Id(id)).await else {
            panic!();
        };
        assert_eq!(subscriber.outcome(), lasse_core::ResumeOutcome::Resumed);
    }
    // An id that was never given is no reason to wait.
    let last = a.local().last_id().unwrap();
    let (epoch, _) = last.as_str().split_once('-').unwrap();
    let mut client = Client::after(&format!("{epoch}-999"));
    client.connect(&b).await;
    client.receive_until(|record| !record.is_empty()).await;
    assert_eq!(client.resets(), ["ahead"]);
}

async fn load() {
    let server = Server::start();
    let a = node(&server);
    let mut ids = Vec::new();
    for n in 0..2500 {
        ids.push(publish(&a, &n.to_string()).await);
    }
    let b = node(&server);
    let mut client = Client::after(ids[9].as_str());
    client.connect(&b).await;
    client.receive_events(2490).await;
    assert_eq!((client.events()[0], client.resets().len()), ("10", 0));

    // Only as much as the channel keeps.
    let backplane = Backplane::start(RedisServer::new(server.url()).unwrap(), &settings());
    let few = ChannelConfig::new().with_retention(Retention::new().with_events(10));
    let c = backplane.channel("news", &few).unwrap();
    ready(&c).await;
    assert_eq!(c.local().stats().events, 10);
    assert_eq!(c.local().last_id(), ids.last().cloned());
}

/// A node that keeps ten events.
fn forgetful_node(server: &Server, config: &BackplaneConfig) -> RedisChannel {
    let backplane = Backplane::start(RedisServer::new(server.url()).unwrap(), config);
    let few = ChannelConfig::new().with_retention(Retention::new().with_events(10));
    backplane.channel("news", &few).unwrap()
}

async fn backfill() {
    let mut server = Server::durable();
    let channel = forgetful_node(&server, &settings());
    let mut ids = Vec::new();
    for n in 0..350 {
        if n == 200 {
            // The backfill crosses an epoch.
            server.kill();
            server.run();
        }
        ids.push(publish_again(&channel, &n.to_string()).await);
    }
    let mut client = Client::after(ids[2].as_str());
    client.connect(&channel).await;
    client.receive_events(100).await;
    publish(&channel, "350").await;
    client.receive_events(348).await;
    let expected: Vec<_> = (3..=350).map(|n| n.to_string()).collect();
    assert_eq!(
        (client.events(), client.resets().len()),
        (expected.iter().map(String::as_str).collect(), 0)
    );
    assert_eq!(channel.local().stats().resumed, 1);

    // What Redis no longer has is a reset.
    server.call::<i64>("XTRIM news MAXLEN 100");
    let mut client = Client::after(ids[2].as_str());
    client.connect(&channel).await;
    client.receive_until(|record| !record.is_empty()).await;
    assert_eq!(client.resets().len(), 1);
    // The client can go on after the last event that was trimmed.
    let mut client = Client::after(ids[260].as_str());
    client.connect(&channel).await;
    client.receive_events(90).await;
    assert!(client.resets().is_empty());
}

async fn many_backfills() {
    let server = Server::start();
    let channel = forgetful_node(&server, &settings().with_max_backfills(0));
    let mut ids = Vec::new();
    for n in 0..300 {
        ids.push(publish(&channel, &n.to_string()).await);
    }
    let clients = (0..20).map(|n| {
        let (channel, id) = (channel.clone(), ids[n].clone());
        tokio::spawn(async move {
            let mut client = Client::after(id.as_str());
            client.connect(&channel).await;
            client.receive_events(299 - n).await;
            assert!(client.resets().is_empty());
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
}

async fn later_channel() {
    let server = Server::start();
    let block = Duration::from_secs(120);
    let slow = settings().with_block(block);
    let backplane = Backplane::start(RedisServer::new(server.url()).unwrap(), &slow);
    let first = backplane.channel("first", &keeping_all()).unwrap();
    ready(&first).await;
    let started = Instant::now();
    server.pause();
    let second = backplane.channel("second", &keeping_all()).unwrap();
    assert!(!backplane.health().is_ready, "a channel that is not loaded");
    server.unpause();
    ready(&second).await;
    publish(&second, "1").await;
    let mut client = Client::of(&second).await;
    client.receive_events(1).await;
    assert!(started.elapsed() < block, "before the block time is over");
}

async fn once() {
    let server = Server::start();
    let (a, b) = (node(&server), node(&server));
    let id = a.publish_once("order/1", Event::new("1")).await.unwrap();
    assert_eq!(b.publish_once("order/1", Event::new("again")).await.unwrap(), id);
    let other = b.publish_once("order/2", Event::new("2")).await.unwrap();
    assert_ne!(other, id);
    let mut client = Client::of(&a).await;
    client.receive_events(2).await;
    assert_eq!(client.events(), ["1", "2"]);
}

async fn finish() {
    let server = Server::start();
    let (a, b) = (node(&server), node(&server));
    publish(&a, "1").await;
    let mut client = Client::of(&b).await;
    let last = a.finish_with(Event::new("2")).await.unwrap();
    client.receive_until(|record| record.last() == Some(&Received::End)).await;
    assert_eq!(client.events(), ["1", "2"]);

    let ended = Err(PublishError::Ended(Ending::Finished));
    // This node may not have read the end yet.
    assert_eq!(a.publish(Event::new("3")).await, ended);
    until("the end is read", || a.local().ending().is_some()).await;
    assert_eq!(a.publish(Event::new("3")).await, ended);
    assert_eq!(b.abort().await, Err(PublishError::Ended(Ending::Finished)));

    let c = node(&server);
    ready(&c).await;
    assert_eq!(c.local().ending(), Some(Ending::Finished));
    assert!(matches!(c.subscribe(&LastEventId::Id(last)).await, Subscription::Complete));
    assert_eq!(c.publish(Event::new("3")).await, ended);
}

async fn foreign() {
    let server = Server::start();
    let (a, b) = (node(&server), node(&server));
    publish(&a, "1").await;
    let mut client = Client::of(&b).await;
    server.call::<String>("XADD news * message hello");
    server.call::<String>("XADD news * lasse event data x id 9-9");
    // What others wrote has made a new epoch.
    let id = publish(&a, "2").await;
    let (epoch, _) = id.as_str().split_once('-').unwrap();
    server.call::<String>(&format!("XADD news {epoch}-* lasse event data x event n other x"));
    publish(&b, "3").await;
    client.receive_events(3).await;
    assert_eq!((client.events(), client.resets().len()), (vec!["1", "2", "3"], 0));
    assert_eq!((b.stream_stats().foreign, b.stream_stats().gaps), (3, 0));
    // A node that starts later skips them, too.
    let c = node(&server);
    let mut client = Client::of(&c).await;
    client.receive_events(3).await;
    assert_eq!((client.events(), c.stream_stats().foreign), (vec!["1", "2", "3"], 3));
}

async fn whole_event() {
    let server = Server::start();
    let channel = node(&server);
    let event = Event::new("two\nlines\0ä")
        .with_static_name("kind")
        .with_retry(Duration::from_millis(7))
        .with_comment("why");
    let id = channel.publish(event.clone()).await.unwrap();
    until("the event is read", || channel.local().last_id() == Some(id.clone())).await;
    let Subscription::Stream(mut subscriber) = channel.local().subscribe(&LastEventId::Absent)
    else {
        panic!();
    };
    let frames = subscriber.first_frames();
    assert_eq!(frames.last(), Some(&event.with_id(id).encode()));
}

async fn own_id() {
    let server = Server::start();
    let channel = node(&server);
    let refused = channel.publish(Event::new("1").with_id(7)).await;
    assert_eq!(refused, Err(PublishError::OwnId));
}

async fn permissions() {
    let server = Server::start();
    // Each command of the list is needed.
    for (n, command) in lasse_redis::COMMANDS.split_whitespace().enumerate() {
        let denied = command.replace('+', "-");
        server.call::<()>(&format!("ACL SETUSER u{n} on >secret ~* +@all {denied}"));
        server.call::<()>("SCRIPT FLUSH");
        let channel = node_at(&format!("redis://u{n}:secret@127.0.0.1:{}", server.port));
        is_refused(&channel, denied.trim_start_matches('-')).await;
    }
    // So are the keys.
    for keys in ["~news ~lasse:wake:*", "~{news}:* ~lasse:wake:*", "~news ~{news}:*"] {
        server.call::<()>(&format!("ACL SETUSER keys on resetkeys >secret {keys} +@all"));
        let channel = node_at(&format!("redis://keys:secret@127.0.0.1:{}", server.port));
        is_refused(&channel, "~lasse:wake:*").await;
    }

    let stranger = node_at(&format!("redis://keys:wrong@127.0.0.1:{}", server.port));
    let error = stranger.publish(Event::new("1")).await.unwrap_err();
    assert!(matches!(error, PublishError::Refused(_)), "{error:?}");
}

/// The user of this node cannot do all that is needed. The node is never ready, and the reason
/// names what a user needs.
async fn is_refused(channel: &RedisChannel, lacks: &str) {
    let error = channel.publish(Event::new("1")).await.unwrap_err();
    assert!(matches!(error, PublishError::Refused(_)), "{lacks}: {error:?}");
    let problem = || channel.backplane().health().problem;
    until("the problem is reported", || problem().is_some()).await;
    assert!(!channel.backplane().health().is_ready, "{lacks}");
    for reason in [error.to_string(), problem().unwrap()] {
        for part in [lacks, "+info", "+xinfo|stream", "~lasse:wake:*"] {
            assert!(reason.contains(part), "{lacks}: {reason}");
        }
    }
}

async fn listed_permissions() {
    let server = Server::start();
    let commands = lasse_redis::COMMANDS;
    server.call::<()>(&format!(
        "ACL SETUSER news on >secret resetchannels ~news ~{{news}}:* ~lasse:wake:* {commands} \
         {} ~chat:* ~{{chat:*}}:* &chat:*",
        lasse_redis::BY_KEY_COMMANDS
    ));
    let channel = node_at(&format!("redis://news:secret@127.0.0.1:{}", server.port));
    ready(&channel).await;
    publish(&channel, "1").await;
    let topic = lasse_core::Topic::from_static("room.tea");
    let id = channel.publish_once_to("k", &topic, Event::new("2")).await.unwrap();
    until("both are read", || channel.local().last_id().as_ref() == Some(&id)).await;
    // A loss is recorded, too.
    server.call::<i64>("DEL news");
    publish(&channel, "3").await;
    let mut client = Client::of(&channel).await;
    client.receive_until(|record| record.iter().any(|r| matches!(r, Received::Reset { .. }))).await;
    channel.finish().await.unwrap();
    client.receive_until(|record| record.last() == Some(&Received::End)).await;
    assert_eq!(client.events(), ["1", "2", "3"]);

    let chats = channel.backplane().channels::<str>("chat", &keeping_all()).unwrap();
    let chat = chats.open("tea").unwrap();
    let mut client = Client::of_topics(&chat, topic.clone()).await;
    chat.publish_to(&topic, Event::new("4")).await.unwrap();
    client.receive_events(1).await;
    chat.finish().await.unwrap();
    client.receive_until(|record| record.last() == Some(&Received::End)).await;
}

/// Whichever server of the cluster has the key.
async fn cluster() {
    let servers = [Server::of_cluster(), Server::of_cluster(), Server::of_cluster()];
    // Before it has slots.
    is_refused_as_cluster(&servers[0]).await;
    for (n, slots) in ["0 5460", "5461 10922", "10923 16383"].into_iter().enumerate() {
        servers[n].call::<()>(&format!("CLUSTER ADDSLOTSRANGE {slots}"));
        servers[n].call::<()>(&format!("CLUSTER SET-CONFIG-EPOCH {}", n + 1));
    }
    for server in &servers[1..] {
        let bus = server.cluster_port();
        servers[0].call::<()>(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", server.port));
    }
    for server in &servers {
        let state = || server.call::<String>("CLUSTER INFO");
        until("the cluster is complete", || {
            state().contains("cluster_state:ok") && state().contains("cluster_known_nodes:3")
        })
        .await;
    }
    for server in &servers {
        is_refused_as_cluster(server).await;
    }
}

async fn is_refused_as_cluster(server: &Server) {
    let channel = node(server);
    let error = channel.publish(Event::new("1")).await.unwrap_err();
    assert!(matches!(error, PublishError::Refused(_)), "{error:?}");
    let problem = || channel.backplane().health().problem;
    until("the problem is reported", || problem().is_some()).await;
    // It stays, whatever the reader tries.
    sleep(Duration::from_millis(500)).await;
    for reason in [error.to_string(), problem().unwrap()] {
        assert!(reason.contains("part of a cluster, which is not supported"), "{reason}");
    }
    assert!(!channel.backplane().health().is_ready);
}

async fn wrong_type() {
    let server = Server::start();
    server.call::<()>("SET list 1");
    let backplane = Backplane::start(RedisServer::new(server.url()).unwrap(), &settings());
    let bad = backplane.channel("list", &keeping_all()).unwrap();
    let good = backplane.channel("news", &keeping_all()).unwrap();
    publish(&good, "1").await;
    let mut client = Client::of(&good).await;
    client.receive_events(1).await;
    let error = bad.publish(Event::new("1")).await.unwrap_err();
    assert!(matches!(error, PublishError::Refused(_)), "{error:?}");
    assert!(backplane.health().problem.is_some_and(|problem| problem.contains("WRONGTYPE")));
    assert!(matches!(bad.subscribe(&LastEventId::Absent).await, Subscription::Undecided(_)));
}

async fn many_channels() {
    let server = Server::start();
    let backplane = Backplane::start(RedisServer::new(server.url()).unwrap(), &settings());
    let channels: Vec<_> = (0..Backplane::MAX_CHANNELS)
        .map(|n| backplane.channel(&format!("c{n}"), &keeping_all()).unwrap())
        .collect();
    assert!(backplane.channel("c0", &keeping_all()).is_ok(), "one that exists");
    let error = backplane.channel("one more", &keeping_all()).unwrap_err();
    assert_eq!(error, ChannelError::TooMany);
    for channel in &channels {
        publish(channel, "1").await;
    }
    for channel in &channels {
        Client::of(channel).await.receive_events(1).await;
    }
}
