//! Tools to test lasse's crates: streams with their expected output, and checks for
//! any server.

#[cfg(feature = "simulator")]
pub mod alike;
pub mod browser;
pub mod checked_log;
pub mod checks;
mod lines;
pub mod oracle;
mod received;
pub mod seeds;
#[cfg(feature = "simulator")]
pub mod sim;
#[cfg(feature = "simulator")]
pub mod soak;
pub mod streams;
mod ticker;
mod waking;

pub use lines::lines_of;
pub use received::{Received, Recorder};
pub use ticker::Ticker;
pub use waking::is_woken_by_a_channel;
