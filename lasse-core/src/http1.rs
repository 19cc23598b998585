//! HTTP/1.1 without I/O, for drivers that have no HTTP stack.
//!
//! A [`ServerConnection`] is the server's side of one connection: a driver adds a socket
//! and a clock. Below it, [`parse_request`] parses the head of a request, and a
//! [`Framer`] frames a response.

mod bad_request;
mod config;
mod framer;
mod input;
mod linger;
mod output;
mod reply;
mod request;
mod response;
mod server_connection;
mod wire;

pub use bad_request::BadRequest;
pub use config::ServeConfig;
pub use framer::Framer;
pub use output::ServerOutput;
pub use request::{
    Head, Limits, Persistence, ResponseContext, check_host, check_request, parse_request,
};
pub use server_connection::ServerConnection;
pub use wire::Wire;
