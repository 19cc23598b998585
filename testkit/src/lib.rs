//! What lasse's crates are tested with.

pub mod checks;
