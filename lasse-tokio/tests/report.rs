//! The metrics and the log events of a gate.
#![cfg(all(feature = "metrics", feature = "tracing"))]

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Request;
use lasse_core::{Channel, ChannelConfig, EndReason, EventId, LastEventId, RequestHead};
use lasse_tokio::{DrainPlan, Gate, GateConfig, Permit};
use metrics::{Counter, Histogram, Key, KeyName, Recorder, SharedString, Unit};
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
    fn register_histogram(&self, _: &Key, _: &metrics::Metadata<'_>) -> Histogram {
        Histogram::noop()
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
            ("lasse_streams_ended_total reason=stalled", 1),
            ("lasse_streams_open", 1_f64.to_bits()),
            ("lasse_streams_rejected_total reason=limit", 1),
        ]
    );
}

/// Two channels, with a client that is new, one that resumes and one that is reset.
async fn run_channels() {
    let (news, chat) = (Channel::new(&ChannelConfig::new()), Channel::new(&ChannelConfig::new()));
    for channel in [&news, &chat] {
        tokio::spawn(lasse_tokio::report_metrics(channel));
    }
    let id = LastEventId::Id(news.publish(lasse_tokio::Event::new("1")).unwrap());
    chat.publish(lasse_tokio::Event::new("2")).unwrap();
    let foreign = LastEventId::Id(EventId::new("other-1").unwrap());
    let _new = news.subscribe(&LastEventId::Absent);
    let _resumed = news.subscribe(&id);
    drop(chat.subscribe(&foreign));
    tokio::time::sleep(Duration::from_millis(1500)).await;
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
    assert_eq!(value("lasse_resumes_total outcome=fresh"), 1);
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
