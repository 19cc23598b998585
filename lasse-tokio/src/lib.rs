//! Server-Sent Events over tokio: the core, driven by sockets, timers and
//! channels.
//!
//! | feature | brings |
//! |---|---|
//! | `axum` | [`Listener`] for `axum::serve` |
//! | `json` | `Event::json`, for anything that serializes |
//! | `metrics` | the figures of a [`Gate`] as metrics: `lasse_streams_open`, `lasse_streams_ended_total` by reason, `lasse_streams_refused_total` by cause |
//! | `simdutf8` | faster decoding |
//! | `tracing` | its comings and goings as events |

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answer;
mod clock;
mod dispatch;
mod endpoint;
mod event_stream;
mod gate;
mod peer_addr;
mod runs;
mod serve;
mod session;
mod sockets;
mod spread;
mod stream_timer;
mod timer_queue;
mod tracker;

pub use answer::{SessionBody, respond, respond_with, stream, subscribe};
pub use clock::now;
pub use dispatch::{dispatch, idle, sweep};
pub use endpoint::Endpoint;
pub use event_stream::EventStream;
pub use gate::{DrainPlan, Gate, GateConfig, GateStats, Permit, RejectReason, Rejected};
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
pub use sockets::{Listener, WriteDeadline};
pub use spread::chance;

/// Parts to make a server of: what [`serve`] and the server of `lasse-hyper` share.
pub mod server {
    pub use crate::timer_queue::{Timer, TimerQueue};
    pub use crate::tracker::{ConnectionTracker, Phase, TrackedConnection};
}
