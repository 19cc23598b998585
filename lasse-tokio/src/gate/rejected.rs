//! Why a stream was not let in.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A stream that was not let in, though it may be later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    cause: RejectReason,
    retry: Duration,
}

impl Rejected {
    pub(super) fn new(cause: RejectReason, retry: Duration) -> Self {
        Self { cause, retry }
    }

    /// Why.
    pub fn cause(&self) -> RejectReason {
        self.cause
    }

    /// How long the client is to stay away: a random time, so that not all are
    /// back at once.
    pub fn retry(&self) -> Duration {
        self.retry
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.cause {
            RejectReason::Limit => "there are as many streams as there may be",
            RejectReason::LimitPerKey => "this client has as many streams as it may have",
            RejectReason::Draining => "the server is shutting down",
        })
    }
}

impl Error for Rejected {}

/// Why a stream is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectReason {
    /// There are as many streams as there may be.
    Limit,
    /// There are as many of the same key as there may be.
    LimitPerKey,
    /// The server is shutting down.
    Draining,
}

impl RejectReason {
    /// All causes, in the order of their declaration, for who counts by cause.
    pub const fn all() -> &'static [Self] {
        &[Self::Limit, Self::LimitPerKey, Self::Draining]
    }

    /// The cause as a word, in `snake_case`, as figures and logs have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::LimitPerKey => "limit_per_key",
            Self::Draining => "draining",
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
