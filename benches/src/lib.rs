//! Code that the benchmarks share.

pub mod cases;
pub mod feed;
pub mod question;
