//! The metrics of a backplane, if the feature `metrics` is on.
#![cfg_attr(not(feature = "metrics"), expect(unused_variables))]

use std::time::Duration;

use lasse_tokio::StartError;

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

/// A stream was admitted by a gate, or was not.
pub(crate) fn admitted(outcome: Admission) {
    #[cfg(feature = "metrics")]
    {
        let outcome = match outcome {
            Admission::Admitted => "admitted",
            Admission::Local => "local",
            Admission::TooMany => "too_many",
            Admission::NotReachable => "not_reachable",
        };
        metrics::counter!("lasse_redis_gate_admissions_total", "outcome" => outcome).increment(1);
    }
}

/// A gate counts so many streams more, or less.
pub(crate) fn counted(streams: i32) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("lasse_redis_gate_streams").increment(f64::from(streams));
}

/// A gate has sent its streams to reconnect, because it does not know which of them were ended.
pub(crate) fn resynced() {
    #[cfg(feature = "metrics")]
    metrics::counter!("lasse_redis_gate_resyncs_total").increment(1);
}

/// A gate has lost its lease.
pub(crate) fn lease_lost() {
    #[cfg(feature = "metrics")]
    metrics::counter!("lasse_redis_gate_leases_lost_total").increment(1);
}

/// A run was not started.
pub(crate) fn run_refused(error: StartError) {
    #[cfg(feature = "metrics")]
    metrics::counter!("lasse_runs_refused_total", "reason" => error.as_str()).increment(1);
}

/// Events of a run were written, or their write failed, after this time.
pub(crate) fn appended(is_done: bool, time: Duration) {
    #[cfg(feature = "metrics")]
    {
        let outcome = if is_done { "written" } else { "failed" };
        let seconds = metrics::histogram!("lasse_redis_run_append_seconds", "outcome" => outcome);
        seconds.record(time.as_secs_f64());
    }
}

/// A node follows so many runs of other nodes more, or less.
pub(crate) fn followed(runs: i32) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("lasse_redis_runs_followed").increment(f64::from(runs));
}

/// A run that this node reads or writes is lost.
pub(crate) fn run_lost() {
    #[cfg(feature = "metrics")]
    metrics::counter!("lasse_redis_runs_lost_total").increment(1);
}

/// Whether a gate admitted a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Admission {
    Admitted,
    /// By the limit of its node, because Redis did not answer.
    Local,
    TooMany,
    NotReachable,
}

/// Reports the state of the connection, and the channels by key, every second. It does not return.
#[cfg(feature = "metrics")]
pub(crate) async fn run(shared: std::sync::Arc<crate::shared::Shared>) {
    loop {
        let link = shared.link();
        metrics::gauge!("lasse_redis_connected").set(f64::from(u8::from(link.is_connected)));
        if let Some(reply) = link.last_reply {
            metrics::gauge!("lasse_redis_lag_seconds").set(reply.elapsed().as_secs_f64());
        }
        shared.watched.report();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
