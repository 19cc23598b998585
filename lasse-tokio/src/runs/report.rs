//! The metrics of runs, if the feature `metrics` is on.
#![cfg_attr(not(feature = "metrics"), expect(unused_variables))]

use std::time::Duration;

use super::{RunOutcome, StartError};

/// A run was started on this node.
pub(super) fn started() {
    #[cfg(feature = "metrics")]
    {
        metrics::counter!("lasse_runs_started_total").increment(1);
        metrics::gauge!("lasse_runs_running").increment(1);
    }
}

/// A run was not started.
pub(super) fn refused(error: StartError) {
    #[cfg(feature = "metrics")]
    metrics::counter!("lasse_runs_refused_total", "reason" => error.as_str()).increment(1);
}

/// A run of this node ended after this time.
pub(super) fn ended(outcome: &RunOutcome, time: Duration) {
    #[cfg(feature = "metrics")]
    {
        metrics::gauge!("lasse_runs_running").decrement(1);
        let seconds = metrics::histogram!("lasse_run_seconds", "outcome" => outcome.as_str());
        seconds.record(time.as_secs_f64());
        metrics::counter!("lasse_runs_ended_total", "outcome" => outcome.as_str()).increment(1);
    }
}

/// The channels of runs have taken bytes, or given them back.
pub(super) fn bytes(before: usize, now: usize) {
    #[cfg(feature = "metrics")]
    if now >= before {
        metrics::gauge!("lasse_run_bytes").increment((now - before) as f64);
    } else {
        metrics::gauge!("lasse_run_bytes").decrement((before - now) as f64);
    }
}
