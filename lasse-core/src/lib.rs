//! Server-Sent Events as a state machine, without I/O: no socket, no clock, no task.
//!
//! | to | there is |
//! |---|---|
//! | say something | [`Event`], and the values that cannot be malformed: [`EventId`], [`EventName`] |
//! | send it | [`Frame`]: encoded once, shared by who sends it |
//! | answer one client | [`Handler`], which says what is [`Next`]; [`Accept`], which makes one for a request |
//! | keep its stream | [`Connection`]: messages and time in, bytes out |
//! | tell many, and those who come back | [`Channel`]: a [`Log`] behind a lock; a [`Subscriber`] is a cursor in it |
//! | listen | [`Decoder`]: bytes in, events out; [`Client`]: when to connect, and from where |
//! | speak HTTP/1.1 over a bare socket | [`http1`] |
//!
//! `lasse-tokio` and `lasse-hyper` drive it. To drive it yourself, begin with
//! [`Connection`], and see the examples `threads` and `epoll`.
//!
//! # Examples
//!
//! ```
//! use lasse_core::{StreamConfig, Connection, Event, Handler, Instant, Next, Output};
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     type Notify = String;
//!     type Info = ();
//!
//!     fn handle_notify(&mut self, text: String) -> Next {
//!         Next::send(Event::new(text))
//!     }
//! }
//!
//! let now = Instant::from_nanos(0);
//! let mut connection = Connection::open(Echo, [], &StreamConfig::new(), now);
//! connection.handle_notify("hello".into());
//! assert_eq!(connection.poll_output(now), Output::Write(":\ndata: hello\n\n".into()));
//! ```
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `std` (default) | [`Channel`]; panics of handlers are contained |
//! | `http` (default) | requests and their answers: [`Accept`], [`Connection::accept`]; [`Client`] |
//! | `simdutf8` (default) | faster decoding |
//! | `http1` | [`http1`]: heads and chunks |
//! | `json` | `Event::json`, for anything that serializes |
//!
//! Without any, the crate needs `alloc` alone.

#![cfg_attr(not(feature = "std"), no_std)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

extern crate alloc;

#[cfg(feature = "std")]
mod channel;
#[cfg(feature = "http")]
mod client;
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
    Channel, ChannelConfig, ChannelStats, Channels, Dispatcher, IdleWatch, LagPolicy,
    PositionNotice, Publisher, ResetNotice, ResumeOutcome, StaleSnapshot, Subscriber, Subscription,
};
#[cfg(feature = "http")]
pub use client::{Backoff, Client, ClientClosed, ClientOutput};
pub use config::{InvalidConfig, StreamConfig};
#[cfg(feature = "http")]
pub use connection::Body;
pub use connection::{Close, Connection, Drain, Output};
pub use decode::{Decoded, Decoder, EventTooLarge, Message};
pub use event::Event;
#[cfg(feature = "json")]
pub use event::JsonError;
pub use field::{EventId, EventName, InvalidField, InvalidLastEventId, LastEventId};
pub use frame::Frame;
pub use handler::{EndReason, Handler, Next, SendError, TransportError};
pub use log::{
    AppendError, Cursor, Ending, Epoch, InvalidEpoch, Log, Read, ResetReason, Resume, Retention,
    StartAt,
};
#[cfg(feature = "http")]
pub use request::{Accept, Init, RequestHead};
pub use time::Instant;
