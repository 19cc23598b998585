//! Why a stream was not admitted.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use lasse_core::Refusal;

/// A gate did not admit a stream. It can do so later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    reason: RejectReason,
    retry: Duration,
}

impl Rejected {
    pub(super) fn new(reason: RejectReason, retry: Duration) -> Self {
        Self { reason, retry }
    }

    /// Why.
    pub fn reason(&self) -> RejectReason {
        self.reason
    }

    /// After how long the client should try again. This is a random time, so that not all
    /// clients return at once.
    pub fn retry(&self) -> Duration {
        self.retry
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            RejectReason::Limit => "the server has as many streams as its limit allows",
            RejectReason::LimitPerKey => "this client has as many streams as its limit allows",
            RejectReason::Draining => "the server is shutting down",
        })
    }
}

impl Error for Rejected {}

impl From<Rejected> for Refusal {
    fn from(rejected: Rejected) -> Self {
        match rejected.reason {
            RejectReason::LimitPerKey => Self::too_many_streams(rejected.retry),
            RejectReason::Limit | RejectReason::Draining => Self::unavailable(rejected.retry),
        }
    }
}

/// Why a stream was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectReason {
    /// As many streams are open as the limit allows.
    Limit,
    /// As many streams with the same key are open as the limit allows.
    LimitPerKey,
    /// The server is shutting down.
    Draining,
}

impl RejectReason {
    /// All reasons.
    pub const fn all() -> &'static [Self] {
        &[Self::Limit, Self::LimitPerKey, Self::Draining]
    }

    /// The reason as a word in `snake_case`, for metrics and logs.
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
