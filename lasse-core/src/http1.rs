//! HTTP/1.1 without I/O: heads in, heads and chunks out, for drivers that have
//! no HTTP stack.
//!
//! [`parse_request`] reads a head from what has come so far. A [`Framer`] turns
//! the answer, and then what a [`Connection`](crate::Connection) wants written,
//! into bytes on the wire.

mod framer;
mod request;
mod response;

pub use framer::{Framer, Wire};
pub use request::{BadRequest, Head, Limits, Persistence, Terms, parse_request};
