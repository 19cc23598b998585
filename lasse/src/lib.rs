#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(feature = "tokio")]
pub mod tokio;

#[doc(inline)]
pub use lasse_core::*;
#[cfg(feature = "client")]
#[doc(inline)]
pub use lasse_hyper::{ClientEvent, DisconnectReason, EventSource, EventSourceError, MessageEvent};
#[cfg(feature = "tokio")]
#[doc(inline)]
pub use lasse_tokio::{
    CutShort, DrainPlan, Drive, Ended, Endpoint, Events, Frames, Gate, GateConfig, GateStats,
    InvalidServeConfig, Listener, Mail, Mailbox, Notifier, NotifyError, PeerAddr, Permit, Refusal,
    RejectReason, Rejected, Relay, Said, ServeConfig, Session, Silence, Transport, WriteDeadline,
    dispatch, drive, idle, mailbox, now, sweep,
};
