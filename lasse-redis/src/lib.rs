//! Channels of Server-Sent Events that several nodes share, on Redis Streams.
//!
//! An event that is published on any node reaches the readers of all, in one order. A client that
//! reconnects to another node resumes there. If Redis loses events, readers are reset; an id never
//! means two events.
//!
//! ```text
//!    publish                                        publish
//!      │                                              │
//! ┌────┼───────────────────────┐       ┌──────────────┼─────────────┐
//! │    │  node A               │       │  node B      │             │
//! │    │   clients ← Channel   │       │   clients ← Channel        │
//! │    │               ↑       │       │              ↑             │
//! └────┼─────────── reader ────┘       └─────────── reader ─────────┘
//!      │ XADD          ↑ XREAD              XADD │    ↑ XREAD
//!      ↓               │                         ↓    │
//! ┌─────────────────────────────────────────────────────────────────┐
//! │ Redis: a stream for each channel, and a hash beside it          │
//! └─────────────────────────────────────────────────────────────────┘
//! ```
//!
//! - [`Backplane`]: a node's connection to Redis.
//! - [`RedisChannel`]: a channel that the nodes share.
//! - [`RedisChannels`]: channels by key, a hundred thousand of them, each with a stream.
//! - [`RedisGate`]: streams that are ended, limited and listed on all nodes.
//! - [`RedisRuns`]: runs that are started, read and stopped on any node.
//! - [`RedisServer`]: one server, or the master that sentinels name.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod acknowledged;
mod announcements;
mod backfill;
mod backplane;
mod channel;
mod channels;
mod config;
mod connector;
mod entry;
mod error;
mod follower;
mod gate;
mod problems;
mod reader;
mod reconnect;
mod reply;
mod report;
mod runs;
mod scripts;
mod server;
mod shared;
mod stream;
mod stream_id;
mod topic_table;
mod watched;

pub use backplane::{Backplane, ChannelError, Health};
pub use channel::{LocalChannel, RedisChannel, StreamStats};
pub use channels::{InvalidKey, RedisChannels};
pub use config::BackplaneConfig;
pub use error::{BY_KEY_COMMANDS, COMMANDS, GATE_COMMANDS, PublishError, RUNS_COMMANDS};
pub use gate::{
    AdmitError, ClusterStream, ClusterStreams, OutagePolicy, RedisGate, RedisGateConfig,
};
pub use runs::{ListedRun, RedisRuns, RedisRunsConfig, RedisRunsError};
pub use server::{InvalidServer, RedisServer};
pub use stream::InvalidStreamName;
