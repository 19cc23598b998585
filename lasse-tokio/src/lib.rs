//! Server-Sent Events over tokio: sockets, timers and tasks for `lasse-core`.
//!
//! [`serve()`] is a server for HTTP/1.1 on plain sockets. A request is answered with
//! [`subscribe`] (a [`Channel`]), [`stream`] (a `Stream`), [`respond`] (a [`Handler`]) or
//! [`respond_with`] (any [`Source`]). A [`Gate`] limits, counts and ends streams.
//!
//! | feature | adds |
//! |---|---|
//! | `axum` | [`Listener`] and [`PeerAddr`] for `axum::serve` |
//! | `json` | `Event::json`, for all types that serialize |
//! | `metrics` | the counters of all [`Gate`]s as metrics: `lasse_streams_open`, `lasse_streams_ended_total` by reason, `lasse_streams_rejected_total` by reason; and those of [`Runs`] |
//! | `simdutf8` | faster decoding |
//! | `tracing` | a log event for each stream that ends or is rejected, and for each drain |

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answer;
#[cfg(feature = "metrics")]
mod channel_metrics;
mod clock;
mod dispatch;
mod endpoint;
mod event_stream;
mod expires_at;
mod gate;
mod peer_addr;
mod random;
mod runs;
mod serve;
mod session;
mod sockets;
mod stream_metrics;
mod stream_timer;
mod subscribable;
mod timer_queue;
mod tracker;

pub use answer::{
    SessionBody, refuse, respond, respond_with, stream, subscribe, subscribe_merged, subscribe_to,
    unauthorized,
};
#[cfg(feature = "metrics")]
pub use channel_metrics::{ChannelMetrics, report_metrics};
pub use clock::now;
pub use dispatch::{dispatch, idle, sweep};
pub use endpoint::Endpoint;
pub use event_stream::EventStream;
pub use expires_at::ExpiresAt;
pub use gate::{
    DrainPlan, Gate, GateConfig, GateStats, KeyLimitPolicy, Permit, RejectReason, Rejected, Signal,
    StreamHandle, StreamInfo, WeakStreamHandle,
};
pub use lasse_core;
pub use lasse_core::http1::ServeConfig;
#[doc(no_inline)]
pub use lasse_core::*;
pub use peer_addr::PeerAddr;
pub use runs::{
    InvalidRunId, RUN_ID, Run, RunFailure, RunId, RunOutcome, RunWriteError, RunWriter, Runs,
    RunsConfig, StartError,
};
pub use serve::{Serve, serve, serve_connection};
pub use session::Session;
pub use sockets::{ConnectionSlot, Listener, Socket, WriteDeadline};
pub use subscribable::{Decision, Subscribable};

/// Parts of servers, which [`serve()`] and the server of `lasse-hyper` share.
pub mod server {
    pub use crate::sockets::poll_write_slices;
    pub use crate::timer_queue::{Timer, TimerQueue};
    pub use crate::tracker::{ConnectionTracker, Phase, TrackedConnection};
}

/// Parts of runs, for logs that several nodes share.
pub mod run_log {
    pub use crate::runs::RunLog;
}
