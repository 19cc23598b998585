//! A server for HTTP/1.1 on plain tokio sockets, whose responses are streams or a
//! few bytes.

#[doc(inline)]
pub use lasse_tokio::server;
#[doc(inline)]
pub use lasse_tokio::{
    Serve, refuse, respond, respond_with, serve, serve_connection, stream, subscribe,
    subscribe_merged, subscribe_to, unauthorized,
};
