//! The metrics of streams, channels and a gate, and the log events of a gate.
#![cfg(all(feature = "metrics", feature = "tracing"))]

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Request;
use lasse_core::{
    Channel, ChannelConfig, EndReason, EventId, LastEventId, RequestHead, Retention, StreamConfig,
};
use lasse_tokio::{
    DrainPlan, Endpoint, Gate, GateConfig, PeerAddr, Permit, RunId, RunWriteError, RunWriter, Runs,
    RunsConfig, ServeConfig, serve_connection,
};
use metrics::{Counter, Histogram, HistogramFn, Key, KeyName, Recorder, SharedString, Unit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

/// Admits two streams, of which one stalls, rejects a third, and drains. Each stream has a permit of
/// the server's gate, too, which must not be counted twice.
fn run() -> Permit {
    let request = Request::get("/").extension(Gate::default()).body(()).unwrap();
    let request = RequestHead::from(&request);
    let gate = Gate::new(GateConfig::new().with_limit(2));
    let (mut stalled, open) = (gate.admit(&request).unwrap(), gate.admit(&request).unwrap());
    gate.admit(&request).unwrap_err();
    stalled.record(EndReason::Stalled);
    drop(stalled);
    gate.drain(&DrainPlan::new());
    open
}

/// Keeps the metrics by name and labels.
#[derive(Default)]
struct Metrics(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Metrics {
    fn metric(&self, key: &Key) -> Arc<AtomicU64> {
        let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
        let name = format!("{}{}", key.name(), labels.collect::<String>());
        self.0.lock().unwrap().entry(name).or_default().clone()
    }
}

/// Keeps the last value.
struct Last(Arc<AtomicU64>);

impl HistogramFn for Last {
    fn record(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }
}

impl Recorder for Metrics {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &metrics::Metadata<'_>) -> Counter {
        Counter::from_arc(self.metric(key))
    }
    fn register_gauge(&self, key: &Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::from_arc(self.metric(key))
    }
    fn register_histogram(&self, key: &Key, _: &metrics::Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Last(self.metric(key))))
    }
}

/// Tracing asks once for all threads whether an event is enabled, so the tests run one
/// after the other.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn metrics_count_ends_and_rejections_by_reason() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let recorder = Metrics::default();
    let _open = metrics::with_local_recorder(&recorder, run);
    let metrics = recorder.0.lock().unwrap();
    let metrics: Vec<_> =
        metrics.iter().map(|(name, n)| (name.as_str(), n.load(Ordering::Relaxed))).collect();
    assert_eq!(
        metrics,
        [
            ("lasse_stream_seconds reason=stalled", 0),
            ("lasse_streams_ended_total reason=stalled", 1),
            ("lasse_streams_open", 1_f64.to_bits()),
            ("lasse_streams_rejected_total reason=limit", 1),
        ]
    );
}

/// Two channels, with a client that is new, one that resumes and one that is reset.
async fn run_channels() {
    let (news, chat) = (Channel::new(&ChannelConfig::new()), Channel::new(&ChannelConfig::new()));
    tokio::spawn(lasse_tokio::report_metrics(&news));
    let mut others = lasse_tokio::ChannelMetrics::default();
    others.add(&chat);
    others.add(&Channel::new(&ChannelConfig::new()));
    assert_eq!(others.report(), 1, "the other one is gone");
    let id = LastEventId::Id(news.publish(lasse_tokio::Event::new("1")).unwrap());
    chat.publish(lasse_tokio::Event::new("2")).unwrap();
    let foreign = LastEventId::Id(EventId::new("other-1").unwrap());
    let _new = news.subscribe(&LastEventId::Absent);
    let _resumed = news.subscribe(&id);
    drop(chat.subscribe(&foreign));
    others.report();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    // Their share of the gauges is taken away with them.
    let forgotten = chat.subscribe(&LastEventId::Absent);
    others.report();
    drop(others);
    drop(forgotten);
}

#[test]
fn metrics_of_channels_add_up_and_have_no_label_for_a_channel() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let recorder = Metrics::default();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(run_channels()));
    let metrics = recorder.0.lock().unwrap();
    let value = |name: &str| metrics[name].load(Ordering::Relaxed);
    assert_eq!(value("lasse_events_published_total"), 2);
    assert_eq!(value("lasse_resumes_total outcome=fresh"), 2);
    assert_eq!(value("lasse_resumes_total outcome=resumed"), 1);
    assert_eq!(value("lasse_resumes_total outcome=complete"), 0);
    assert_eq!(value("lasse_resumes_total outcome=full"), 0);
    for reason in ["expired", "ahead", "unknown", "lagged", "hole"] {
        assert_eq!(value(&format!("lasse_resets_total reason={reason}")), 0);
    }
    assert_eq!(value("lasse_resets_total reason=foreign"), 1);
    assert_eq!(value("lasse_subscribers"), 2_f64.to_bits());
    assert!(f64::from_bits(value("lasse_log_bytes")) > 100.0);
    assert!(metrics.contains_key("lasse_bytes_in_flight"));
    assert_eq!(metrics.len(), 14);
}

/// Three runs, of which one fails and one goes on, and two that are refused.
async fn run_runs() -> Runs {
    let runs = Runs::new(RunsConfig::new().with_max_runs(2).with_keep(Duration::ZERO));
    let id = |id: &str| RunId::new(id).unwrap();
    let done = runs.start(id("1"), "ada", async |writer: RunWriter| {
        writer.publish(lasse_tokio::Event::new("x")).map(drop)
    });
    done.unwrap().ended().await;
    let failed = runs.start(id("2"), "ada", async |_| Err::<(), _>("no model"));
    failed.unwrap().ended().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let produce = async |writer: RunWriter| {
        writer.publish(lasse_tokio::Event::new("x"))?;
        std::future::pending::<Result<(), RunWriteError>>().await
    };
    for nth in 3..5 {
        runs.start(id(&nth.to_string()), "ada", produce).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    runs.get("3", "ada").unwrap().stop();
    runs.start(id("4"), "eve", produce).unwrap_err();
    runs
}

#[test]
fn metrics_of_runs_have_a_label_for_how_they_ended() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let recorder = Metrics::default();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let runs = metrics::with_local_recorder(&recorder, || runtime.block_on(run_runs()));
    let metrics = recorder.0.lock().unwrap();
    let value = |name: &str| metrics[name].load(Ordering::Relaxed);
    assert_eq!(value("lasse_runs_started_total"), 4);
    assert_eq!(value("lasse_runs_refused_total reason=foreign"), 1);
    for outcome in ["done", "error", "stopped"] {
        assert_eq!(value(&format!("lasse_runs_ended_total outcome={outcome}")), 1);
    }
    assert_eq!(value("lasse_run_seconds outcome=stopped"), 1_f64.to_bits());
    assert_eq!(value("lasse_runs_running"), 1_f64.to_bits());
    assert_eq!(value("lasse_run_bytes"), (runs.bytes() as f64).to_bits());
    assert!(runs.bytes() > 0);
}

/// A client of the raw server, which receives each event of a channel at once.
async fn run_stream() {
    let retention = Retention::new().with_events(10);
    let news = Channel::new(&ChannelConfig::new().with_retention(retention));
    tokio::spawn(lasse_tokio::report_metrics(&news));
    let endpoint = Endpoint::new(StreamConfig::new()).with_gate(&Gate::default());
    let (client, mut server) = tokio::io::duplex(4096);
    let served = news.clone();
    let serving = tokio::spawn(async move {
        let respond = |request: Request<()>| {
            let response = lasse_tokio::subscribe(&request, &endpoint, &served);
            async { response }
        };
        let peer = PeerAddr(SocketAddr::from(([127, 0, 0, 1], 1)));
        serve_connection(&mut server, peer, &ServeConfig::new(), &respond).await
    });
    let (mut reader, mut writer) = tokio::io::split(client);
    writer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut bytes = [0; 4096];
    for n in 0..WRITES {
        // One event a second has its time taken.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        news.publish(lasse_tokio::Event::new(n.to_string())).unwrap();
        assert!(reader.read(&mut bytes).await.unwrap() > 0);
    }
    writer.shutdown().await.unwrap();
    serving.await.unwrap();
}

/// One in 16 is a sample.
const WRITES: u32 = 64;

#[test]
fn metrics_of_streams_have_their_bytes_and_samples_of_their_lag() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let recorder = Metrics::default();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(run_stream()));
    let metrics = recorder.0.lock().unwrap();
    let value = |name: &str| metrics[name].load(Ordering::Relaxed);
    assert!(value("lasse_bytes_written_total") > u64::from(WRITES) * 20);
    assert_eq!(value("lasse_reader_lag_events"), 0_f64.to_bits());
    assert_eq!(value("lasse_reader_lag_share"), 0_f64.to_bits());
    assert_eq!(value("lasse_publish_to_write_seconds"), 0_f64.to_bits());
    let ended = metrics.iter().find(|(name, _)| name.starts_with("lasse_stream_seconds"));
    let (name, seconds) = ended.unwrap();
    assert_eq!(name, "lasse_stream_seconds reason=peer_closed");
    let seconds = f64::from_bits(seconds.load(Ordering::Relaxed));
    assert!((70.0..71.0).contains(&seconds), "{seconds}");
}

/// Collects log events.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("lasse_tokio")
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() != "plan" {
            write!(self.0, " {field}={value:?}").unwrap();
        }
    }
}

#[test]
fn events_are_logged_at_the_gate() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let log = Log::default();
    let _open = tracing::subscriber::with_default(log.clone(), run);
    assert_eq!(
        *log.0.lock().unwrap(),
        [
            "DEBUG message=stream rejected reason=limit",
            "DEBUG message=stream ended reason=stalled",
            "INFO message=drain started streams=1",
        ]
    );
}
