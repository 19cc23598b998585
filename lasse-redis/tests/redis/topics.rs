//! Topics over several nodes.

use std::time::Duration;

use lasse_core::{
    ChannelConfig, Compaction, Event, EventId, Retention, Topic, TopicFilter, TopicPattern,
};
use lasse_redis::{Backplane, ChannelError, PublishError, RedisChannel, RedisServer};
use libtest_mimic::Trial;
use tokio::time::sleep;

use crate::client::{Client, Received};
use crate::nodes::{node, ready, settings};
use crate::server::Server;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("an_event_of_a_topic_reaches_its_readers_on_all_nodes", all_nodes),
        trial("a_client_of_topics_is_sent_its_part_of_what_only_redis_holds", backfill),
        trial("a_lower_bound_of_an_older_epoch_holds_after_a_restart", lower_bound),
        trial("a_quiet_client_resumes_at_a_node_that_starts_with_the_end", quiet),
        trial("a_topic_that_redis_remembers_no_more_is_a_reset", forgotten),
        trial("a_topic_that_is_none_makes_an_entry_foreign", forged),
        trial("an_ending_and_an_idempotent_call_can_have_a_topic", once_and_end),
        trial("a_channel_with_keys_is_refused", keys),
        trial("clients_of_topics_that_move_have_each_event_of_theirs_once", hoppers),
    ]
}

const TEA: Topic = Topic::from_static("room.tea");
const CAKE: Topic = Topic::from_static("room.cake");

/// A node that keeps this many events.
fn keeping(server: &Server, events: u64) -> RedisChannel {
    let backplane = Backplane::start(RedisServer::new(server.url()).unwrap(), &settings());
    let few = ChannelConfig::new().with_retention(Retention::new().with_events(events));
    backplane.channel("news", &few).unwrap()
}

async fn publish_to(channel: &RedisChannel, topic: &Topic, data: &str) -> EventId {
    channel.publish_to(topic, Event::new(data)).await.unwrap()
}

async fn all_nodes() {
    let server = Server::start();
    let nodes = [node(&server), node(&server)];
    let mut tea = Client::of_topics(&nodes[0], TEA).await;
    let rooms = TopicPattern::from_static("room.*");
    let mut rooms = Client::of_topics(&nodes[1], rooms).await;
    let mut all = Client::of(&nodes[1]).await;
    publish_to(&nodes[1], &TEA, "1").await;
    publish_to(&nodes[0], &CAKE, "2").await;
    nodes[0].publish(Event::new("3")).await.unwrap();
    publish_to(&nodes[0], &TEA, "4").await;
    for (client, events) in [
        (&mut tea, &["1", "4"][..]),
        (&mut rooms, &["1", "2", "4"]),
        (&mut all, &["1", "2", "3", "4"]),
    ] {
        client.receive_events(events.len()).await;
        assert_eq!((client.events(), client.resets().len()), (events.to_vec(), 0));
    }
    // At another node, and with a filter that it did not have before.
    publish_to(&nodes[1], &CAKE, "5").await;
    tea.filter = Some(TopicPattern::from_static("room.*").into());
    tea.connect(&nodes[1]).await;
    tea.receive_events(3).await;
    assert_eq!((tea.events(), tea.resets().len()), (vec!["1", "4", "5"], 0));
}

async fn backfill() {
    let server = Server::start();
    let channel = keeping(&server, 10);
    let mut ids = Vec::new();
    for n in 0..500_u32 {
        let topic = if n % 7 == 0 { TEA } else { CAKE };
        ids.push(publish_to(&channel, &topic, &n.to_string()).await);
    }
    // The whole of the first page is of the other topic, and the bound is within the second.
    let joined = TopicFilter::default().with_after(TEA, ids[150].clone()).unwrap();
    let mut client = Client::after(ids[0].as_str());
    client.filter = Some(joined);
    client.connect(&channel).await;
    let expected: Vec<_> = (151..500).filter(|n| n % 7 == 0).map(|n: u32| n.to_string()).collect();
    client.receive_events(expected.len()).await;
    publish_to(&channel, &TEA, "live").await;
    client.receive_events(expected.len() + 1).await;
    let expected: Vec<_> = expected.iter().map(String::as_str).chain(["live"]).collect();
    assert_eq!((client.events(), client.resets().len()), (expected, 0));
    assert_eq!(channel.local().stats().resumed, 1);
}

/// The log of a node may not hold the epoch of the id after which a user has joined.
async fn lower_bound() {
    let mut server = Server::durable();
    let before = node(&server);
    publish_to(&before, &TEA, "before").await;
    let joined_at = before.publish(Event::new("joined")).await.unwrap();
    server.kill();
    server.run();
    // The epoch of this one is another.
    let seen = loop {
        if let Ok(id) = before.publish_once_to("seen", &CAKE, Event::new("seen")).await {
            break id;
        }
        sleep(Duration::from_millis(20)).await;
    };
    for n in 0..20 {
        publish_to(&before, &TEA, &n.to_string()).await;
    }
    let after = keeping(&server, 20);
    ready(&after).await;
    let mut client = Client::after(seen.as_str());
    client.filter = Some(TopicFilter::default().with_after(TEA, joined_at).unwrap());
    client.connect(&after).await;
    client.receive_events(20).await;
    assert_eq!((client.events()[0], client.resets().len()), ("0", 0));
}

/// Publishes ten times more than Redis keeps, of other topics.
async fn bury(channel: &RedisChannel, server: &Server) {
    for n in 0..200 {
        publish_to(channel, &Topic::new(format!("other.{}", n % 20)).unwrap(), "x").await;
    }
    server.call::<i64>("XTRIM news MAXLEN 20");
}

async fn quiet() {
    let server = Server::start();
    let channel = node(&server);
    let first = publish_to(&channel, &TEA, "1").await;
    let cake = publish_to(&channel, &CAKE, "2").await;
    bury(&channel, &server).await;
    let started = keeping(&server, 10);
    ready(&started).await;
    let connect = |id: EventId, pattern: &str| {
        let mut client = Client::after(id.as_str());
        client.filter = Some(TopicPattern::new(pattern.to_owned()).unwrap().into());
        let started = started.clone();
        async move {
            client.connect(&started).await;
            client
        }
    };
    let mut tea = connect(first.clone(), "room.tea").await;
    let mut rooms = connect(cake.clone(), "room.*").await;
    let mut never = connect(cake.clone(), "never").await;
    publish_to(&channel, &TEA, "3").await;
    tea.receive_events(1).await;
    rooms.receive_events(1).await;
    never.receive_for(Duration::from_millis(50)).await;
    for client in [&tea, &rooms, &never] {
        assert!(client.resets().is_empty(), "{:?}", client.record);
    }
    // What these lack is gone. The last id is of another stream.
    for (id, pattern, reason) in [
        (first.as_str(), "room.*", "expired"),
        (first.as_str(), ">", "expired"),
        ("1763755200123-7", "room.tea", "foreign"),
    ] {
        let mut client = connect(EventId::new(id.to_owned()).unwrap(), pattern).await;
        client.receive_until(|record| !record.is_empty()).await;
        assert_eq!(client.resets(), [reason], "{pattern}");
    }
    // A deleted stream is a hole for every topic.
    server.call::<i64>("DEL news");
    publish_to(&channel, &CAKE, "4").await;
    bury(&channel, &server).await;
    let mut client = connect(first, "room.tea").await;
    client.receive_until(|record| !record.is_empty()).await;
    assert_eq!(client.resets().len(), 1);
}

async fn forgotten() {
    let server = Server::start();
    let channel = node(&server);
    let id = publish_to(&channel, &TEA, "1").await;
    bury(&channel, &server).await;
    server.call::<i64>("DEL {news}:topics");
    publish_to(&channel, &CAKE, "2").await;
    server.call::<i64>("XTRIM news MAXLEN 1");
    let started = keeping(&server, 10);
    ready(&started).await;
    let mut client = Client::after(id.as_str());
    client.filter = Some(TEA.into());
    client.connect(&started).await;
    client.receive_until(|record| !record.is_empty()).await;
    assert_eq!(client.resets().len(), 1);
}

async fn forged() {
    let server = Server::start();
    let channel = node(&server);
    let mut all = Client::of(&channel).await;
    let id = publish_to(&channel, &TEA, "1").await;
    // This node may not have read it yet.
    let (epoch, _) = id.as_str().split_once('-').unwrap();
    server.call::<String>(&format!("XADD news {epoch}-* lasse event data x topic room.*"));
    server
        .call::<String>(&format!("XADD news {epoch}-* lasse event data x topic room.tea topic a"));
    publish_to(&channel, &TEA, "2").await;
    all.receive_events(2).await;
    assert_eq!((all.events(), all.resets().len()), (vec!["1", "2"], 0));
    assert_eq!(channel.stream_stats().foreign, 2);
    // The hash of another type: nothing is known of topics, and everything is published.
    server.call::<i64>("DEL {news}:topics");
    server.call::<()>("SET {news}:topics x");
    publish_to(&channel, &TEA, "3").await;
    publish_to(&channel, &TEA, "4").await;
    all.receive_events(4).await;
    assert_eq!(server.call::<i64>("HLEN {news}:topics"), 2);
}

async fn once_and_end() {
    let server = Server::start();
    let (a, b) = (node(&server), node(&server));
    let mut tea = Client::of_topics(&b, TEA).await;
    let id = a.publish_once_to("k", &TEA, Event::new("1")).await.unwrap();
    assert_eq!(b.publish_once_to("k", &TEA, Event::new("again")).await.unwrap(), id);
    a.finish_with_to(&TEA, Event::new("2")).await.unwrap();
    tea.receive_until(|record| record.last() == Some(&Received::End)).await;
    assert_eq!(tea.events(), ["1", "2"]);
    let error = b.publish_to(&TEA, Event::new("3")).await.unwrap_err();
    assert!(matches!(error, PublishError::Ended(_)), "{error}");
    let own_id = Event::new("3").with_id(1);
    assert_eq!(node(&server).publish_to(&TEA, own_id).await, Err(PublishError::OwnId));
}

async fn keys() {
    let server = Server::start();
    let backplane = Backplane::start(RedisServer::new(server.url()).unwrap(), &settings());
    let keys = Compaction::new(TopicPattern::from_static("price.*"));
    let config = ChannelConfig::new().with_compaction(keys);
    let error = backplane.channel("news", &config).unwrap_err();
    assert_eq!(error, ChannelError::Compaction);
    let error = backplane.channels::<str>("news", &config).unwrap_err();
    assert!(error.to_string().contains("with_compaction"), "{error}");
}

/// Clients of three topics each move between nodes, one of which keeps ten events.
async fn hoppers() {
    let server = Server::start();
    let nodes = [node(&server), keeping(&server, 10), keeping(&server, 10)];
    for node in &nodes {
        ready(node).await;
    }
    let topic = |n: u32| Topic::new(format!("room.{}", n % 10)).unwrap();
    let first = publish_to(&nodes[0], &topic(0), "first").await;
    let clients: Vec<_> = (0..10)
        .map(|n| {
            let (nodes, first) = (nodes.clone(), first.clone());
            tokio::spawn(async move {
                let mut client = Client::after(first.as_str());
                client.filter = Some(TopicFilter::new([n, n + 1, n + 2].map(topic)).unwrap());
                for hop in 0.. {
                    client.connect(&nodes[(n + hop) as usize % 3]).await;
                    client.receive_for(Duration::from_millis(30)).await;
                    if client.events().len() >= 90 {
                        break;
                    }
                }
                (n, client)
            })
        })
        .collect();
    for n in 0..300_u32 {
        publish_to(&nodes[n as usize % 3], &topic(n), &n.to_string()).await;
    }
    for client in clients {
        let (n, client) = client.await.unwrap();
        let mine = |event: &u32| [n, n + 1, n + 2].iter().any(|mine| mine % 10 == event % 10);
        let expected: Vec<_> = (0..300_u32).filter(mine).map(|event| event.to_string()).collect();
        assert_eq!((client.events(), client.resets().len()), (strs(&expected), 0));
    }
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}
