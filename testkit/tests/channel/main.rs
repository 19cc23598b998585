//! Channels over real sockets, with each adapter: clients that connect, leave and reconnect.

mod client;
mod endings;
#[expect(dead_code, reason = "what a process takes is asked elsewhere")]
mod feed;
mod merged;
mod moves;
mod race;
mod reader;
mod reconnects;
mod resume;
mod server;
mod slow;
mod snapshot;
mod topics;
