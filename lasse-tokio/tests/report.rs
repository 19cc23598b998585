//! The metrics and the log events of a gate.
#![cfg(all(feature = "metrics", feature = "tracing"))]

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::Request;
use lasse_core::{EndReason, RequestHead};
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
