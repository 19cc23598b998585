//! Channels over real sockets: what a client hears that comes, goes and comes
//! back, from each adapter.

mod client;
mod endings;
#[expect(dead_code, reason = "what a process takes is asked elsewhere")]
mod feed;
mod moves;
mod race;
mod reader;
mod reconnects;
mod resume;
mod server;
mod slow;
mod snapshot;
