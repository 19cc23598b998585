//! Gates of several nodes: streams that are ended, limited and listed on all of them.

use std::future::poll_fn;
use std::mem::forget;
use std::time::Duration;

use http::Request;
use lasse_core::{EndReason, RequestHead};
use lasse_redis::{
    AdmitError, Backplane, BackplaneConfig, OutagePolicy, PublishError, RedisGate, RedisGateConfig,
    RedisRuns, RedisRunsConfig, RedisServer,
};
use lasse_tokio::{Gate, GateConfig, KeyLimitPolicy, Permit, Signal, StreamHandle};
use libtest_mimic::Trial;
use tokio::time::{Instant, sleep, timeout};

use crate::link::Link;
use crate::machine::Stopwatch;
use crate::nodes::{settings, until};
use crate::server::Server;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_tag_that_is_ended_on_one_node_ends_on_all_within_a_second", end_tag),
        trial("a_node_without_a_connection_ends_a_tag_when_it_is_back", short_cut),
        trial("a_node_that_was_away_for_too_long_sends_its_streams_to_reconnect", long_cut),
        trial("streams_reconnect_after_redis_has_lost_its_data", lost_data),
        trial("a_node_that_is_cut_off_sends_streams_to_reconnect_after_its_limit", isolation),
        trial("the_newest_stream_of_a_user_replaces_the_oldest_of_another_node", replaced),
        trial("a_request_that_is_refused_replaces_no_stream_of_another_node", not_opened),
        trial("the_newest_stream_of_a_user_is_refused_while_others_are_open", refused),
        trial("streams_of_a_node_that_was_killed_count_no_more_after_its_lease", killed),
        trial("a_node_that_has_lost_its_lease_counts_its_streams_again", lost_lease),
        trial("a_node_that_takes_a_new_lease_counts_no_stream_twice", counted_once),
        trial("without_redis_streams_are_admitted_by_the_limit_of_the_node", outage),
        trial("without_redis_streams_are_refused_if_so_configured", strict_outage),
        trial("streams_are_listed_by_tag_over_all_nodes", list),
        trial("limits_of_zero_and_the_maximum_are_taken_by_gates", limits),
        trial("a_user_with_the_listed_commands_can_share_a_gate", permissions),
        trial("a_gate_and_runs_on_one_backplane_report_problems_of_their_own", problems),
    ]
}

fn config() -> RedisGateConfig {
    RedisGateConfig::new().with_lease(LEASE).with_timeout(TIME_LIMIT)
}

fn replacing(limit: usize) -> RedisGateConfig {
    config().with_limit_per_key(limit).with_key_limit_policy(KeyLimitPolicy::ReplaceOldest)
}

/// A node whose streams are tagged by the segments of their path.
fn open(url: &str, config: RedisGateConfig) -> RedisGate {
    open_with(url, &settings(), config)
}

fn open_with(url: &str, settings: &BackplaneConfig, config: RedisGateConfig) -> RedisGate {
    let backplane = Backplane::start(RedisServer::new(url).unwrap(), settings);
    let tags = |request: &RequestHead<'_>| {
        let path = request.uri().path().to_owned();
        path.split('/').skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let local = Gate::new(GateConfig::new().with_tags(tags).with_random(|| 0));
    RedisGate::open(&backplane, "gate", &local, config).unwrap()
}

async fn node(server: &Server, config: RedisGateConfig) -> RedisGate {
    let node = open(&server.url(), config);
    node.ready().await;
    node
}

/// A stream with these tags.
fn stream(gate: &RedisGate, path: &str, handle: Option<StreamHandle>) -> Permit {
    let mut request = Request::get(path).body(()).unwrap();
    if let Some(handle) = handle {
        request.extensions_mut().insert(handle);
    }
    gate.local().admit(&RequestHead::from(&request)).unwrap()
}

/// A stream that counts for its user.
async fn counted(gate: &RedisGate, user: &str) -> Permit {
    let handle = gate.admit(user).await.unwrap();
    stream(gate, &format!("/{user}"), Some(handle))
}

/// Why the stream ends, if it does within this time.
async fn end(permit: &mut Permit, time: Duration) -> Option<EndReason> {
    match timeout(time, poll_fn(|cx| permit.poll_signal(cx))).await {
        Ok(Signal::End { reason, .. }) => Some(reason),
        Ok(other) => panic!("{other:?}"),
        Err(_) => None,
    }
}

async fn end_tag() {
    let server = Server::start();
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(node(&server, RedisGateConfig::new()).await);
    }
    let mut adas: Vec<_> = nodes.iter().map(|node| stream(node, "/ada/x", None)).collect();
    let mut bobs: Vec<_> = nodes.iter().map(|node| stream(node, "/bob/x", None)).collect();
    let stopwatch = Stopwatch::start();
    nodes[0].end_tag("ada").await.unwrap();
    for ada in &mut adas {
        assert_eq!(end(ada, TIME_LIMIT).await, Some(EndReason::Revoked));
    }
    stopwatch.check(LAW);
    for bob in &mut bobs {
        assert_eq!(end(bob, Duration::from_millis(50)).await, None);
    }
    // A tag is any text.
    let odd = "a b\r\nevent: end\\n/ä";
    let local = GateConfig::new().with_tags(move |_| [odd]);
    let url = RedisServer::new(server.url()).unwrap();
    let backplane = Backplane::start(url, &settings());
    let gate = RedisGate::open(&backplane, "gate", &Gate::new(local), config()).unwrap();
    gate.ready().await;
    let mut permit = stream(&gate, "/", None);
    nodes[0].end_tag("a b").await.unwrap();
    nodes[0].end_tag(odd).await.unwrap();
    assert_eq!(end(&mut permit, TIME_LIMIT).await, Some(EndReason::Revoked));
}

async fn short_cut() {
    let server = Server::start();
    let link = Link::to(&server).await;
    let (a, b) = (node(&server, config()).await, open(&link.url(), config()));
    b.ready().await;
    let mut ada = stream(&b, "/ada", None);
    let mut bob = stream(&b, "/bob", None);
    link.cut().await;
    a.end_tag("ada").await.unwrap();
    assert_eq!(end(&mut ada, Duration::from_secs(2)).await, None, "the node is cut off");
    let error = b.end_tag("eve").await.unwrap_err();
    // It may not have noticed yet that its connection is closed.
    let is_known = matches!(error, PublishError::NotReachable(_) | PublishError::OutcomeUnknown(_));
    assert!(is_known, "{error:?}");
    link.restore();
    assert_eq!(end(&mut ada, TIME_LIMIT).await, Some(EndReason::Revoked));
    assert_eq!(end(&mut bob, Duration::from_millis(50)).await, None);
}

async fn long_cut() {
    let server = Server::start();
    let link = Link::to(&server).await;
    let (a, b) = (node(&server, config()).await, open(&link.url(), config()));
    b.ready().await;
    let mut bob = stream(&b, "/bob", None);
    link.cut().await;
    for user in 0..10 {
        a.end_tag(&user.to_string()).await.unwrap();
    }
    server.call::<i64>("XTRIM gate MAXLEN 2");
    link.restore();
    assert_eq!(end(&mut bob, TIME_LIMIT).await, Some(EndReason::Shutdown), "it reconnects");
    let mut bob = stream(&b, "/bob", None);
    assert_eq!(end(&mut bob, Duration::from_millis(100)).await, None);
}

async fn lost_data() {
    let mut server = Server::start();
    let (a, b) = (node(&server, config()).await, node(&server, config()).await);
    let mut adas = [stream(&a, "/ada", None), stream(&b, "/ada", None)];
    a.end_tag("bob").await.unwrap();
    // Both have read it.
    assert!(a.streams("ada").await.unwrap().is_complete);
    server.kill();
    server.run();
    for ada in &mut adas {
        assert_eq!(end(ada, TIME_LIMIT).await, Some(EndReason::Shutdown));
    }
    // The gate goes on.
    let mut ada = stream(&b, "/ada", None);
    let started = Instant::now();
    while a.end_tag("ada").await.is_err() {
        assert!(started.elapsed() < TIME_LIMIT);
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(end(&mut ada, TIME_LIMIT).await, Some(EndReason::Revoked));
}

async fn isolation() {
    let server = Server::start();
    let link = Link::to(&server).await;
    let limit = Duration::from_secs(8);
    let gate = open(&link.url(), config().with_max_isolation(limit));
    gate.ready().await;
    let mut ada = stream(&gate, "/ada", None);
    assert_eq!(end(&mut ada, Duration::from_secs(1)).await, None, "it is connected");
    let started = Instant::now();
    link.cut().await;
    assert_eq!(end(&mut ada, TIME_LIMIT).await, Some(EndReason::Shutdown));
    assert!(started.elapsed() > limit / 2, "{:?}", started.elapsed());
}

async fn replaced() {
    let server = Server::start();
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(node(&server, replacing(2)).await);
    }
    let mut first = counted(&nodes[0], "ada").await;
    let mut bob = counted(&nodes[0], "bob").await;
    sleep(Duration::from_millis(5)).await;
    let mut second = counted(&nodes[1], "ada").await;
    let stopwatch = Stopwatch::start();
    let mut third = counted(&nodes[2], "ada").await;
    assert_eq!(end(&mut first, TIME_LIMIT).await, Some(EndReason::Replaced));
    stopwatch.check(LAW);
    for open in [&mut second, &mut third, &mut bob] {
        assert_eq!(end(open, Duration::from_millis(50)).await, None);
    }
    // A stream that has closed no longer counts.
    drop((first, third));
    until("it is removed", || server.call::<i64>("ZCARD {gate}:streams:ada") == 1).await;
    let mut fourth = counted(&nodes[0], "ada").await;
    for open in [&mut second, &mut fourth] {
        assert_eq!(end(open, Duration::from_millis(50)).await, None);
    }
}

async fn not_opened() {
    let server = Server::start();
    let (a, b) = (node(&server, replacing(1)).await, node(&server, replacing(1)).await);
    until("both have a lease", || server.call::<i64>("ZCARD {gate}:nodes") >= 2).await;
    let (mut ada, mut bob) = (counted(&a, "ada").await, counted(&a, "bob").await);
    let handle = b.admit("ada").await.unwrap();
    // Nodes read in order: a message for Ada's streams would be read by now.
    let _newer = counted(&b, "bob").await;
    assert_eq!(end(&mut bob, TIME_LIMIT).await, Some(EndReason::Replaced));
    // Both nodes have written their streams again.
    let leases = || server.call::<Vec<String>>("ZRANGE {gate}:nodes 0 -1 WITHSCORES");
    for _ in 0..3 {
        let before = leases();
        until("a lease is renewed", || leases() != before).await;
    }
    assert_eq!(end(&mut ada, Duration::from_millis(50)).await, None, "the new one is not open");
    drop(handle);
    until("its place is free", || server.call::<i64>("ZCARD {gate}:streams:ada") == 1).await;
    assert_eq!(end(&mut ada, Duration::from_millis(50)).await, None, "it was refused");
    let mut newest = counted(&b, "ada").await;
    assert_eq!(end(&mut ada, TIME_LIMIT).await, Some(EndReason::Replaced));
    assert_eq!(end(&mut newest, Duration::from_millis(50)).await, None);
}

async fn refused() {
    let server = Server::start();
    let config = config().with_limit_per_key(2);
    let (a, b) = (node(&server, config.clone()).await, node(&server, config).await);
    let first = counted(&a, "ada").await;
    let _second = counted(&b, "ada").await;
    let refused = b.admit("ada").await.unwrap_err();
    let AdmitError::TooManyStreams(retry) = &refused else { panic!("{refused:?}") };
    assert!((60..=75).contains(&retry.as_secs()), "{retry:?}");
    assert_eq!(lasse_core::Refusal::from(refused).status(), 429);
    drop(first);
    let started = Instant::now();
    while b.admit("ada").await.is_err() {
        assert!(started.elapsed() < TIME_LIMIT, "the place is not free");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn killed() {
    let server = Server::start();
    let config = config().with_limit_per_key(1);
    let (a, b) = (node(&server, config.clone()).await, node(&server, config).await);
    // A process that is killed removes nothing.
    forget(counted(&a, "ada").await);
    drop(a);
    assert!(b.admit("ada").await.is_err());
    let started = Instant::now();
    while b.admit("ada").await.is_err() {
        assert!(started.elapsed() < TIME_LIMIT, "the stream still counts");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn lost_lease() {
    let server = Server::start();
    let (a, b) = (node(&server, replacing(1)).await, node(&server, replacing(1)).await);
    let mut ada = counted(&a, "ada").await;
    server.call::<i64>("DEL {gate}:nodes {gate}:streams:ada");
    until("it is counted again", || server.call::<i64>("ZCARD {gate}:streams:ada") == 1).await;
    let _newer = counted(&b, "ada").await;
    assert_eq!(end(&mut ada, TIME_LIMIT).await, Some(EndReason::Replaced));

    // Also when a new stream finds that it is lost.
    let gate = node(&server, config().with_limit_per_key(1)).await;
    until("all have a lease", || server.call::<i64>("ZCARD {gate}:nodes") >= 3).await;
    let _bob = counted(&gate, "bob").await;
    server.call::<i64>("DEL {gate}:nodes {gate}:streams:bob");
    assert!(gate.admit("bob").await.is_err());
}

async fn counted_once() {
    let server = Server::start();
    let gate = node(&server, config().with_limit_per_key(1)).await;
    for round in 0..10 {
        server.call::<i64>("DEL {gate}:nodes");
        // They find that the lease is lost, or that a new one is being taken.
        let calls = (0..100_u64).map(|user| {
            let gate = gate.clone();
            tokio::spawn(async move {
                sleep(Duration::from_micros(user * 50)).await;
                gate.admit(&format!("{round}-{user}")).await
            })
        });
        for call in calls.collect::<Vec<_>>() {
            assert!(call.await.unwrap().is_ok(), "round {round}");
        }
    }
}

async fn outage() {
    let server = Server::start();
    let links = [Link::to(&server).await, Link::to(&server).await];
    let config = replacing(2).with_timeout(Duration::from_millis(500));
    let (a, b) = (open(&links[0].url(), config.clone()), open(&links[1].url(), config));
    a.ready().await;
    b.ready().await;
    let mut first = counted(&a, "ada").await;
    cut(&links).await;
    sleep(Duration::from_millis(5)).await;
    let mut others = [counted(&a, "ada").await, counted(&b, "ada").await];
    assert_eq!(end(&mut first, Duration::from_millis(50)).await, None, "two on each node");
    links.iter().for_each(Link::restore);
    assert_eq!(end(&mut first, TIME_LIMIT).await, Some(EndReason::Replaced));
    for other in &mut others {
        assert_eq!(end(other, Duration::from_millis(100)).await, None);
    }
    // The limit of the node holds without Redis.
    cut(&links).await;
    let _third = counted(&a, "ada").await;
    let _fourth = counted(&a, "ada").await;
    assert_eq!(end(&mut others[0], TIME_LIMIT).await, Some(EndReason::Replaced));
}

async fn cut(links: &[Link]) {
    for link in links {
        link.cut().await;
    }
}

async fn strict_outage() {
    let server = Server::start();
    let link = Link::to(&server).await;
    let config = config().with_outage_policy(OutagePolicy::Refuse);
    let gate = open(&link.url(), config);
    gate.ready().await;
    let mut ada = counted(&gate, "ada").await;
    link.cut().await;
    let refused = gate.admit("ada").await.unwrap_err();
    assert!(matches!(refused, AdmitError::NotReachable(..)), "{refused:?}");
    assert_eq!(lasse_core::Refusal::from(refused).status(), 503);
    assert_eq!(end(&mut ada, Duration::from_millis(50)).await, None, "open streams stay");
    assert!(gate.streams("ada").await.is_err());
    link.restore();
    let started = Instant::now();
    while gate.admit("ada").await.is_err() {
        assert!(started.elapsed() < TIME_LIMIT, "Redis is back");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn list() {
    let server = Server::start();
    let (a, b) = (node(&server, config()).await, node(&server, config()).await);
    let mut open_streams = Vec::new();
    for (gate, path) in [(&a, "/ada/1"), (&a, "/bob/2"), (&b, "/ada/3")] {
        open_streams.push(stream(gate, path, None));
    }
    let found = a.streams("ada").await.unwrap();
    assert!(found.is_complete, "{found:?}");
    let mut tags: Vec<_> = found.streams.iter().map(|stream| stream.tags.join(" ")).collect();
    tags.sort();
    assert_eq!(tags, ["ada 1", "ada 3"]);
    assert_ne!(found.streams[0].node, found.streams[1].node);
    assert!(b.streams("eve").await.unwrap().streams.is_empty());
    // A node that does not answer is missing.
    let short = open(&server.url(), config().with_timeout(Duration::from_millis(300)));
    short.ready().await;
    server.call::<i64>("ZADD {gate}:nodes 99999999999999 0123");
    let found = short.streams("ada").await.unwrap();
    assert!(!found.is_complete);
}

async fn limits() {
    let server = Server::start();
    for policy in [KeyLimitPolicy::RefuseNewest, KeyLimitPolicy::ReplaceOldest] {
        let zero = config().with_limit_per_key(0).with_key_limit_policy(policy);
        assert!(node(&server, zero.clone()).await.admit("zero").await.is_err());
        let absent = open("redis://127.0.0.1:1", zero.with_timeout(Duration::ZERO));
        assert!(absent.admit("zero").await.is_err());
        let most = config().with_limit_per_key(usize::MAX).with_key_limit_policy(policy);
        let most = most.with_lease(Duration::MAX).with_timeout(Duration::MAX);
        let most = most.with_max_isolation(Duration::MAX);
        let gate = node(&server, most).await;
        let mut streams = Vec::new();
        for _ in 0..10 {
            streams.push(counted(&gate, "most").await);
        }
        assert_eq!(end(&mut streams[0], Duration::from_millis(50)).await, None);
    }
    // A lease of 100 ms can be lost each time that the machine does something else.
    let gate = node(&server, config().with_lease(Duration::ZERO).with_limit_per_key(1)).await;
    let _one = counted(&gate, "one").await;
    for _ in 0..50 {
        assert!(gate.admit("one").await.is_err());
        sleep(Duration::from_millis(5)).await;
    }
    let least = settings().with_block(TIME_LIMIT);
    let gate = open_with(&server.url(), &least, config().with_max_isolation(Duration::ZERO));
    gate.ready().await;
    assert_eq!(end(&mut counted(&gate, "").await, Duration::from_millis(20)).await, None);
}

async fn permissions() {
    let server = Server::start();
    let commands = format!("{} {}", lasse_redis::COMMANDS, lasse_redis::GATE_COMMANDS);
    server.call::<()>(&format!(
        "ACL SETUSER news on >secret ~gate ~{{gate}}:* ~lasse:wake:* {commands}"
    ));
    let url = format!("redis://news:secret@127.0.0.1:{}", server.port);
    let strict = replacing(1).with_outage_policy(OutagePolicy::Refuse);
    let gate = open(&url, strict.clone());
    gate.ready().await;
    let mut first = counted(&gate, "ada").await;
    let second = counted(&gate, "ada").await;
    assert_eq!(end(&mut first, TIME_LIMIT).await, Some(EndReason::Replaced));
    assert!(gate.streams("ada").await.unwrap().is_complete);
    drop((first, second));
    until("it is removed", || server.call::<i64>("ZCARD {gate}:streams:ada") == 0).await;

    server.call::<()>("ACL SETUSER news -zscore");
    let backplane = Backplane::start(RedisServer::new(url).unwrap(), &settings());
    let _gate = RedisGate::open(&backplane, "gate", &Gate::default(), strict).unwrap();
    let lists = |problem: String| problem.contains("+zscore");
    until("the problem is reported", || backplane.health().problem.is_some_and(lists)).await;
}

async fn problems() {
    let server = Server::start();
    server.call::<()>("ACL SETUSER some on >secret ~* &* +@all -spop");
    let url = RedisServer::new(format!("redis://some:secret@127.0.0.1:{}", server.port)).unwrap();
    let backplane = Backplane::start(url, &settings());
    let lease = Duration::from_millis(100);
    let _runs = RedisRuns::open(&backplane, "chat", RedisRunsConfig::default()).unwrap();
    let gate =
        RedisGate::open(&backplane, "gate", &Gate::default(), config().with_lease(lease)).unwrap();
    gate.ready().await;
    let lists = || backplane.health().problem.is_some_and(|problem| problem.contains("+spop"));
    until("the problem of the runs is reported", lists).await;
    for _ in 0..50 {
        sleep(lease / 10).await;
        assert!(lists(), "the gate has cleared it: {:?}", backplane.health());
    }
}

/// Within which time an end reaches all nodes: a second, and one for the servers of a busy machine.
const LAW: Duration = Duration::from_secs(2);

/// A lease that a machine does not lose, because it does other things for seconds.
const LEASE: Duration = Duration::from_secs(10);

/// How long a test waits.
const TIME_LIMIT: Duration = Duration::from_secs(60);
