//! What lasse's crates are tested with: streams and what they say.

mod heard;
pub mod oracle;
pub mod seeds;
pub mod streams;

pub use heard::{Heard, Listener};
