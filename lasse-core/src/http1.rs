//! HTTP/1.1 without I/O: heads in, heads and chunks out, for drivers that have
//! no HTTP stack.
//!
//! A [`ServerConnection`] is all of it: what a driver with nothing but a socket and a
//! clock needs. Below it, [`parse_request`] reads a head from what has come so far,
//! and a [`Framer`] puts an answer on the wire.

mod bad_request;
mod framer;
mod reply;
mod request;
mod response;
mod server_connection;

pub use bad_request::BadRequest;
pub use framer::{Framer, Wire};
pub use request::{Head, Limits, Persistence, ResponseContext, check_host, parse_request};
pub use server_connection::{ServerConnection, ServerOutput};
