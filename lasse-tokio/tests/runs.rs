//! Runs: what ends them, what bounds them, and what their readers are sent.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lasse_core::log::Read;
use lasse_core::{Channel, Epoch, Event, EventId, LastEventId, Subscriber, Subscription};
use lasse_tokio::run_log::RunLog;
use lasse_tokio::{
    Run, RunFailure, RunId, RunOutcome, RunWriteError, RunWriter, Runs, RunsConfig, StartError,
};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn a_run_that_is_started_twice_has_one_producer() {
    let runs = Runs::new(RunsConfig::new());
    let first = runs.start(id("a"), "ada", say(&["one"])).unwrap();
    let second = runs.start(id("a"), "ada", say(&["another"])).unwrap();
    assert_eq!(second.ended().await, RunOutcome::Done);
    assert_eq!(first.channel().epoch(), second.channel().epoch());
    assert_eq!(first.channel().stats().events, 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_belongs_to_its_owner() {
    let runs = Runs::new(RunsConfig::new());
    runs.start(id("a"), "ada", say(&["one"])).unwrap();
    assert_eq!(runs.start(id("a"), "eve", say(&[])).unwrap_err(), StartError::Foreign);
    assert!(runs.get("a", "eve").is_none() && runs.list("eve").is_empty());
    assert!(runs.get("a", "ada").is_some());
    assert_eq!(runs.list("ada").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reader_does_not_end_a_run_but_the_idle_timeout_does() {
    let runs = Runs::new(RunsConfig::new().with_idle_timeout(secs(60)));
    let run = runs.start(id("a"), "", forever).unwrap();
    let reader = subscribe(run.channel());
    sleep(secs(500)).await;
    assert_eq!(run.outcome(), None);
    drop(reader);
    sleep(secs(59)).await;
    assert_eq!(run.outcome(), None);
    let reader = subscribe(run.channel());
    sleep(secs(500)).await;
    drop(reader);
    sleep(secs(61)).await;
    assert_eq!(run.outcome(), Some(RunOutcome::Abandoned));
}

#[tokio::test(start_paused = true)]
async fn with_an_idle_timeout_of_zero_a_run_ends_when_its_last_reader_leaves() {
    let runs = Runs::new(RunsConfig::new().with_idle_timeout(Duration::ZERO));
    let run = runs.start(id("a"), "", forever).unwrap();
    sleep(secs(9)).await;
    assert_eq!(run.outcome(), None, "the first reader has time to come");
    let reader = subscribe(run.channel());
    sleep(secs(60)).await;
    assert_eq!(run.outcome(), None);
    drop(reader);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(run.outcome(), Some(RunOutcome::Abandoned));

    let unread = runs.start(id("b"), "", forever).unwrap();
    sleep(secs(11)).await;
    assert_eq!(unread.outcome(), Some(RunOutcome::Abandoned));
}

#[tokio::test(start_paused = true)]
async fn a_stop_drops_the_producer_and_is_the_last_event() {
    let runs = Runs::new(RunsConfig::new());
    let (dropped, is_dropped) = oneshot::channel::<()>();
    let producer = async move |writer: RunWriter| {
        let _dropped = dropped;
        writer.publish(Event::new("one"))?;
        pending::<Result<(), RunWriteError>>().await
    };
    let run = runs.start(id("a"), "", producer).unwrap();
    sleep(secs(1)).await;
    run.stop();
    assert!(is_dropped.await.is_err());
    assert_eq!(run.ended().await, RunOutcome::Stopped);
    assert!(text(&run).ends_with("event: stopped\ndata: \nid: ID-2\n\n"), "{}", text(&run));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_sent_in_the_stream_without_its_text() {
    let runs = Runs::new(RunsConfig::new());
    let run = runs.start(id("a"), "", async |_| Err::<(), _>("secret of the house")).unwrap();
    let failure = RunFailure::Producer("secret of the house".into());
    assert_eq!(run.ended().await, RunOutcome::Failed(failure));
    let sent = text(&run);
    assert!(sent.contains("event: failed\ndata: {\"reason\":\"error\"}"), "{sent}");
    assert!(!sent.contains("secret"));

    let panics = async |_: RunWriter| -> Result<(), RunWriteError> {
        std::panic::resume_unwind(Box::new("a bug"))
    };
    let run = runs.start(id("b"), "", panics).unwrap();
    assert_eq!(run.ended().await, RunOutcome::Failed(RunFailure::Panicked));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_grows_too_large_fails_and_keeps_its_beginning() {
    let runs = Runs::new(RunsConfig::new().with_max_run_bytes(100_000));
    let endless = async |writer: RunWriter| {
        loop {
            writer.publish(Event::new("x".repeat(1000)))?;
            tokio::task::yield_now().await;
            if writer.run().outcome().is_some() {
                return Ok::<(), RunWriteError>(());
            }
        }
    };
    let run = runs.start(id("a"), "", endless).unwrap();
    assert_eq!(run.ended().await, RunOutcome::Failed(RunFailure::TooLarge));
    let stats = run.channel().stats();
    assert!((50..100).contains(&stats.events), "{stats:?}");
    assert!(text(&run).contains("id: ID-1\n"));
    assert!(runs.bytes() <= 100_000 + (64 << 10) + 10_000, "{}", runs.bytes());
}

#[tokio::test(start_paused = true)]
async fn all_runs_together_are_bounded_in_number_and_bytes() {
    let runs = Runs::new(RunsConfig::new().with_max_runs(2).with_max_total_bytes(20_000));
    let large = runs.start(id("a"), "", say(&["x"; 1])).unwrap();
    assert_eq!(large.ended().await, RunOutcome::Done);
    let text: &'static str = Box::leak("x".repeat(30_000).into_boxed_str());
    let too_large = runs.start(id("b"), "", async move |writer: RunWriter| {
        writer.publish(Event::new(text)).map(drop)
    });
    assert_eq!(too_large.unwrap().ended().await, RunOutcome::Failed(RunFailure::TooLarge));
    assert!(runs.get("a", "").is_some(), "nothing makes room for what is larger than all may be");
    let running = ["c", "d"].map(|name| runs.start(id(name), "", forever).unwrap());
    assert_eq!(runs.start(id("e"), "", say(&[])).unwrap_err(), StartError::Full(2));
    running[0].stop();
    assert!(runs.start(id("e"), "", forever).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_new_run_takes_the_place_of_the_one_that_ended_first() {
    let runs = Runs::new(RunsConfig::new().with_max_runs(3));
    let [b, a] = ["b", "a"].map(|name| runs.start(id(name), "ada", forever).unwrap());
    a.stop();
    b.stop();
    let mut reader = subscribe(a.channel());
    let _running = runs.start(id("c"), "ada", forever).unwrap();
    for name in ["d", "a"] {
        runs.start(id(name), "eve", say(&["x"])).unwrap().ended().await;
    }
    assert!(runs.get("a", "ada").is_none() && runs.get("b", "ada").is_none());
    assert!(!reader.first_frames().is_empty(), "a reader reads what it has begun");
    // The time of the first run with this id does not end the second one.
    sleep(secs(299)).await;
    assert!(runs.get("a", "eve").is_some() && runs.get("c", "ada").is_some());
    sleep(secs(2)).await;
    assert_eq!(runs.list("eve").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn ended_runs_make_room_for_the_bytes_of_those_that_run() {
    let text: &'static str = Box::leak("x".repeat(30_000).into_boxed_str());
    let say = async move |writer: RunWriter| writer.publish(Event::new(text)).map(drop);
    let runs = Runs::new(RunsConfig::new().with_max_total_bytes(300_000));
    for name in 0..20 {
        let run = runs.start(id(&name.to_string()), "", say).unwrap();
        assert_eq!(run.ended().await, RunOutcome::Done, "{name}");
    }
    assert!((2..10).contains(&runs.len()), "{}", runs.len());
    assert!(runs.get("0", "").is_none() && runs.get("19", "").is_some());
    assert!(runs.bytes() <= 300_000 + (64 << 10), "{}", runs.bytes());
    sleep(secs(301)).await;
    assert_eq!((runs.len(), runs.bytes()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_ended_run_is_readable_for_a_time_and_then_is_forgotten() {
    let runs = Runs::new(RunsConfig::new().with_keep(secs(300)));
    let run = runs.start(id("a"), "", say(&["one", "two"])).unwrap();
    assert_eq!(run.ended().await, RunOutcome::Done);
    sleep(secs(299)).await;
    assert!(runs.get("a", "").is_some() && runs.bytes() > 0);
    sleep(secs(2)).await;
    assert!(runs.get("a", "").is_none());
    assert_eq!((runs.len(), runs.bytes()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn limits_of_zero_and_the_maximum_are_taken() {
    let zero = RunsConfig::new()
        .with_idle_timeout(Duration::ZERO)
        .with_keep(Duration::ZERO)
        .with_linger(Duration::ZERO)
        .with_max_run_bytes(0)
        .with_max_total_bytes(0);
    let runs = Runs::new(zero.clone());
    let run = runs.start(id("a"), "", say(&["one"])).unwrap();
    assert_eq!(run.ended().await, RunOutcome::Failed(RunFailure::TooLarge));
    sleep(secs(1)).await;
    assert_eq!((runs.len(), runs.bytes()), (0, 0));
    let none = Runs::new(zero.with_max_runs(0));
    assert_eq!(none.start(id("a"), "", say(&[])).unwrap_err(), StartError::Full(0));

    let most = RunsConfig::new()
        .with_idle_timeout(Duration::MAX)
        .with_keep(Duration::MAX)
        .with_linger(Duration::MAX)
        .with_max_runs(usize::MAX)
        .with_max_run_bytes(usize::MAX)
        .with_max_total_bytes(usize::MAX);
    let runs = Runs::new(most);
    let run = runs.start(id("a"), "", say(&["one"])).unwrap();
    assert_eq!(run.ended().await, RunOutcome::Done);
    sleep(secs(1_000_000)).await;
    assert!(runs.get("a", "").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_producers_and_fails_those_that_take_longer() {
    let runs = Runs::new(RunsConfig::new());
    let slow = async |writer: RunWriter| {
        sleep(secs(3)).await;
        writer.publish(Event::new("late")).map(drop)
    };
    let in_time = runs.start(id("a"), "", slow).unwrap();
    let began = Instant::now();
    runs.shut_down(secs(5)).await;
    assert_eq!((in_time.outcome(), began.elapsed()), (Some(RunOutcome::Done), secs(3)));
    assert_eq!(runs.start(id("b"), "", say(&[])).unwrap_err(), StartError::ShutDown);

    let runs = Runs::new(RunsConfig::new());
    let late = runs.start(id("a"), "", forever).unwrap();
    let began = Instant::now();
    runs.shut_down(secs(5)).await;
    assert_eq!(late.outcome(), Some(RunOutcome::Failed(RunFailure::ShutDown)));
    assert_eq!(began.elapsed(), secs(5));
}

/// A log that records what it takes, and stores nothing.
#[derive(Clone, Default)]
struct Record(Arc<Mutex<Vec<String>>>);

impl RunLog for Record {
    fn append(&self, event: Event<'static>) -> Result<EventId, RunWriteError> {
        self.0.lock().unwrap().push(event.data().to_owned());
        Ok(EventId::from_static("e-1"))
    }

    fn pending_bytes(&self) -> usize {
        self.0.lock().unwrap().iter().map(String::len).sum()
    }

    fn end(&self, outcome: RunOutcome) {
        self.0.lock().unwrap().push(format!("{outcome:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_with_a_log_has_the_events_and_the_outcome_that_the_log_decides() {
    let (log, config) = (Record::default(), RunsConfig::new());
    let runs = Runs::new(config.clone());
    let run = Run::with_log(id("a"), "ada", Epoch::from(7), &config, log.clone());
    runs.adopt(&run, say(&["one", "two"]));
    sleep(secs(1)).await;
    assert_eq!(*log.0.lock().unwrap(), ["one", "two", "Done"]);
    assert_eq!((run.outcome(), run.channel().stats().events), (None, 0));
    run.channel().publish(Event::new("one")).unwrap();
    run.decide(RunOutcome::Stopped);
    assert!(text(&run).contains("id: ID-1\n\nevent: stopped\n"), "{}", text(&run));
    run.decide(RunOutcome::Done);
    assert_eq!(runs.get("a", "ada").unwrap().outcome(), Some(RunOutcome::Stopped));
    sleep(secs(301)).await;
    assert!(runs.get("a", "ada").is_none());
}

#[tokio::test(start_paused = true)]
async fn events_that_a_log_has_not_stored_count_for_the_limit() {
    let (log, config) = (Record::default(), RunsConfig::new().with_max_run_bytes(5));
    let runs = Runs::new(config.clone());
    let run = Run::with_log(id("a"), "ada", Epoch::from(7), &config, log.clone());
    runs.adopt(&run, say(&["123", "456"]));
    sleep(secs(1)).await;
    let taken = log.0.lock().unwrap().clone();
    assert_eq!((taken.len(), &*taken[0], &*taken[1]), (3, "123", "Failed(TooLarge)"));
}

#[test]
fn a_run_whose_runtime_is_gone_fails() {
    let runs = Runs::new(RunsConfig::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let run = runtime.block_on(async { runs.start(id("a"), "", forever).unwrap() });
    drop(runtime);
    assert_eq!(run.outcome(), Some(RunOutcome::Failed(RunFailure::ShutDown)));
}

fn id(id: &str) -> RunId {
    RunId::new(id).unwrap()
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A producer of these events.
fn say(
    texts: &'static [&'static str],
) -> impl FnOnce(RunWriter) -> std::pin::Pin<Box<dyn Future<Output = Result<(), RunWriteError>> + Send>>
{
    move |writer| {
        Box::pin(async move {
            for text in texts {
                writer.publish(Event::new(*text))?;
            }
            Ok(())
        })
    }
}

/// A producer that never ends by itself.
async fn forever(_: RunWriter) -> Result<(), RunWriteError> {
    pending().await
}

fn subscribe(channel: &Channel) -> Subscriber {
    match channel.subscribe(&LastEventId::Absent) {
        Subscription::Stream(reader) => reader,
        other => panic!("{other:?}"),
    }
}

/// What a new reader of an ended run is sent, with `ID` for the epoch.
fn text(run: &Run) -> String {
    let mut reader = subscribe(run.channel());
    let mut sent = String::new();
    for frame in reader.first_frames() {
        sent.push_str(std::str::from_utf8(frame.as_bytes()).unwrap());
    }
    while let Read::Events(frame) = reader.read() {
        sent.push_str(std::str::from_utf8(frame.as_bytes()).unwrap());
    }
    sent.replace(run.channel().epoch().as_str(), "ID")
}
