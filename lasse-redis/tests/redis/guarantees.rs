//! What an acknowledged publish guarantees, by the settings of the server: the table of
//! `docs/redis.md`.

use std::time::Duration;

use lasse_core::{Event, EventId};
use lasse_redis::{PublishError, RedisChannel};
use libtest_mimic::Trial;
use redis::Value;
use tokio::time::{Instant, sleep};

use crate::nodes::{node, ready, until};
use crate::server::Server;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("an_acknowledged_event_survives_a_kill_if_its_settings_say_so", kill),
        trial("a_master_without_its_replicas_stops_to_acknowledge", cut_off),
    ]
}

async fn kill() {
    let always = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"];
    let each_second = ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"];
    let snapshot = ["--save", "3600 1000000", "--appendonly", "no"];
    let nothing = ["--save", "", "--appendonly", "no"];
    for (options, kept) in
        [(&always[..], 2 * EVENTS), (&each_second, 2 * EVENTS), (&snapshot, EVENTS), (&nothing, 0)]
    {
        let mut server = Server::with(options);
        let channel = node(&server);
        ready(&channel).await;
        let mut ids = publish(&channel).await;
        if options == snapshot {
            server.call::<()>("SAVE");
        }
        ids.extend(publish(&channel).await);
        server.kill();
        server.run();
        let is_there = |id: &&EventId| match server.call(&format!("XRANGE news {id} {id}")) {
            Value::Array(entries) => !entries.is_empty(),
            other => panic!("{other:?}"),
        };
        assert_eq!(ids.iter().filter(is_there).count(), kept, "{options:?}");
    }
}

async fn publish(channel: &RedisChannel) -> Vec<EventId> {
    let mut ids = Vec::new();
    for n in 0..EVENTS {
        ids.push(channel.publish(Event::new(n.to_string())).await.unwrap());
    }
    ids
}

async fn cut_off() {
    let needs = ["--save", "", "--min-replicas-to-write", "1", "--min-replicas-max-lag", "1"];
    let master = Server::with(&needs);
    let port = master.port.to_string();
    let replica = Server::with(&["--save", "", "--replicaof", "127.0.0.1", &port]);
    let channel = node(&master);
    ready(&channel).await;
    publish_until(&channel, true).await;
    replica.pause();
    publish_until(&channel, false).await;
    assert!(channel.backplane().health().is_ready);
    replica.unpause();
    publish_until(&channel, true).await;
    let last = channel.local().last_id().unwrap().to_string();
    let has_last =
        || replica.call::<Value>(&format!("XRANGE news {last} {last}")) != Value::Array(vec![]);
    until("the replica has the event", has_last).await;
}

/// Publishes until an event is acknowledged, or until one is refused for the lack of replicas.
async fn publish_until(channel: &RedisChannel, is_acknowledged: bool) {
    let started = Instant::now();
    loop {
        let published = channel.publish(Event::new("1")).await;
        if let Err(error) = &published {
            assert!(matches!(error, PublishError::NotReachable(_)), "{error:?}");
        }
        if published.is_ok() == is_acknowledged {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{published:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

const EVENTS: usize = 50;
