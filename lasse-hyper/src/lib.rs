//! Server-Sent Events for hyper, axum and tower, over HTTP/1.1 and HTTP/2.
//!
//! A request is answered by an [`http::Response`] whose body is a stream:
//!
//! - [`subscribe`]: of the events of a [`Channel`](lasse_core::Channel), from where
//!   the client left off;
//! - [`stream`]: of the events of a `Stream`;
//! - [`respond`]: of what a [`Handler`](lasse_core::Handler) of yours says, message
//!   by message;
//! - [`EventService`]: the same, as a service of hyper's or of tower's.
//!
//! [`serve`](serve()) is a server for them, and for any other hyper service.
//! [`collect_body`] reads the body of a request within limits.
//! [`EventSource`] is the other end: a client that reconnects.
//!
//! # Examples
//!
//! ```no_run
//! use std::convert::Infallible;
//! use std::future::ready;
//!
//! use http::Request;
//! use hyper::body::Incoming;
//! use hyper::service::service_fn;
//! use lasse_hyper::lasse_core::{Channel, ChannelConfig, Event};
//! use lasse_hyper::{Listener, Endpoint, ServeConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (news, endpoint) = (Channel::new(&ChannelConfig::new()), Endpoint::default());
//! news.publish(Event::new("The kettle is on."))?;
//!
//! let service = service_fn(move |request: Request<Incoming>| {
//!     ready(Ok::<_, Infallible>(lasse_hyper::subscribe(&request, &endpoint, &news)))
//! });
//! let listener = Listener::bind("127.0.0.1:4000").await?;
//! lasse_hyper::serve(listener, ServeConfig::new(), service).await;
//! # Ok(())
//! # }
//! ```
//!
//! # Under another's server
//!
//! The same responses go out by axum's server or one of your own on hyper. What is
//! decided at the socket is then that server's affair:
//!
//! | | under [`serve`](serve()) | under another's |
//! |---|---|---|
//! | a stalled HTTP/1.1 client is dropped | yes | if its listener is a [`Listener`] (`axum::serve` takes one, with the feature `axum`), or its sockets are in a [`WriteDeadline`] |
//! | a stalled HTTP/2 stream is dropped | yes | no: only with its connection |
//! | the handler hears why a client is gone | yes | [`EndReason::Dropped`](lasse_core::EndReason::Dropped), unless it puts a [`EndReasonCell`] into its requests |
//! | shutdown ends open streams | yes | if their [`Endpoint`] has a [`Gate`], and something drains it |
//! | slow heads, HTTP/2 pings | yes | as it is set up |
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `axum` | `serve_router`, and [`Listener`] for `axum::serve` |
//! | `client` (default) | [`EventSource`], the other end |
//! | `json` | `Event::json`, for anything that serializes |
//! | `metrics` | the counters of a [`Gate`] as metrics |
//! | `simdutf8` (default) | faster decoding |
//! | `tls` | [`Serve`] over TLS |
//! | `tracing` | events for `tracing` |

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod body;
#[cfg(feature = "client")]
mod client;
mod end_reason_cell;
mod request_body;
mod respond;
mod serve;
mod service;

pub use body::{Aborted, EventBody};
#[cfg(feature = "client")]
pub use client::{ClientEvent, DisconnectReason, EventSource, EventSourceError, MessageEvent};
pub use end_reason_cell::EndReasonCell;
#[doc(no_inline)]
pub use lasse_tokio::*;
pub use request_body::{BodyError, collect_body};
pub use respond::{respond, respond_with, stream, subscribe};
#[cfg(feature = "axum")]
pub use serve::{RouterService, serve_router};
pub use serve::{Serve, serve};
pub use service::EventService;
