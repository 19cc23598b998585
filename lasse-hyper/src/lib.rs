//! Server-Sent Events for hyper, axum and tower, over HTTP/1.1 and HTTP/2.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod body;
mod fate;
mod respond;
mod serve;
mod service;

pub use body::{Aborted, EventBody};
pub use fate::Fate;
pub use lasse_tokio::lasse_core;
pub use lasse_tokio::{
    Answer, Cause, DrainPlan, Events, Figures, Gate, GateConfig, InvalidServeConfig, Listener,
    Mail, Mailbox, Notifier, NotifyError, PeerAddr, Refusal, Refused, Relay, Route, Said,
    ServeConfig, Silence, WriteDeadline,
};
pub use respond::{respond, respond_with, stream, subscribe};
pub use serve::{Serve, serve};
pub use service::EventService;
