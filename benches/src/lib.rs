//! What the benchmarks share.

pub mod cases;
