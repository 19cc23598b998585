//! Server-Sent Events as a state machine, without I/O: no socket, no clock, no task.
//!
//! | for | there is |
//! |---|---|
//! | an event | [`Event`], and values that cannot be malformed: [`EventId`], [`EventName`] |
//! | its bytes | [`Frame`]: encoded once, shared by all streams that send it |
//! | one client's stream | [`Connection`]: frames and time in, bytes out |
//! | the frames of a stream | [`Source`]; a [`Handler`] with a [`mailbox()`] is one, a [`Subscriber`] another |
//! | a request | [`Accept`], which makes a stream or another response |
//! | many clients, and those that reconnect | [`Channel`]: a [`Log`](log::Log) behind a lock; a [`Subscriber`] is a cursor in it |
//! | receiving | [`Decoder`]: bytes in, events out; [`Client`]: when to connect, and from which event |
//! | HTTP/1.1 on a bare socket | [`http1`] |
//!
//! `lasse-tokio` and `lasse-hyper` drive it. For a driver of your own, start with
//! [`Connection`] and the examples `threads`, `epoll` and `smol`.
//!
//! # Examples
//!
//! ```
//! use core::task::{Context, Waker};
//! use lasse_core::{
//!     Connection, Event, Handler, HandlerSource, Instant, Next, Output, StreamConfig, mailbox,
//! };
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
//! let (notifier, mailbox) = mailbox(64);
//! let source = HandlerSource::new(Echo, mailbox);
//! let mut connection = Connection::open(source, [], &StreamConfig::new(), now);
//! notifier.notify("hello".into())?;
//! let output = connection.poll_output(now, &mut Context::from_waker(Waker::noop()));
//! assert_eq!(output, Output::Write(":\ndata: hello\n\n".into()));
//! # Ok::<(), lasse_core::NotifyError>(())
//! ```
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `std` (default) | [`Channel`], [`mailbox()`]; panics of callbacks are caught |
//! | `http` (default) | requests and responses: [`Accept`], [`Connection::accept`]; [`Client`] |
//! | `simdutf8` (default) | faster decoding |
//! | `http1` | [`http1`]: heads and chunks |
//! | `json` | `Event::json`, for all types that serialize |
//!
//! Without features, the crate needs only `alloc`.

#![cfg_attr(not(feature = "std"), no_std)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

extern crate alloc;

#[cfg(feature = "std")]
pub mod channel;
#[cfg(feature = "http")]
pub mod client;
mod config;
mod connection;
mod contain;
mod deadlines;
pub mod decode;
mod dialect;
mod end;
mod event;
mod field;
mod frame;
mod handler;
#[cfg(feature = "http1")]
pub mod http1;
mod line;
pub mod log;
#[cfg(feature = "std")]
pub mod mailbox;
mod notice;
mod outbox;
#[cfg(feature = "http")]
mod request;
mod source;
mod time;
mod topic;

#[cfg(feature = "std")]
pub use channel::{
    Channel, ChannelConfig, Channels, Ended, FilterHandle, LagPolicy, MergeError, MergedId,
    MergedSubscription, Publisher, ResumeOutcome, Subscriber, Subscription,
};
#[cfg(feature = "http")]
pub use client::{Backoff, Client, ClientClosed, ClientOutput};
pub use config::{InvalidConfig, StreamConfig};
#[cfg(feature = "http")]
pub use connection::Body;
pub use connection::{Close, Connection, Drain, Output};
pub use decode::{Decoded, Decoder, EventTooLarge, Message};
pub use dialect::Dialect;
pub use end::{EndReason, SendError, TransportError};
pub use event::Event;
#[cfg(feature = "json")]
pub use event::JsonError;
pub use field::{EventId, EventName, InvalidField, InvalidLastEventId, LastEventId};
pub use frame::Frame;
pub use handler::Handler;
pub use log::{AppendError, Compaction, Ending, Epoch, ResetReason, Retention, StartAt};
#[cfg(feature = "std")]
pub use mailbox::{HandlerSource, Notifier, NotifyError, mailbox};
#[cfg(feature = "http")]
pub use request::{Accept, Init, Refusal, RequestHead};
pub use source::{Next, Progress, Source};
pub use time::Instant;
pub use topic::{InvalidTopic, TooManyTopics, Topic, TopicFilter, TopicPattern};
