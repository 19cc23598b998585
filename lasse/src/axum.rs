//! Streams in handlers of axum, and a server for a router.

#[doc(inline)]
pub use lasse_hyper::{RouterService, SseRequest, serve_router};
