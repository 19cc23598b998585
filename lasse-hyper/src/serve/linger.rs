//! The end of a connection after its last response.

use std::time::Duration;

use tokio::io::{AsyncReadExt, copy, sink};
use tokio::time::timeout;

use super::transport::Transport;

/// Closes our half of a connection, and discards what the client sends until it closes
/// the other half.
///
/// If a socket is closed while bytes of the client are unread, the kernel resets the
/// connection, and the reset can overtake the response (RFC 9112 9.6).
pub(super) async fn linger(mut io: impl Transport) {
    let end = async {
        tokio::io::AsyncWriteExt::shutdown(&mut io).await?;
        copy(&mut (&mut io).take(MAX_BYTES), &mut sink()).await
    };
    let _ = timeout(MAX_TIME, end).await;
}

const MAX_BYTES: u64 = 256 * 1024;
const MAX_TIME: Duration = Duration::from_secs(2);
