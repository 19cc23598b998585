//! When a program should stop.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Returns at Ctrl-C, and at the SIGTERM of a supervisor.
pub(crate) async fn signalled() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        ctrl_c = tokio::signal::ctrl_c() => ctrl_c,
    }
}
