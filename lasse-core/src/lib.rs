//! Server-Sent Events as a state machine, without I/O.

#![cfg_attr(not(feature = "std"), no_std)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

extern crate alloc;

mod decode;
mod event;
mod field;
mod frame;
mod line;
mod time;

pub use decode::{Decoded, Decoder, EventTooLarge, Message};
#[cfg(feature = "json")]
pub use event::JsonError;
pub use event::{DataRequired, Event, EventBuilder};
pub use field::{EventId, EventName, InvalidField, InvalidLastEventId, LastEventId};
pub use frame::Frame;
pub use time::Instant;
