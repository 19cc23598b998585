//! Why a stream was not admitted.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use lasse_core::Refusal;

/// Why a stream was not admitted. The client can retry after the time that each has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdmitError {
    /// There are as many streams with the same key, on all nodes together, as the limit allows.
    TooManyStreams(Duration),
    /// Redis did not answer, for this reason, and
    /// [`OutagePolicy::Refuse`](crate::OutagePolicy::Refuse) is set.
    NotReachable(String, Duration),
}

impl fmt::Display for AdmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyStreams(_) => {
                f.write_str("this client has as many streams as its limit allows")
            }
            Self::NotReachable(problem, _) => write!(f, "Redis cannot be reached: {problem}"),
        }
    }
}

impl Error for AdmitError {}

impl From<AdmitError> for Refusal {
    fn from(error: AdmitError) -> Self {
        match error {
            AdmitError::TooManyStreams(retry) => Self::too_many_streams(retry),
            AdmitError::NotReachable(_, retry) => Self::unavailable(retry),
        }
    }
}
