//! Server-Sent Events over tokio: the core, driven by sockets, timers and
//! channels.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod clock;
mod events;
mod mailbox;

pub use clock::now;
pub use events::{Events, Relay, Said};
pub use lasse_core;
pub use mailbox::{Mail, Mailbox, Notifier, NotifyError, Silence, mailbox};
