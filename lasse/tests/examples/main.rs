//! The examples, run as programs.

mod chat;
mod news;
mod news_store;
mod program;
