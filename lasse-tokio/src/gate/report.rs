//! The gate's log events and metrics, if the features `tracing` and `metrics` are on.
#![cfg_attr(not(feature = "tracing"), expect(unused_variables))]

use std::time::Duration;

use lasse_core::EndReason;

use super::{DrainPlan, RejectReason};

/// A stream was opened.
pub(super) fn opened() {
    #[cfg(feature = "metrics")]
    metrics::gauge!("lasse_streams_open").increment(1);
}

/// A stream was closed, or its permit given back.
pub(super) fn closed() {
    #[cfg(feature = "metrics")]
    metrics::gauge!("lasse_streams_open").decrement(1);
}

/// A stream ended after this time.
#[cfg_attr(not(feature = "metrics"), expect(unused_variables))]
pub(super) fn ended(reason: EndReason, time: Duration) {
    #[cfg(feature = "metrics")]
    {
        metrics::counter!("lasse_streams_ended_total", "reason" => reason.as_str()).increment(1);
        let seconds = metrics::histogram!("lasse_stream_seconds", "reason" => reason.as_str());
        seconds.record(time.as_secs_f64());
    }
    #[cfg(feature = "tracing")]
    tracing::debug!(%reason, "stream ended");
}

/// A stream was not admitted.
pub(super) fn rejected(reason: RejectReason) {
    #[cfg(feature = "metrics")]
    metrics::counter!("lasse_streams_rejected_total", "reason" => reason.as_str()).increment(1);
    #[cfg(feature = "tracing")]
    tracing::debug!(%reason, "stream rejected");
}

/// A drain started.
pub(super) fn draining(plan: &DrainPlan, streams: usize) {
    #[cfg(feature = "tracing")]
    tracing::info!(streams, ?plan, "drain started");
}
