//! The metrics of a node, read as an exporter reads them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use ::metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use lasse_core::{ChannelConfig, Event, LastEventId, Retention, StartAt};
use lasse_redis::{Backplane, RedisServer};
use libtest_mimic::Trial;
use tokio::time::sleep;

use crate::client::Client;
use crate::nodes::{ready, settings};
use crate::server::Server;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("each_metric_of_the_table_is_reported", reported)]
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
    server.kill();
    channel.publish(Event::new("10")).await.unwrap_err();
    let last = LastEventId::Id(lasse_core::EventId::new("5-5").unwrap());
    drop(channel.subscribe(&last).await);
    sleep(Duration::from_millis(2500)).await;

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
    ] {
        assert!(METRICS.value(name) > 0, "{name}");
    }
    for name in [
        "lasse_subscribers",
        "lasse_bytes_in_flight",
        "lasse_redis_connected",
        "lasse_redis_foreign_entries_total",
    ] {
        METRICS.value(name);
    }
}
