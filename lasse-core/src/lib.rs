//! Server-Sent Events as a state machine, without I/O.

#![cfg_attr(not(feature = "std"), no_std)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

extern crate alloc;

#[cfg(feature = "std")]
mod channel;
mod config;
mod connection;
mod deadlines;
mod decode;
mod event;
mod field;
mod frame;
mod handler;
#[cfg(feature = "http1")]
pub mod http1;
mod line;
mod log;
mod outbox;
#[cfg(feature = "http")]
mod request;
mod time;

#[cfg(feature = "std")]
pub use channel::{
    Channel, ChannelConfig, Channels, Deserted, Outcome, Position, Publisher, Pump, ResetNotice,
    Slow, StaleSnapshot, Stats, Subscriber, Subscription,
};
pub use config::{Config, InvalidConfig};
#[cfg(feature = "http")]
pub use connection::Body;
pub use connection::{Close, Connection, Drain, Output};
pub use decode::{Decoded, Decoder, EventTooLarge, Message};
#[cfg(feature = "json")]
pub use event::JsonError;
pub use event::{DataRequired, Event, EventBuilder};
pub use field::{EventId, EventName, InvalidField, InvalidLastEventId, LastEventId};
pub use frame::Frame;
pub use handler::{Handler, Next, Reason, SendError, TransportError};
pub use log::{
    Cursor, Ending, Epoch, Gap, InvalidEpoch, Log, Read, Refused, Resume, Retention, Start,
};
#[cfg(feature = "http")]
pub use request::{Accept, Init, RequestHead};
pub use time::Instant;
