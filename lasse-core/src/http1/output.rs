//! What a driver must do for a server connection.

use http::Request;

use super::wire::Wire;
use crate::connection::Close;

/// What the driver of a [`ServerConnection`](super::ServerConnection) must do.
#[derive(Debug)]
#[must_use]
pub enum ServerOutput {
    /// Prepare the response to this request, and pass it to
    /// [`ServerConnection::respond`](super::ServerConnection::respond).
    Request(Request<()>),
    /// Write these bytes, or some of them.
    Write(Wire),
    /// Shut down the writing half of the socket, and continue.
    HalfClose,
    /// Wait for an input or the deadline.
    Wait,
    /// Close the socket. After [`Close::Abort`], reset it.
    Close(Close),
}
