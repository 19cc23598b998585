//! What is told to those who watch from outside.
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

/// Lets in two streams of which one stalls, refuses a third, and drains.
fn play() -> Permit {
    let request = Request::get("/").body(()).unwrap();
    let request = RequestHead::from(&request);
    let gate = Gate::new(GateConfig::new().with_limit(2));
    let (mut stalled, open) = (gate.admit(&request).unwrap(), gate.admit(&request).unwrap());
    gate.admit(&request).unwrap_err();
    stalled.record(EndReason::Stalled);
    drop(stalled);
    gate.drain(&DrainPlan::new());
    open
}

/// Keeps the figures by name and labels.
#[derive(Default)]
struct GateStats(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl GateStats {
    fn figure(&self, key: &Key) -> Arc<AtomicU64> {
        let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
        let name = format!("{}{}", key.name(), labels.collect::<String>());
        self.0.lock().unwrap().entry(name).or_default().clone()
    }
}

impl Recorder for GateStats {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &metrics::Metadata<'_>) -> Counter {
        Counter::from_arc(self.figure(key))
    }
    fn register_gauge(&self, key: &Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::from_arc(self.figure(key))
    }
    fn register_histogram(&self, _: &Key, _: &metrics::Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// Whether anyone wants to hear of an event is asked once for all threads, by the
/// first to tell of it, so the tests go one after the other.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn metrics_count_streams_by_reason_and_refusals_by_cause() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let recorder = GateStats::default();
    let _open = metrics::with_local_recorder(&recorder, play);
    let figures = recorder.0.lock().unwrap();
    let figures: Vec<_> =
        figures.iter().map(|(name, n)| (name.as_str(), n.load(Ordering::Relaxed))).collect();
    assert_eq!(
        figures,
        [
            ("lasse_streams_ended_total reason=stalled", 1),
            ("lasse_streams_open", 1_f64.to_bits()),
            ("lasse_streams_refused_total cause=limit", 1),
        ]
    );
}

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Subscriber for Diary {
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
fn traces_tell_what_happens_at_the_gate() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let diary = Diary::default();
    let _open = tracing::subscriber::with_default(diary.clone(), play);
    assert_eq!(
        *diary.0.lock().unwrap(),
        [
            "DEBUG message=stream refused cause=limit",
            "DEBUG message=stream ended reason=stalled",
            "INFO message=draining streams=1",
        ]
    );
}
