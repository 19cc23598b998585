//! Runs of several nodes.

use std::future::{pending, poll_fn};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lasse_core::log::Read;
use lasse_core::{
    Decoded, Decoder, Event, EventId, LastEventId, ResumeOutcome, Subscriber, Subscription,
};
use lasse_redis::{Backplane, RedisRuns, RedisRunsConfig, RedisRunsError, RedisServer};
use lasse_tokio::{
    Run, RunFailure, RunId, RunOutcome, RunWriteError, RunWriter, RunsConfig, StartError,
};
use libtest_mimic::Trial;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use crate::link::Link;
use crate::machine::Stopwatch;
use crate::nodes::{settings, until};
use crate::server::Server;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_run_is_read_and_resumed_on_any_node_under_the_same_ids", resume),
        trial("a_run_that_is_started_on_all_nodes_at_once_has_one_producer", start_once),
        trial("a_run_is_only_its_owners_on_every_node", owners),
        trial("a_stop_on_another_node_reaches_the_producer_within_a_second", stop),
        trial("readers_are_sent_failed_within_ten_seconds_of_the_death_of_the_node", death),
        trial("a_node_that_was_cut_off_for_longer_than_its_lease_publishes_no_more", fenced),
        trial("an_event_that_was_written_without_an_answer_has_its_id_on_all_nodes", unanswered),
        trial("a_run_goes_on_after_redis_was_away_for_five_seconds", away),
        trial("a_run_fails_on_all_nodes_if_redis_has_lost_it", lost),
        trial("an_ended_run_is_readable_on_all_nodes_and_then_unknown", keep),
        trial("a_run_is_abandoned_when_no_node_has_readers", abandoned),
        trial("runs_are_bounded_over_all_nodes", bounds),
        trial("the_run_that_ended_first_makes_room_on_all_nodes", room),
        trial("a_run_whose_node_died_makes_room", room_of_the_dead),
        trial("a_failure_and_a_shutdown_are_sent_on_all_nodes", failures),
        trial("runs_need_the_listed_commands_and_no_others", permissions),
    ]
}

/// The usual lease: a machine that does other things for two seconds would lose a short one.
fn config() -> RedisRunsConfig {
    RedisRunsConfig::default()
}

fn open(url: &str, config: RedisRunsConfig) -> RedisRuns {
    let backplane = Backplane::start(RedisServer::new(url).unwrap(), &settings());
    RedisRuns::open(&backplane, "chat", config).unwrap()
}

fn node(server: &Server) -> RedisRuns {
    open(&server.url(), config())
}

fn id(id: &str) -> RunId {
    RunId::new(id).unwrap()
}

/// Starts a run that publishes the messages of a sender, and is done when the sender is dropped.
/// Also returns a receiver that ends when the producer is dropped.
async fn relaying(
    runs: &RedisRuns,
    name: &str,
) -> (Run, mpsc::UnboundedSender<String>, oneshot::Receiver<()>) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<String>();
    let (alive, is_dropped) = oneshot::channel::<()>();
    let run = runs.start(id(name), "ada", async move |writer: RunWriter| {
        let _alive = alive;
        while let Some(text) = receiver.recv().await {
            writer.publish(Event::new(text))?;
        }
        Ok::<(), RunWriteError>(())
    });
    (run.await.unwrap(), sender, is_dropped)
}

/// A reader of a run, across its connections.
struct Reader {
    subscriber: Option<Subscriber>,
    decoder: Decoder,
    last: LastEventId,
    /// The id of each event, its name, and its data.
    events: Vec<(String, String, String)>,
}

impl Reader {
    fn of(run: &Run) -> Self {
        let mut reader = Self {
            subscriber: None,
            decoder: Decoder::new(),
            last: LastEventId::Absent,
            events: Vec::new(),
        };
        reader.connect(run);
        reader
    }

    fn connect(&mut self, run: &Run) {
        self.decoder.restart();
        match run.channel().subscribe(&self.last) {
            Subscription::Stream(mut subscriber) => {
                if self.last != LastEventId::Absent {
                    assert_eq!(subscriber.outcome(), ResumeOutcome::Resumed);
                }
                for frame in subscriber.first_frames() {
                    self.decode(frame.as_bytes());
                }
                self.subscriber = Some(subscriber);
            }
            other => panic!("{other:?}"),
        }
    }

    fn leave(&mut self) {
        self.subscriber = None;
    }

    fn decode(&mut self, mut bytes: &[u8]) {
        while let Ok(Some(decoded)) = self.decoder.decode(&mut bytes) {
            let Decoded::Message(message) = decoded else { continue };
            let id = message.last_event_id().to_owned();
            self.last = LastEventId::Id(EventId::new(id.clone()).unwrap());
            self.events.push((id, message.name().to_owned(), message.data().to_owned()));
        }
    }

    /// Returns whether there can be more.
    async fn receive_some(&mut self) -> bool {
        let Some(subscriber) = &mut self.subscriber else { return false };
        match poll_fn(|cx| subscriber.poll_read(cx)).await {
            Read::Events(frame) => {
                self.decode(frame.as_bytes());
                true
            }
            Read::Over(_) => false,
            other => panic!("{other:?}"),
        }
    }

    async fn receive(&mut self, count: usize) {
        let received = async { while self.events.len() < count && self.receive_some().await {} };
        assert!(timeout(TIME_LIMIT, received).await.is_ok(), "{count}: {:?}", self.events);
        assert!(self.events.len() >= count, "{count}: {:?}", self.events);
    }

    /// Receives until the run has ended.
    async fn receive_all(&mut self) {
        let received = async { while self.receive_some().await {} };
        assert!(timeout(TIME_LIMIT, received).await.is_ok(), "{:?}", self.events);
    }

    fn data(&self) -> Vec<&str> {
        self.events.iter().map(|(_, _, data)| data.as_str()).collect()
    }

    /// The name of the last event.
    fn last_name(&self) -> &str {
        self.events.last().map_or("", |(_, name, _)| name.as_str())
    }
}

async fn get(runs: &RedisRuns, id: &str) -> Run {
    runs.get(id, "ada").await.unwrap().unwrap()
}

async fn resume() {
    let server = Server::start();
    let (a, b, c) = (node(&server), node(&server), node(&server));
    let (run, sender, _) = relaying(&a, "r").await;
    let mut first = Reader::of(&run);
    let mut second = Reader::of(&get(&b, "r").await);
    for n in 0..50 {
        sender.send(n.to_string()).unwrap();
    }
    first.receive(50).await;
    second.receive(20).await;
    // The second reader moves to the third node, which has read nothing yet, and back.
    let from = second.events.len();
    second.connect(&get(&c, "r").await);
    second.receive(50).await;
    assert_eq!(first.events, second.events, "from {from}");
    for n in 50..100 {
        sender.send(n.to_string()).unwrap();
    }
    drop(sender);
    first.receive_all().await;
    second.connect(&get(&b, "r").await);
    second.receive_all().await;
    assert_eq!((first.events.len(), &first.events), (100, &second.events));
    // A reader of the whole, on each node, after the end.
    for runs in [&a, &b, &c] {
        let run = get(runs, "r").await;
        let mut whole = Reader::of(&run);
        whole.receive_all().await;
        assert_eq!((&whole.events, run.outcome()), (&first.events, Some(RunOutcome::Done)));
        assert!(matches!(run.channel().subscribe(&whole.last), Subscription::Complete));
    }
}

async fn start_once() {
    let server = Server::start();
    let nodes = [node(&server), node(&server), node(&server)];
    for round in 0..10 {
        let started = Arc::new(AtomicUsize::new(0));
        let mut calls = Vec::new();
        for runs in nodes.iter().chain(&nodes) {
            let (runs, started, id) = (runs.clone(), Arc::clone(&started), id(&round.to_string()));
            calls.push(tokio::spawn(async move {
                let produce = async move |writer: RunWriter| {
                    started.fetch_add(1, Ordering::Relaxed);
                    writer.publish(Event::new("one")).map(drop)
                };
                runs.start(id, "ada", produce).await.unwrap()
            }));
        }
        let mut epochs = Vec::new();
        for call in calls {
            let run = call.await.unwrap();
            assert_eq!(timeout(TIME_LIMIT, run.ended()).await.unwrap(), RunOutcome::Done);
            epochs.push(run.channel().epoch());
        }
        epochs.dedup();
        assert_eq!((started.load(Ordering::Relaxed), epochs.len()), (1, 1));
    }
}

async fn owners() {
    let server = Server::start();
    let (a, b) = (node(&server), node(&server));
    let (run, _sender, _) = relaying(&a, "r").await;
    for runs in [&a, &b] {
        let foreign = runs.start(id("r"), "eve", async |_| Ok::<(), RunWriteError>(())).await;
        assert_eq!(foreign.unwrap_err(), RedisRunsError::Start(StartError::Foreign));
        assert!(runs.get("r", "eve").await.unwrap().is_none());
        assert!(runs.get("other", "ada").await.unwrap().is_none());
        assert!(runs.get("no id", "ada").await.unwrap().is_none());
        assert!(!runs.stop("r", "eve").await.unwrap());
        assert!(!runs.stop("no id", "ada").await.unwrap());
        assert!(runs.list("eve").await.unwrap().is_empty());
        let listed = runs.list("ada").await.unwrap();
        assert_eq!((listed.len(), &listed[0].outcome), (1, &None));
    }
    // Also when the node holds the run for its owner.
    let _held = get(&b, "r").await;
    assert!(b.get("r", "eve").await.unwrap().is_none());
    assert_eq!(run.outcome(), None);
}

async fn stop() {
    let server = Server::start();
    let (a, b) = (node(&server), node(&server));
    for way in 0..2 {
        let name = way.to_string();
        let (run, sender, is_dropped) = relaying(&a, &name).await;
        let here = get(&b, &name).await;
        let mut readers = [Reader::of(&run), Reader::of(&here)];
        sender.send("one".into()).unwrap();
        for reader in &mut readers {
            reader.receive(1).await;
        }
        let stopwatch = Stopwatch::start();
        match way {
            0 => assert!(b.stop(&name, "ada").await.unwrap()),
            _ => here.stop(),
        }
        assert!(timeout(TIME_LIMIT, is_dropped).await.unwrap().is_err());
        for reader in &mut readers {
            reader.receive_all().await;
            assert_eq!((reader.last_name(), reader.events.len()), ("stopped", 2));
        }
        stopwatch.check(STOPPED_WITHIN);
        assert_eq!(readers[0].events, readers[1].events);
        assert_eq!(run.outcome(), Some(RunOutcome::Stopped));
        // The first outcome counts.
        assert!(a.stop(&name, "ada").await.unwrap());
    }
    let outcomes = b.list("ada").await.unwrap().into_iter().map(|run| run.outcome);
    assert!(outcomes.eq([Some(RunOutcome::Stopped), Some(RunOutcome::Stopped)]));
}

async fn death() {
    let server = Server::start();
    let link = Arc::new(Link::to(&server).await);
    let producing = std::thread::spawn({
        let link = Arc::clone(&link);
        move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let run = runtime.block_on(async {
                let runs = open(&link.url(), RedisRunsConfig::default());
                let (run, sender, _) = relaying(&runs, "r").await;
                sender.send("one".into()).unwrap();
                std::mem::forget(sender);
                Reader::of(&run).receive(1).await;
                run
            });
            // The node sends nothing any more, then its tasks are dropped.
            runtime.block_on(link.cut());
            runtime.shutdown_background();
            run
        }
    });
    let (b, c) = (open(&server.url(), RedisRunsConfig::default()), node(&server));
    let run = loop {
        match b.get("r", "ada").await.unwrap() {
            Some(run) => break run,
            None => sleep(Duration::from_millis(20)).await,
        }
    };
    let mut reader = Reader::of(&run);
    let gone = tokio::task::spawn_blocking(move || producing.join().unwrap()).await.unwrap();
    let stopwatch = Stopwatch::start();
    let outcome = timeout(TIME_LIMIT, gone.ended()).await.unwrap();
    assert_eq!(outcome, RunOutcome::Failed(RunFailure::ShutDown));
    reader.receive_all().await;
    stopwatch.check(FAILED_WITHIN);
    assert_eq!((reader.data()[0], reader.last_name()), ("one", "failed"));
    assert_eq!(reader.events[1].2, "{\"reason\":\"lost\"}");
    // On a node that had no reader, too.
    let run = get(&c, "r").await;
    assert_eq!(run.outcome(), Some(RunOutcome::Failed(RunFailure::Lost)));
}

async fn fenced() {
    let server = Server::start();
    let link = Link::to(&server).await;
    let (a, b) = (open(&link.url(), config()), node(&server));
    let (run, sender, is_dropped) = relaying(&a, "r").await;
    let mut readers = [Reader::of(&run), Reader::of(&get(&b, "r").await)];
    sender.send("one".into()).unwrap();
    for reader in &mut readers {
        reader.receive(1).await;
    }
    link.cut().await;
    sender.send("too late".into()).unwrap();
    readers[1].receive_all().await;
    assert_eq!((readers[1].last_name(), readers[1].events.len()), ("failed", 2));
    assert_eq!(run.outcome(), None, "this node does not know yet");
    link.restore();
    readers[0].receive_all().await;
    assert_eq!(readers[0].events, readers[1].events, "none of the events after the lease");
    assert!(timeout(TIME_LIMIT, is_dropped).await.unwrap().is_err());
    assert_eq!(server.call::<i64>("XLEN {chat}:log:r"), 1);
}

/// The bytes of all runs are too many with this event: it is in Redis when the run ends.
async fn unanswered() {
    let server = Server::start();
    let limits = RunsConfig::new().with_max_total_bytes(20_000);
    let config = || RedisRunsConfig::new(limits.clone());
    let (a, b) = (open(&server.url(), config()), open(&server.url(), config()));
    let (_small, sender, _) = relaying(&a, "0").await;
    sender.send("x".repeat(15_000)).unwrap();
    until("it is in Redis", || server.call::<i64>("XLEN {chat}:log:0") == 1).await;
    let (run, sender, _) = relaying(&b, "1").await;
    let mut readers = [Reader::of(&run), Reader::of(&get(&a, "1").await)];
    sender.send("x".repeat(15_000)).unwrap();
    for reader in &mut readers {
        reader.receive_all().await;
        assert_eq!((reader.events.len(), reader.last_name()), (2, "failed"));
    }
    assert_eq!(readers[0].events, readers[1].events);
}

async fn away() {
    let mut server = Server::durable();
    let config = RedisRunsConfig::default;
    let (a, b) = (open(&server.url(), config()), open(&server.url(), config()));
    let (run, sender, _) = relaying(&a, "r").await;
    let mut readers = [Reader::of(&run), Reader::of(&get(&b, "r").await)];
    sender.send("0".into()).unwrap();
    for reader in &mut readers {
        reader.receive(1).await;
    }
    server.kill();
    for n in 1..=10 {
        sender.send(n.to_string()).unwrap();
        sleep(Duration::from_millis(500)).await;
    }
    assert!(matches!(b.list("ada").await, Err(RedisRunsError::NotReachable(_))));
    assert!(b.get("r", "ada").await.unwrap().is_some(), "what the node holds is served");
    assert!(b.get("other", "ada").await.is_err());
    let refused = a.start(id("s"), "ada", async |_| Ok::<(), RunWriteError>(())).await;
    assert!(matches!(refused, Err(RedisRunsError::NotReachable(_))));
    server.run();
    sender.send("11".into()).unwrap();
    drop(sender);
    let expected: Vec<_> = (0..=11).map(|n| n.to_string()).collect();
    for reader in &mut readers {
        reader.receive_all().await;
        assert_eq!(reader.data(), expected);
    }
    assert_eq!(run.outcome(), Some(RunOutcome::Done));
}

async fn lost() {
    let mut server = Server::start();
    let (a, b) = (node(&server), node(&server));
    let (run, sender, _) = relaying(&a, "r").await;
    let mut readers = [Reader::of(&run), Reader::of(&get(&b, "r").await)];
    sender.send("one".into()).unwrap();
    for reader in &mut readers {
        reader.receive(1).await;
    }
    server.kill();
    server.run();
    for reader in &mut readers {
        reader.receive_all().await;
        assert_eq!((reader.last_name(), reader.events.len()), ("failed", 2));
    }
    assert_eq!(readers[0].events, readers[1].events);
    assert!(node(&server).get("r", "ada").await.unwrap().is_none());

    // A failover loses the end: the producer and a reader have more than Redis, and others have not.
    let (run, sender, _) = relaying(&a, "s").await;
    let mut readers = [Reader::of(&run), Reader::of(&get(&b, "s").await)];
    for (number, text) in ["one", "two", "three"].into_iter().enumerate() {
        sender.send(text.into()).unwrap();
        for reader in &mut readers {
            reader.receive(number + 1).await;
        }
    }
    // The two in one step, because the producer asks once a second.
    let lost = "redis.call('XDEL',KEYS[1],'1-2','1-3')redis.call('HSET',KEYS[2],'count',1)";
    server.call::<()>(&format!("EVAL {lost} 2 {{chat}}:log:s {{chat}}:run:s"));
    sender.send("four".into()).unwrap();
    for reader in &mut readers {
        reader.receive_all().await;
        assert_eq!((reader.last_name(), reader.events.len()), ("failed", 4));
    }
    // A node that has read only what was not lost ends the run under the same id, which no event had.
    let mut late = Reader::of(&get(&node(&server), "s").await);
    late.receive_all().await;
    assert_eq!((late.data()[0], late.last_name(), late.events.len()), ("one", "failed", 2));
    for reader in &readers {
        assert_eq!(reader.events[3], late.events[1]);
        assert!(reader.events[..3].iter().all(|(id, ..)| *id != late.events[1].0));
    }
}

async fn keep() {
    let server = Server::start();
    let limits = RunsConfig::new().with_keep(Duration::from_secs(10));
    let config = || RedisRunsConfig::new(limits.clone());
    let (a, b) = (open(&server.url(), config()), open(&server.url(), config()));
    let (run, sender, _) = relaying(&a, "r").await;
    drop(sender);
    run.ended().await;
    let ended = Instant::now();
    for runs in [&a, &b] {
        while let Some(run) = runs.get("r", "ada").await.unwrap() {
            assert_eq!(run.outcome(), Some(RunOutcome::Done));
            assert!(ended.elapsed() < TIME_LIMIT);
            sleep(Duration::from_millis(100)).await;
        }
        assert!(runs.list("ada").await.unwrap().is_empty());
    }
    assert!(ended.elapsed() > Duration::from_secs(9), "{:?}", ended.elapsed());
    // The id can be used again.
    let (run, _sender, _) = relaying(&b, "r").await;
    assert_eq!(get(&a, "r").await.channel().epoch(), run.channel().epoch());
    until("what is over counts no more", || {
        server.call::<Vec<String>>("ZRANGE {chat}:ids 0 -1") == ["r"]
    })
    .await;
}

async fn abandoned() {
    let server = Server::start();
    let limits = RunsConfig::new().with_idle_timeout(Duration::from_secs(1));
    let config = || RedisRunsConfig::new(limits.clone());
    let (a, b) = (open(&server.url(), config()), open(&server.url(), config()));
    let (run, sender, is_dropped) = relaying(&a, "r").await;
    let mut reader = Reader::of(&get(&b, "r").await);
    sender.send("one".into()).unwrap();
    reader.receive(1).await;
    assert!(timeout(Duration::from_secs(4), run.ended()).await.is_err(), "a node has a reader");
    let left = Instant::now();
    reader.leave();
    let outcome = timeout(TIME_LIMIT, run.ended()).await.unwrap();
    assert_eq!(outcome, RunOutcome::Abandoned);
    assert!(left.elapsed() > Duration::from_millis(900), "{:?}", left.elapsed());
    assert!(is_dropped.await.is_err());
    reader.connect(&get(&b, "r").await);
    reader.receive_all().await;
    assert_eq!(reader.last_name(), "abandoned");
}

async fn bounds() {
    let server = Server::start();
    let limits = RunsConfig::new().with_max_runs(2).with_max_run_bytes(100_000);
    let config = || RedisRunsConfig::new(limits.clone());
    let (a, b) = (open(&server.url(), config()), open(&server.url(), config()));
    let (_first, _sender, _) = relaying(&a, "0").await;
    let endless = async |writer: RunWriter| {
        loop {
            writer.publish(Event::new("x".repeat(1000)))?;
            tokio::task::yield_now().await;
        }
        #[expect(unreachable_code, reason = "it names the type")]
        Ok::<(), RunWriteError>(())
    };
    let run = b.start(id("1"), "ada", endless).await.unwrap();
    for runs in [&a, &b] {
        let refused =
            runs.start(id("2"), "ada", async |_| pending::<Result<(), RunWriteError>>().await);
        assert_eq!(refused.await.unwrap_err(), RedisRunsError::Start(StartError::Full(2)));
    }
    let outcome = timeout(TIME_LIMIT, run.ended()).await.unwrap();
    assert_eq!(outcome, RunOutcome::Failed(RunFailure::TooLarge));
    let mut reader = Reader::of(&get(&a, "1").await);
    reader.receive_all().await;
    assert_eq!(reader.last_name(), "failed");
    assert!((80..110).contains(&reader.events.len()), "{}", reader.events.len());
    assert!(reader.events[0].0.ends_with("-1"), "its beginning is there");

    // The bytes of all nodes together.
    let limits = RunsConfig::new().with_max_total_bytes(20_000);
    let config = || RedisRunsConfig::new(limits.clone());
    server.call::<()>("FLUSHALL");
    let (a, b) = (open(&server.url(), config()), open(&server.url(), config()));
    let (small, sender, _) = relaying(&a, "0").await;
    sender.send("x".repeat(15_000)).unwrap();
    Reader::of(&small).receive(1).await;
    let (large, sender, _) = relaying(&b, "1").await;
    sender.send("x".repeat(15_000)).unwrap();
    let outcome = timeout(TIME_LIMIT, large.ended()).await.unwrap();
    assert_eq!(outcome, RunOutcome::Failed(RunFailure::TooLarge));
    assert_eq!(small.outcome(), None);
}

/// Runs a producer to its end.
async fn finished(runs: &RedisRuns, name: &str, text: &str) -> Run {
    let (run, sender, _) = relaying(runs, name).await;
    sender.send(text.to_owned()).unwrap();
    drop(sender);
    assert_eq!(timeout(TIME_LIMIT, run.ended()).await.unwrap(), RunOutcome::Done);
    run
}

async fn room() {
    let server = Server::start();
    let nodes = |limits: RunsConfig| {
        [(); 2].map(|()| open(&server.url(), RedisRunsConfig::new(limits.clone())))
    };
    let [a, b] = nodes(RunsConfig::new().with_max_runs(2));
    let mut readers = Vec::new();
    for (runs, other, name) in [(&a, &b, "0"), (&b, &a, "1")] {
        finished(runs, name, "one").await;
        readers.push(Reader::of(&get(other, name).await));
    }
    let (_running, _sender, _) = relaying(&b, "2").await;
    for runs in [&a, &b] {
        assert!(runs.get("0", "ada").await.unwrap().is_none(), "it ended first");
        assert!(get(runs, "1").await.outcome().is_some());
        let listed = runs.list("ada").await.unwrap();
        assert_eq!(listed.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    }
    // The id is another run's now, on each node.
    let (again, _sender, _) = relaying(&b, "0").await;
    for runs in [&a, &b] {
        assert!(runs.get("1", "ada").await.unwrap().is_none());
        assert_eq!(get(runs, "0").await.channel().epoch(), again.channel().epoch());
    }
    let full = a.start(id("3"), "ada", async |_| Ok::<(), RunWriteError>(())).await;
    assert_eq!(full.unwrap_err(), RedisRunsError::Start(StartError::Full(2)));
    // The readers of a forgotten run have all of it.
    for reader in &mut readers {
        reader.receive_all().await;
        assert_eq!(reader.data()[0], "one");
    }

    // The bytes of ended runs make room, too.
    server.call::<()>("FLUSHALL");
    let [a, b] = nodes(RunsConfig::new().with_max_total_bytes(20_000));
    let large = "x".repeat(9_000);
    for (runs, name) in [(&a, "4"), (&b, "5"), (&a, "6")] {
        finished(runs, name, &large).await;
    }
    for runs in [&a, &b] {
        assert!(runs.get("4", "ada").await.unwrap().is_none());
        assert_eq!(get(runs, "5").await.outcome(), Some(RunOutcome::Done));
    }
}

async fn room_of_the_dead() {
    let server = Server::start();
    let limits = RunsConfig::new().with_max_runs(1);
    let config = || RedisRunsConfig::new(limits.clone()).with_lease(Duration::from_secs(2));
    let link = Link::to(&server).await;
    let (a, b) = (open(&link.url(), config()), open(&server.url(), config()));
    let (_run, _sender, _) = relaying(&a, "0").await;
    link.cut().await;
    let started = Instant::now();
    while b.start(id("1"), "ada", async |_| pending::<Result<(), String>>().await).await.is_err() {
        assert!(started.elapsed() < TIME_LIMIT, "no lease lasts so long");
        sleep(Duration::from_millis(50)).await;
    }
    assert!(b.get("0", "ada").await.unwrap().is_none());
}

async fn failures() {
    let server = Server::start();
    let (a, b) = (node(&server), node(&server));
    let fails = async |writer: RunWriter| {
        writer.publish(Event::new("one")).map_err(|error| error.to_string())?;
        Err::<(), _>("the model is away".to_owned())
    };
    let failed = a.start(id("0"), "ada", fails).await.unwrap();
    let panics =
        async |_: RunWriter| -> Result<(), RunWriteError> { resume_unwind(Box::new("a bug")) };
    let panicked = a.start(id("1"), "ada", panics).await.unwrap();
    timeout(TIME_LIMIT, async { (failed.ended().await, panicked.ended().await) }).await.unwrap();
    let (_run, _sender, _) = relaying(&a, "2").await;
    a.shut_down(Duration::from_millis(100)).await;
    let refused = a.start(id("3"), "ada", async |_| Ok::<(), RunWriteError>(())).await;
    assert_eq!(refused.unwrap_err(), RedisRunsError::Start(StartError::ShutDown));
    let failures = [
        RunFailure::Producer("the model is away".into()),
        RunFailure::Panicked,
        RunFailure::ShutDown,
    ];
    for (name, failure) in ["0", "1", "2"].into_iter().zip(failures) {
        let run = get(&b, name).await;
        let outcome = timeout(TIME_LIMIT, run.ended()).await.unwrap();
        assert_eq!(outcome, RunOutcome::Failed(failure));
        let mut reader = Reader::of(&run);
        reader.receive_all().await;
        assert_eq!(reader.last_name(), "failed");
        assert!(!reader.data().concat().contains("model"), "the error is for logs");
    }
}

async fn permissions() {
    let server = Server::start();
    let commands = format!("{} {}", lasse_redis::COMMANDS, lasse_redis::RUNS_COMMANDS);
    server.call::<()>(&format!("ACL SETUSER chat on >secret ~{{chat}}:* ~lasse:wake:* {commands}"));
    let url = format!("redis://chat:secret@127.0.0.1:{}", server.port);
    let (a, b) = (open(&url, config()), open(&url, config()));
    let (_run, sender, _) = relaying(&a, "r").await;
    sender.send("one".into()).unwrap();
    let mut reader = Reader::of(&get(&b, "r").await);
    reader.receive(1).await;
    assert_eq!(b.list("ada").await.unwrap().len(), 1);
    assert!(b.stop("r", "ada").await.unwrap());
    reader.receive_all().await;
    assert_eq!(reader.last_name(), "stopped");

    server.call::<()>("ACL SETUSER chat -spop");
    let backplane = Backplane::start(RedisServer::new(url).unwrap(), &settings());
    let _runs = RedisRuns::open(&backplane, "chat", config()).unwrap();
    let lists = |problem: String| problem.contains("+spop");
    until("the problem is reported", || backplane.health().problem.is_some_and(lists)).await;

    let cluster = Server::with(&["--save", "", "--cluster-enabled", "yes"]);
    let backplane = Backplane::start(RedisServer::new(cluster.url()).unwrap(), &settings());
    let _runs = RedisRuns::open(&backplane, "chat", config()).unwrap();
    let refused = |problem: String| problem.to_lowercase().contains("cluster");
    until("a cluster is refused", || backplane.health().problem.is_some_and(refused)).await;
}

/// Within which time a stop reaches the producer: a second, and one for the servers of a busy machine.
pub(crate) const STOPPED_WITHIN: Duration = Duration::from_secs(2);

/// Within which time of a producer's death its run has failed: ten seconds, and one for the servers.
pub(crate) const FAILED_WITHIN: Duration = Duration::from_secs(11);

/// How long a test waits.
const TIME_LIMIT: Duration = Duration::from_secs(60);
