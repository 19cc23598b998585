//! Channels over real sockets: what a client hears that comes, goes and comes
//! back, from each adapter.

mod client;
mod endings;
mod feed;
mod moves;
mod race;
mod reader;
mod reconnects;
mod resume;
mod server;
mod slow;
mod snapshot;
