//! The examples, run as programs.

mod news;
mod program;
mod store;
