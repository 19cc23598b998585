//! Channels of several nodes, on Redis Streams.

#[doc(inline)]
pub use lasse_redis::{
    Backplane, BackplaneConfig, COMMANDS, ChannelError, Health, InvalidServer, InvalidStreamName,
    PublishError, RedisChannel, RedisServer, StreamStats,
};
