// The first definition of a link counts: these are pages here, and files in the repository.
//! [Clients]: guide::clients
//! [Compatibility]: guide::compatibility
//! [Deployment]: guide::deployment
//! [Recipes]: guide::recipes
//! [Redis]: guide::redis
//! [The log and the channel]: guide::log_and_channel
//! [The tour]: guide::tour
#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(doc)]
pub mod guide;
#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "tokio")]
pub mod tokio;

#[doc(inline)]
pub use lasse_core::*;
#[cfg(feature = "client")]
#[doc(inline)]
pub use lasse_hyper::{ClientEvent, DisconnectReason, EventSource, EventSourceError, MessageEvent};
#[cfg(feature = "metrics")]
#[doc(inline)]
pub use lasse_tokio::{ChannelMetrics, report_metrics};
#[cfg(feature = "tokio")]
#[doc(inline)]
pub use lasse_tokio::{
    ConnectionSlot, Decision, DrainPlan, Endpoint, EventStream, ExpiresAt, Gate, GateConfig,
    GateStats, InvalidRunId, KeyLimitPolicy, Listener, PeerAddr, Permit, RUN_ID, RejectReason,
    Rejected, Run, RunFailure, RunId, RunOutcome, RunWriteError, RunWriter, Runs, RunsConfig,
    ServeConfig, Session, SessionBody, Signal, Socket, StartError, StreamHandle, StreamInfo,
    Subscribable, WeakStreamHandle, WriteDeadline, dispatch, idle, now, sweep,
};
