//! HTTP/1.1 without I/O: heads in, heads and chunks out, for drivers that have
//! no HTTP stack.
//!
//! A [`Conversation`] is all of it: what a driver with nothing but a socket and a
//! clock needs. Below it, [`parse_request`] reads a head from what has come so far,
//! and a [`Framer`] puts an answer on the wire.

mod conversation;
mod framer;
mod reply;
mod request;
mod response;

pub use conversation::{Conversation, Step};
pub use framer::{Framer, Wire};
pub use request::{BadRequest, Head, Limits, Persistence, Terms, parse_request};
