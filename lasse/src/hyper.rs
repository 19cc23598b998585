//! Streams as responses of hyper, axum and tower services, and a server for
//! HTTP/1.1 and HTTP/2.

#[doc(inline)]
pub use lasse_hyper::{
    Aborted, BodyError, ChannelBody, EndReasonCell, EventBody, EventService, HandlerBody,
    MergedBody, Serve, collect_body, refuse, respond, respond_with, serve, stream, subscribe,
    subscribe_merged, subscribe_to, unauthorized,
};
