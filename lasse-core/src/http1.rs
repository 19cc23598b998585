//! HTTP/1.1 without I/O: heads in, heads and chunks out, for drivers that have
//! no HTTP stack.
//!
//! [`parse_request`] reads a head from what has come so far. A [`Reply`] is the
//! answer, stream or not, as bytes on the wire; below it, a [`Framer`] does the same
//! for drivers that have the payload by other ways.

mod framer;
mod reply;
mod request;
mod response;

pub use framer::{Framer, Wire};
pub use reply::{Reply, Step};
pub use request::{BadRequest, Head, Limits, Persistence, Terms, parse_request};
