//! Streams as responses of hyper, axum and tower services, and a server for
//! HTTP/1.1 and HTTP/2.

#[doc(inline)]
pub use lasse_hyper::{
    Aborted, EndReasonCell, EventBody, EventService, Serve, respond, respond_with, serve, stream,
    subscribe,
};
