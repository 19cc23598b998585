//! What the driver of a stream must do.

use bytes::Bytes;

/// What the driver must do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Output {
    /// Write these bytes or a part of them.
    Write(Bytes),
    /// Wait for the waker, the deadline, or the peer.
    Wait,
    /// End the body. Every later poll returns the same.
    Close(Close),
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// As the protocol ends a complete body: the last chunk, or `END_STREAM`.
    Clean,
    /// With a reset, so that the client knows that the body is incomplete.
    Abort,
}
