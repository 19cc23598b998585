//! The metrics of channels, for all channels together.

use std::future::Future;
use std::time::Duration;

use lasse_core::channel::{ChannelStats, StatsReader};
use lasse_core::{Channel, ResetReason};
use tokio::time::sleep;

use crate::clock::now;

/// Reports the counters of a channel through the crate `metrics`, every second, until the channel
/// and its readers are gone. Several channels add up: no metric has a label for the channel. The
/// counts of a channel's last second are not reported.
///
/// | name | kind | unit | labels |
/// |---|---|---|---|
/// | `lasse_events_published_total` | counter | events | |
/// | `lasse_resumes_total` | counter | clients | `outcome`: `fresh`, `resumed`, `complete`, `full` |
/// | `lasse_resets_total` | counter | clients | `reason`, as [`ResetReason::as_str`] |
/// | `lasse_subscribers` | gauge | clients | |
/// | `lasse_log_bytes` | gauge | bytes | |
/// | `lasse_bytes_in_flight` | gauge | bytes | |
/// | `lasse_publish_to_write_seconds` | histogram | seconds | |
///
/// The last one is a sample: for one event a second of each channel, in one of 16 writes, the time
/// from its publication to its write into the socket.
///
/// # Examples
///
/// ```
/// use lasse_tokio::lasse_core::{Channel, ChannelConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let news = Channel::new(&ChannelConfig::new());
/// tokio::spawn(lasse_tokio::report_metrics(&news));
/// # }
/// ```
pub fn report_metrics(channel: &Channel) -> impl Future<Output = ()> + Send + use<> {
    let mut metrics = ChannelMetrics::default();
    metrics.add(channel);
    async move {
        while metrics.report() > 0 {
            sleep(INTERVAL).await;
        }
    }
}

/// The counters of many channels, reported in one task: the metrics are those of
/// [`report_metrics`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use lasse_tokio::ChannelMetrics;
/// use lasse_tokio::lasse_core::{ChannelConfig, Channels};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let chats: Channels<String> = Channels::new(&ChannelConfig::new());
/// let mut metrics = ChannelMetrics::default();
/// metrics.add(&chats.open("tea"));
/// tokio::spawn(async move {
///     loop {
///         metrics.report();
///         tokio::time::sleep(Duration::from_secs(1)).await;
///     }
/// });
/// # }
/// ```
#[derive(Debug, Default)]
pub struct ChannelMetrics(Vec<(StatsReader, Reported)>);

impl ChannelMetrics {
    /// Also reports this channel, as long as it is there. Add a channel once.
    pub fn add(&mut self, channel: &Channel) {
        self.0.push((channel.stats_reader(), Reported::default()));
    }

    /// Also reports these channels.
    pub fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    /// Reports the counts of the channels since the last call, which should be a second ago.
    /// Returns how many channels there are.
    pub fn report(&mut self) -> usize {
        self.0.retain_mut(|(reader, reported)| {
            let Some(stats) = reader.stats() else { return false };
            reported.add(stats);
            reader.sample_next(now);
            true
        });
        self.0.len()
    }
}

/// The reported figures of a channel. Its share of the gauges is taken away when it is dropped.
#[derive(Debug, Default)]
struct Reported(ChannelStats);

impl Reported {
    fn add(&mut self, now: ChannelStats) {
        let before = std::mem::replace(&mut self.0, now);
        metrics::counter!("lasse_events_published_total")
            .increment(now.published.saturating_sub(before.published));
        for (outcome, now, before) in [
            ("fresh", now.fresh, before.fresh),
            ("resumed", now.resumed, before.resumed),
            ("complete", now.complete, before.complete),
            ("full", now.full, before.full),
        ] {
            let counter = metrics::counter!("lasse_resumes_total", "outcome" => outcome);
            counter.increment(now.saturating_sub(before));
        }
        for reason in REASONS {
            let counter = metrics::counter!("lasse_resets_total", "reason" => reason.as_str());
            counter.increment(now.resets(reason).saturating_sub(before.resets(reason)));
        }
        change("lasse_subscribers", now.subscribers, before.subscribers);
        change("lasse_log_bytes", now.bytes, before.bytes);
        change("lasse_bytes_in_flight", now.bytes_in_flight, before.bytes_in_flight);
    }
}

impl Drop for Reported {
    fn drop(&mut self) {
        change("lasse_subscribers", 0, self.0.subscribers);
        change("lasse_log_bytes", 0, self.0.bytes);
        change("lasse_bytes_in_flight", 0, self.0.bytes_in_flight);
    }
}

fn change(gauge: &'static str, now: usize, before: usize) {
    let gauge = metrics::gauge!(gauge);
    if now >= before {
        gauge.increment((now - before) as f64);
    } else {
        gauge.decrement((before - now) as f64);
    }
}

const REASONS: [ResetReason; 6] = [
    ResetReason::Expired,
    ResetReason::Foreign,
    ResetReason::Ahead,
    ResetReason::Unknown,
    ResetReason::Lagged,
    ResetReason::Hole,
];

/// How often a channel is looked at.
const INTERVAL: Duration = Duration::from_secs(1);
