//! The examples, run as programs.

mod news;
mod news_store;
mod program;
