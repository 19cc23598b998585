//! The examples, run as programs.

mod chat;
mod chat_rooms;
mod events;
mod feeds;
mod news;
mod news_store;
mod program;
mod rooms;
mod sign_in;
mod sse_migration;
mod ticker;
mod tokens;
