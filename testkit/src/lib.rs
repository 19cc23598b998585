//! What lasse's crates are tested with: streams and what they say, and checks for
//! any server.

pub mod browser;
pub mod checked_log;
pub mod checks;
mod heard;
mod lines;
pub mod oracle;
pub mod seeds;
pub mod sim;
pub mod streams;
mod ticker;
mod waking;

pub use heard::{Heard, Listener};
pub use lines::lines_of;
pub use ticker::Ticker;
pub use waking::is_woken_by_a_channel;
