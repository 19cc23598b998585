//! Why a stream ended, and the error for frames that were not sent.

use alloc::boxed::Box;
use core::error::Error;
use core::fmt;

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The request was a HEAD, which was answered with the head alone.
    HeadOnly,
    /// The source returned [`Next::Stop`](crate::Next::Stop) or [`Next::Last`](crate::Next::Last).
    Stopped,
    /// The source returned [`Next::Abort`](crate::Next::Abort).
    Aborted,
    /// The client closed the connection.
    PeerClosed,
    /// The client took no byte for the write timeout.
    Stalled,
    /// A write failed.
    WriteFailed,
    /// The client was too slow: the source returned [`Next::Lagged`](crate::Next::Lagged).
    Lagged,
    /// The server is shutting down.
    Shutdown,
    /// The stream reached its maximum age.
    Expired,
    /// The credentials of the client expired: the time of
    /// [`Connection::expire_at`](crate::Connection::expire_at).
    CredentialsExpired,
    /// The server ended the streams of this client.
    Revoked,
    /// A newer stream of the same client took the place of this one.
    Replaced,
    /// The driver dropped the stream without a reason.
    Dropped,
    /// A callback panicked.
    Panicked,
}

impl EndReason {
    /// All reasons, in the order of their declaration.
    pub const fn all() -> &'static [Self] {
        &[
            Self::HeadOnly,
            Self::Stopped,
            Self::Aborted,
            Self::PeerClosed,
            Self::Stalled,
            Self::WriteFailed,
            Self::Lagged,
            Self::Shutdown,
            Self::Expired,
            Self::CredentialsExpired,
            Self::Revoked,
            Self::Replaced,
            Self::Dropped,
            Self::Panicked,
        ]
    }

    /// The reason as a word in `snake_case`, for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HeadOnly => "head_only",
            Self::Stopped => "stopped",
            Self::Aborted => "aborted",
            Self::PeerClosed => "peer_closed",
            Self::Stalled => "stalled",
            Self::WriteFailed => "write_failed",
            Self::Lagged => "lagged",
            Self::Shutdown => "shutdown",
            Self::Expired => "expired",
            Self::CredentialsExpired => "credentials_expired",
            Self::Revoked => "revoked",
            Self::Replaced => "replaced",
            Self::Dropped => "dropped",
            Self::Panicked => "panicked",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why frames did not reach the client.
#[derive(Debug)]
pub struct SendError {
    reason: EndReason,
    source: Option<TransportError>,
}

impl SendError {
    pub(crate) fn new(reason: EndReason, source: Option<TransportError>) -> Self {
        Self { reason, source }
    }

    /// Why the stream ended.
    pub fn reason(&self) -> EndReason {
        self.reason
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(error) => write!(f, "the client was not sent everything: {error}"),
            None => write!(f, "the client was not sent everything: {}", self.reason),
        }
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}

/// The driver's own error of a failed write.
pub type TransportError = Box<dyn Error + Send + Sync>;

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn a_send_error_has_the_error_of_the_driver_as_its_source() {
        let error = SendError::new(EndReason::WriteFailed, Some("the disk is full".into()));
        assert_eq!(error.source().map(ToString::to_string), Some("the disk is full".into()));
        assert!(SendError::new(EndReason::Stalled, None).source().is_none());
    }
}
