//! What a gate tells those who watch from outside: by `tracing`, by `metrics`, if
//! the features of these names are on.
#![cfg_attr(not(feature = "tracing"), expect(unused_variables))]

use lasse_core::EndReason;

use super::{DrainPlan, RejectReason};

/// A stream was let in.
pub(super) fn opened() {
    #[cfg(feature = "metrics")]
    metrics::gauge!("lasse_streams_open").increment(1);
}

/// A place is free again.
pub(super) fn left() {
    #[cfg(feature = "metrics")]
    metrics::gauge!("lasse_streams_open").decrement(1);
}

/// A stream ended.
pub(super) fn ended(reason: EndReason) {
    #[cfg(feature = "metrics")]
    metrics::counter!("lasse_streams_ended_total", "reason" => reason.as_str()).increment(1);
    #[cfg(feature = "tracing")]
    tracing::debug!(%reason, "stream ended");
}

/// A stream was not let in.
pub(super) fn refused(cause: RejectReason) {
    #[cfg(feature = "metrics")]
    metrics::counter!("lasse_streams_refused_total", "cause" => cause.as_str()).increment(1);
    #[cfg(feature = "tracing")]
    tracing::debug!(%cause, "stream refused");
}

/// A drain began.
pub(super) fn draining(plan: &DrainPlan, streams: usize) {
    #[cfg(feature = "tracing")]
    tracing::info!(streams, ?plan, "draining");
}
