//! Channels of several nodes, on Redis Streams.

#[doc(inline)]
pub use lasse_redis::{
    BY_KEY_COMMANDS, Backplane, BackplaneConfig, COMMANDS, ChannelError, Health, InvalidKey,
    InvalidServer, InvalidStreamName, LocalChannel, PublishError, RedisChannel, RedisChannels,
    RedisServer, StreamStats,
};
