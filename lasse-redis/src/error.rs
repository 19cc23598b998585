//! Why an event was not published, or may not have been.

use std::error::Error;
use std::fmt;

use lasse_core::Ending;
use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::stream::InvalidStreamName;

/// Why an event was not published, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// Redis could not be reached in time, or cannot take writes now. Nothing was published.
    NotReachable(String),
    /// Redis refused the event. Nothing was published.
    Refused(String),
    /// The connection failed, or the time was over, after the event was sent: it may have been
    /// published. With an [idempotency key](crate::RedisChannel::publish_once), a repeated call
    /// does not publish it twice.
    OutcomeUnknown(String),
    /// The channel has ended. Nothing was published.
    Ended(Ending),
    /// The event has an id of its own. The stream numbers the events of this channel.
    OwnId,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReachable(problem) => write!(f, "Redis cannot be reached: {problem}"),
            Self::Refused(problem) => write!(f, "Redis refused the event: {problem}"),
            Self::OutcomeUnknown(problem) => {
                write!(f, "it is not known whether the event was published: {problem}")
            }
            Self::Ended(Ending::Finished) => f.write_str("the channel is finished"),
            Self::Ended(Ending::Aborted) => f.write_str("the channel was aborted"),
            Self::OwnId => f.write_str("the stream numbers its events; omit the event's id"),
        }
    }
}

impl Error for PublishError {}

/// What a failed command means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server is not there, is loading, or is not the master. Nothing was done.
    NotReachable(String),
    /// The server refused the command. Nothing was done.
    Refused(String),
    /// The stream has another epoch by now, or has ended. Nothing was done.
    OldEpoch,
    /// The connection failed: the command may have been done.
    Unknown(String),
}

impl Failure {
    pub(crate) fn of(error: &RedisError) -> Self {
        let text = error.to_string();
        match error.kind() {
            ErrorKind::Server(kind) => match kind {
                ServerErrorKind::ReadOnly
                | ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown => Self::NotReachable(text),
                ServerErrorKind::NoPerm => Self::Refused(lacks_permission(&text)),
                ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::CrossSlot
                | ServerErrorKind::ClusterDown => Self::Refused(CLUSTER.into()),
                _ => Self::of_text(text),
            },
            ErrorKind::Extension => Self::of_text(text),
            ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig => Self::Refused(text),
            _ => Self::Unknown(text),
        }
    }

    fn of_text(text: String) -> Self {
        let has = |part: &str| text.contains(part);
        if has("equal or smaller than the target") || has("Elements are too large to be stored") {
            return Self::OldEpoch;
        }
        if has("NOREPLICAS") || has("UNBLOCKED") {
            return Self::NotReachable(text);
        }
        // Within a script, the error has another text.
        if has("NOPERM") || has("ACL failure") || has("The user executing the script") {
            return Self::Refused(lacks_permission(&text));
        }
        Self::Refused(text)
    }

    /// The same failure of a command that changes nothing.
    pub(crate) fn without_effect(self) -> Self {
        match self {
            Self::Unknown(text) => Self::NotReachable(text),
            failure => failure,
        }
    }
}

impl From<Failure> for PublishError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotReachable(text) => Self::NotReachable(text),
            Failure::Refused(text) => Self::Refused(text),
            Failure::OldEpoch => Self::NotReachable("the stream changes its epoch".into()),
            Failure::Unknown(text) => Self::OutcomeUnknown(text),
        }
    }
}

impl From<InvalidStreamName> for Failure {
    fn from(error: InvalidStreamName) -> Self {
        Self::Refused(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReachable(text) | Self::Refused(text) | Self::Unknown(text) => {
                f.write_str(text)
            }
            Self::OldEpoch => f.write_str("the stream has another epoch by now"),
        }
    }
}

/// The reason for which a user is refused, with what the user needs.
pub(crate) fn lacks_permission(text: &str) -> String {
    format!(
        "{text}; the user needs these commands: {COMMANDS}, on the keys of the channel NAME: \
         ~NAME ~{{NAME}}:*, and ~lasse:wake:*; for channels by key, also {BY_KEY_COMMANDS} and \
         ~NAME:* ~{{NAME:*}}:* &NAME:*; for gates, also {GATE_COMMANDS}; for runs, also \
         {RUNS_COMMANDS}"
    )
}

/// The reason for which a cluster is refused.
pub(crate) const CLUSTER: &str = "the server is part of a cluster, which is not supported: use one \
     master, or the one that sentinels name";

/// The commands that a user of Redis needs, as its ACL names them. `INFO` is in the category
/// `@dangerous`, which many users lack.
pub const COMMANDS: &str = "+evalsha +script|load +info +time +exists +hget +hmget +hset +hlen \
     +hgetall +get +set +rename +unlink +pexpire +xadd +xread +xrange +xrevrange +xinfo|stream";

/// What a user of [channels by key](crate::RedisChannels) needs besides [`COMMANDS`], and permission for
/// the channels of pub/sub that are named like the streams.
pub const BY_KEY_COMMANDS: &str = "+spublish +ssubscribe +sunsubscribe";

/// What a user of a [gate](crate::RedisGate) needs besides [`COMMANDS`].
pub const GATE_COMMANDS: &str =
    "+zadd +zcard +zcount +zrange +zrem +zremrangebyscore +zscore +rpush +lrange";

/// What a user of [runs](crate::RedisRuns) needs besides [`COMMANDS`].
pub const RUNS_COMMANDS: &str =
    "+del +hdel +hincrby +sadd +spop +zadd +zcard +zrange +zrem +zremrangebyscore";
