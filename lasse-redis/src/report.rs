//! The metrics of a backplane, if the feature `metrics` is on.
#![cfg_attr(not(feature = "metrics"), expect(unused_variables))]

use std::time::Duration;

use crate::error::PublishError;

/// An event was published, or was not, after this time.
pub(crate) fn published(error: Option<&PublishError>, time: Duration) {
    #[cfg(feature = "metrics")]
    {
        let outcome = match error {
            None => "published",
            Some(PublishError::NotReachable(_)) => "not_reachable",
            Some(PublishError::OutcomeUnknown(_)) => "unknown",
            Some(_) => "refused",
        };
        metrics::counter!("lasse_redis_publishes_total", "outcome" => outcome).increment(1);
        metrics::histogram!("lasse_redis_publish_seconds").record(time.as_secs_f64());
    }
}

/// The reader has lost its connection.
pub(crate) fn disconnected() {
    #[cfg(feature = "metrics")]
    metrics::counter!("lasse_redis_disconnects_total").increment(1);
}

/// The reader has read entries.
pub(crate) fn read(entries: usize, foreign: u64, gaps: u64) {
    #[cfg(feature = "metrics")]
    {
        metrics::counter!("lasse_redis_entries_total").increment(entries as u64);
        metrics::counter!("lasse_redis_foreign_entries_total").increment(foreign);
        metrics::counter!("lasse_redis_gaps_total").increment(gaps);
    }
}

/// A client must retry, because Redis did not answer.
pub(crate) fn undecided() {
    #[cfg(feature = "metrics")]
    metrics::counter!("lasse_redis_undecided_total").increment(1);
}

/// A page was read for a client.
pub(crate) fn page() {
    #[cfg(feature = "metrics")]
    metrics::counter!("lasse_redis_backfill_pages_total").increment(1);
}

/// Reports the state of the connection every second. It does not return.
#[cfg(feature = "metrics")]
pub(crate) async fn run(shared: std::sync::Arc<crate::shared::Shared>) {
    loop {
        let link = shared.link();
        metrics::gauge!("lasse_redis_connected").set(f64::from(u8::from(link.is_connected)));
        if let Some(reply) = link.last_reply {
            metrics::gauge!("lasse_redis_lag_seconds").set(reply.elapsed().as_secs_f64());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
