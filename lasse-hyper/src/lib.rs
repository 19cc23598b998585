//! Server-Sent Events for hyper, axum and tower, over HTTP/1.1 and HTTP/2.
//!
//! A request is answered with an [`http::Response`] whose body is a stream:
//!
//! - [`subscribe`]: the events of a [`Channel`], from where the client left off;
//! - [`stream`]: the events of a `Stream`;
//! - [`respond`]: what a [`Handler`] sends, message by message;
//! - [`respond_with`]: the frames of any [`Source`];
//! - [`EventService`]: `respond` as a service of hyper and of tower.
//!
//! [`serve`](serve()) is a server for them, and for any other hyper service;
//! `serve_router` (feature `axum`) serves an axum router.
//! [`collect_body`] reads the body of a request within limits.
//! `EventSource` (feature `client`) is the other end: a client that reconnects.
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
//! use lasse_hyper::{Channel, ChannelConfig, Endpoint, Event, Listener, ServeConfig};
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
//! # Under another server
//!
//! The same responses work under axum's server, and under your own server on hyper. That server is
//! then responsible for all decisions at the socket:
//!
//! | | under [`serve`](serve()) | under another server |
//! |---|---|---|
//! | an idle HTTP/1.1 stream takes about 1 KiB | yes | no: 11 KiB, with the buffers of hyper |
//! | a stalled HTTP/1.1 client is dropped | yes | if the listener is a [`Listener`] (`axum::serve` takes one, with the feature `axum`), or the sockets are [`WriteDeadline`]s |
//! | a stalled HTTP/2 stream is reset | yes | no: only with its connection |
//! | the source receives the reason of a disconnect | yes | [`EndReason::Dropped`], unless the server puts an [`EndReasonCell`] into its requests |
//! | a shutdown ends open streams | yes | if their [`Endpoint`] has a [`Gate`] that is drained |
//! | slow heads and services, HTTP/2 pings and idle timeouts | yes | as configured there |
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `axum` | `SseRequest`, `serve_router`, and [`Listener`] for `axum::serve` |
//! | `client` (default) | [`EventSource`] |
//! | `json` | `Event::json`, for anything that serializes |
//! | `metrics` | the counters of a [`Gate`] as metrics |
//! | `simdutf8` (default) | faster decoding |
//! | `tls` | [`Serve`] over TLS |
//! | `tracing` | events for `tracing` |

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod body;
#[cfg(feature = "client")]
#[expect(hidden_glob_reexports, reason = "its types are re-exported below")]
mod client;
mod end_reason_cell;
mod request_body;
mod respond;
#[cfg(feature = "axum")]
mod router;
mod serve;
mod service;
#[cfg(feature = "axum")]
mod sse_request;

pub use body::{Aborted, EventBody};
#[cfg(feature = "client")]
pub use client::{ClientEvent, DisconnectReason, EventSource, EventSourceError, MessageEvent};
pub use end_reason_cell::EndReasonCell;
#[doc(no_inline)]
pub use lasse_tokio::*;
pub use request_body::{BodyError, collect_body};
pub use respond::{
    ChannelBody, HandlerBody, MergedBody, refuse, respond, respond_with, stream, subscribe,
    subscribe_merged, subscribe_to, unauthorized,
};
#[cfg(feature = "axum")]
pub use router::{RouterService, serve_router};
pub use serve::{Serve, serve};
pub use service::EventService;
#[cfg(feature = "axum")]
pub use sse_request::SseRequest;

/// Parts of servers: for connections that your own code accepts.
pub mod server {
    pub use crate::serve::{ConnectionServer, Transport};
    #[doc(no_inline)]
    pub use lasse_tokio::server::*;
}
