//! Why runs that nodes share cannot be used.

use std::error::Error;
use std::fmt;

use lasse_tokio::StartError;

use crate::error::Failure;

/// Why runs that nodes share cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisRunsError {
    /// The run was not started: there are too many, or another owner has one of this id.
    Start(StartError),
    /// Redis did not answer: answer 503. A run may have been started; starting it again with the
    /// same id is safe.
    NotReachable(String),
    /// Redis refused the command.
    Refused(String),
}

impl fmt::Display for RedisRunsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::NotReachable(problem) => write!(f, "Redis cannot be reached: {problem}"),
            Self::Refused(problem) => write!(f, "Redis refused a command: {problem}"),
        }
    }
}

impl Error for RedisRunsError {}

impl From<StartError> for RedisRunsError {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl From<Failure> for RedisRunsError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(problem) => Self::Refused(problem),
            failure => Self::NotReachable(failure.to_string()),
        }
    }
}
