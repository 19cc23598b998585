//! The metrics of a node, read as an exporter reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use ::metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use hyper::service::service_fn;
use lasse_core::{ChannelConfig, Event, LastEventId, Retention, StartAt, StreamConfig};
use lasse_hyper::{Endpoint, Gate, GateConfig, Listener, ServeConfig, respond_with, serve};
use lasse_redis::{
    Backplane, RedisChannel, RedisGate, RedisGateConfig, RedisRuns, RedisRunsConfig, RedisServer,
};
use lasse_tokio::{RunId, RunWriteError, RunWriter};
use libtest_mimic::Trial;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::nodes::{ready, settings, until};
use crate::server::Server;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("each_metric_of_the_table_is_reported", reported),
        trial("the_dashboard_and_the_alerts_use_metrics_of_the_table", used),
    ]
}

/// Keeps the metrics of all tests, by name and labels.
#[derive(Default)]
struct Metrics(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::default);

/// Collects the metrics of this process.
pub(crate) fn install() {
    let installed = ::metrics::set_global_recorder(&*METRICS);
    assert!(installed.is_ok(), "there is one recorder");
}

/// The number of values.
struct Count(Arc<AtomicU64>);

impl HistogramFn for Count {
    fn record(&self, _: f64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Metrics {
    fn metric(&self, key: &Key) -> Arc<AtomicU64> {
        let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
        let name = format!("{}{}", key.name(), labels.collect::<String>());
        self.0.lock().unwrap().entry(name).or_default().clone()
    }

    fn value(&self, name: &str) -> u64 {
        let metrics = self.0.lock().unwrap();
        let metric = metrics.get(name).unwrap_or_else(|| panic!("no metric {name}"));
        metric.load(Ordering::Relaxed)
    }

    fn has(&self, name: &str) -> bool {
        self.0.lock().unwrap().contains_key(name)
    }

    /// The names of all metrics, and those of their labels.
    fn names(&self) -> BTreeSet<String> {
        let metrics = self.0.lock().unwrap();
        let name = |key: &String| {
            let words = key.split(' ').map(|word| word.split('=').next().unwrap_or_default());
            words.collect::<Vec<_>>().join(" ")
        };
        metrics.keys().map(name).collect()
    }
}

impl Recorder for &'static Metrics {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.metric(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.metric(key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Count(self.metric(key))))
    }
}

/// The names in the table of the documentation, each with the names of its labels.
fn table() -> Vec<String> {
    let page = include_str!("../../../docs/redis.md");
    let rows = page.lines().filter(|line| line.starts_with("| `lasse_"));
    let row = |row: &str| {
        let columns: Vec<_> = row.split('|').collect();
        let labels = columns[4].trim().strip_prefix('`').and_then(|label| label.split('`').next());
        let labels = labels.map(|label| format!(" {label}")).unwrap_or_default();
        let names = columns[1].split('`').filter(|name| name.starts_with("lasse_"));
        names.map(|name| format!("{name}{labels}")).collect::<Vec<_>>()
    };
    rows.flat_map(row).collect()
}

async fn used() {
    let names: BTreeSet<_> =
        table().iter().map(|name| name.split(' ').next().unwrap().to_owned()).collect();
    for file in [
        include_str!("../../../docs/redis/dashboard.json"),
        include_str!("../../../docs/redis/alerts.yml"),
    ] {
        let words = file.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let used: BTreeSet<_> = words.filter(|word| word.starts_with("lasse_")).collect();
        assert!(used.len() > 5, "{used:?}");
        for name in used {
            assert!(names.contains(name), "no metric {name}");
        }
    }
}

/// Streams over HTTP, and one that is rejected, until a write was a sample of an event whose time
/// was taken.
async fn stream_to(channel: &RedisChannel) {
    let gate = Gate::new(GateConfig::new().with_limit(STREAMS));
    let endpoint = Endpoint::new(StreamConfig::new()).with_gate(&gate);
    let served = channel.clone();
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = service_fn(move |request| {
        let response = respond_with(&request, &endpoint, |head| {
            served.local().subscribe(head.last_event_id()).into_init(head, |events| events)
        });
        async { Ok::<_, Infallible>(response) }
    });
    let server = tokio::spawn(async move { serve(listener, ServeConfig::new(), service).await });
    let mut streams = Vec::new();
    for _ in 0..=STREAMS {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut bytes = [0; 1024];
        assert!(stream.read(&mut bytes).await.unwrap() > 0);
        streams.push(stream);
    }
    let started = Instant::now();
    while !METRICS.has("lasse_publish_to_write_seconds") {
        assert!(started.elapsed() < Duration::from_secs(60), "no sample");
        channel.publish(Event::new("sample")).await.unwrap();
        sleep(Duration::from_millis(300)).await;
    }
    drop(streams);
    until("the streams have ended", || gate.stats().open == 0).await;
    server.abort();
}

/// One of the two threads of the runtime writes to half of them, and one in 16 of its writes is a
/// sample.
const STREAMS: usize = 40;

/// A gate, runs and a channel by key on a server that loses its data.
async fn run_and_gate() {
    let server = Server::start();
    let start = || Backplane::start(RedisServer::new(server.url()).unwrap(), &settings());
    let node = || {
        let backplane = start();
        let config = RedisGateConfig::new().with_limit_per_key(1);
        let gate = RedisGate::open(&backplane, "gate", &Gate::default(), config.clone()).unwrap();
        let absent = RedisServer::new("redis://127.0.0.1:1").unwrap();
        let cut_off = Backplane::start(absent, &settings());
        let config = config.with_timeout(Duration::from_millis(100));
        let local = RedisGate::open(&cut_off, "gate", &Gate::default(), config).unwrap();
        let runs = RedisRuns::open(&backplane, "runs", RedisRunsConfig::default()).unwrap();
        (gate, local, runs)
    };
    let ((gate, cut_off, a), (_, _, b)) = (node(), node());
    gate.ready().await;
    let counted = gate.admit("ada").await.unwrap();
    assert!(gate.admit("ada").await.is_err());
    drop(cut_off.admit("ada").await.unwrap());

    let id = |id: &str| RunId::new(id).unwrap();
    let produce = async |writer: RunWriter| {
        writer.publish(Event::new("one"))?;
        std::future::pending::<Result<(), RunWriteError>>().await
    };
    let run = a.start(id("1"), "ada", produce).await.unwrap();
    let lost = a.start(id("2"), "ada", produce).await.unwrap();
    assert!(b.start(id("1"), "eve", produce).await.is_err());
    assert!(b.get("2", "ada").await.unwrap().is_some());
    until("the event is in Redis", || run.channel().stats().events > 0).await;
    b.stop("1", "ada").await.unwrap();
    run.ended().await;

    let chats = start().channels::<str>("chat", &ChannelConfig::new()).unwrap();
    let chat = chats.open("tea").unwrap();
    let before = METRICS.value("lasse_resumes_total outcome=fresh");
    let client = Client::of(&chat).await;
    let is_reported = || METRICS.value("lasse_resumes_total outcome=fresh") > before;
    until("the client of a channel by key is reported", is_reported).await;

    // The node does not know which streams were ended, and its lease is lost.
    server.call::<()>("FLUSHALL");
    lost.ended().await;
    until("the lease is lost", || METRICS.has("lasse_redis_gate_leases_lost_total")).await;
    let started = Instant::now();
    while !METRICS.has("lasse_redis_gate_resyncs_total") {
        assert!(started.elapsed() < Duration::from_secs(60), "no reset");
        let _ = gate.end_tag("eve").await;
        sleep(Duration::from_millis(50)).await;
    }
    drop((client, counted));
}

/// A node that does everything that is counted. Other tests add to the same counters.
async fn reported() {
    let mut server = Server::durable();
    let backplane = Backplane::start(RedisServer::new(server.url()).unwrap(), &settings());
    let few = ChannelConfig::new()
        .with_start(StartAt::Oldest)
        .with_retention(Retention::new().with_events(2));
    let channel = backplane.channel("news", &few).unwrap();
    ready(&channel).await;
    let mut ids = Vec::new();
    for n in 0..9 {
        ids.push(channel.publish(Event::new(n.to_string())).await.unwrap());
    }
    let mut client = Client::after(ids[0].as_str());
    client.connect(&channel).await;
    client.receive_events(8).await;
    server.call::<String>("XADD news * message hello");
    server.call::<i64>("DEL news");
    channel.publish(Event::new("9").with_id(1)).await.unwrap_err();
    channel.publish(Event::new("9")).await.unwrap();
    client.receive_until(|record| record.len() > 9).await;
    stream_to(&channel).await;
    server.kill();
    channel.publish(Event::new("10")).await.unwrap_err();
    let last = LastEventId::Id(lasse_core::EventId::new("5-5").unwrap());
    drop(channel.subscribe(&last).await);
    run_and_gate().await;

    for name in [
        "lasse_events_published_total",
        "lasse_resumes_total outcome=resumed",
        "lasse_resets_total reason=hole",
        "lasse_log_bytes",
        "lasse_redis_lag_seconds",
        "lasse_redis_disconnects_total",
        "lasse_redis_publishes_total outcome=published",
        "lasse_redis_publish_seconds",
        "lasse_redis_entries_total",
        "lasse_redis_gaps_total",
        "lasse_redis_undecided_total",
        "lasse_redis_backfill_pages_total",
        "lasse_redis_gate_admissions_total outcome=admitted",
        "lasse_redis_gate_admissions_total outcome=local",
        "lasse_redis_gate_admissions_total outcome=too_many",
        "lasse_redis_run_append_seconds outcome=written",
        "lasse_redis_runs_lost_total",
        "lasse_runs_started_total",
        "lasse_runs_refused_total reason=foreign",
        "lasse_runs_ended_total outcome=stopped",
        "lasse_runs_ended_total outcome=lost",
        "lasse_run_bytes",
        "lasse_run_seconds outcome=lost",
    ] {
        until(name, || METRICS.has(name) && METRICS.value(name) > 0).await;
    }
    for name in [
        "lasse_subscribers",
        "lasse_bytes_in_flight",
        "lasse_redis_connected",
        "lasse_redis_foreign_entries_total",
        "lasse_redis_gate_streams",
        "lasse_redis_runs_followed",
        "lasse_runs_running",
    ] {
        METRICS.value(name);
    }
    // The table has each metric with its labels, and no other.
    let table: BTreeSet<_> = table().into_iter().collect();
    assert_eq!(METRICS.names(), table);
}
