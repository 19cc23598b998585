//! Channels of several nodes, on Redis Streams.

#[doc(inline)]
pub use lasse_redis::{
    AdmitError, BY_KEY_COMMANDS, Backplane, BackplaneConfig, COMMANDS, ChannelError, ClusterStream,
    ClusterStreams, GATE_COMMANDS, Health, InvalidKey, InvalidServer, InvalidStreamName, ListedRun,
    LocalChannel, OutagePolicy, PublishError, RUNS_COMMANDS, RedisChannel, RedisChannels,
    RedisGate, RedisGateConfig, RedisRuns, RedisRunsConfig, RedisRunsError, RedisServer,
    StreamStats,
};
