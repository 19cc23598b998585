//! The end of a connection after its last response.

use core::mem::replace;
use core::time::Duration;

use super::output::ServerOutput;
use crate::deadlines::Deadline;
use crate::time::Instant;

/// The end of a connection after its last response (RFC 9112 9.6).
///
/// If a socket is closed while bytes of the client are unread, the kernel resets the
/// connection, and the reset can overtake the response. So the server closes its half,
/// and reads and discards until the client has closed the other half, up to
/// a number of bytes and for a time.
#[derive(Debug)]
pub(super) struct Linger {
    deadline: Deadline,
    /// How many bytes are still discarded.
    room: usize,
    is_half_closed: bool,
}

impl Linger {
    pub(super) fn new(now: Instant) -> Self {
        let deadline = Deadline::after(now, Some(MAX_TIME));
        Self { deadline, room: MAX_BYTES, is_half_closed: false }
    }

    pub(super) fn poll_output(&mut self) -> ServerOutput {
        if replace(&mut self.is_half_closed, true) {
            ServerOutput::Wait
        } else {
            ServerOutput::HalfClose
        }
    }

    pub(super) fn handle_input(&mut self, len: usize) {
        self.room = self.room.saturating_sub(len);
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.room == 0 || self.deadline.is_due(now)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline.time()
    }
}

const MAX_BYTES: usize = 256 * 1024;
const MAX_TIME: Duration = Duration::from_secs(2);
