//! When and how often the source of a stream is polled.

use core::task::Context;

use super::{Connection, State};
use crate::deadlines::Deadline;
use crate::end::EndReason;
use crate::outbox::Sender;
use crate::source::{Next, Source};
use crate::time::Instant;

impl<S: Source> Connection<S> {
    /// Polls the source until it waits, or until there is enough for one write.
    pub(super) fn poll_source(&mut self, now: Instant, cx: &mut Context<'_>) {
        for _ in 0..POLLS {
            if !self.wants_frame() {
                return;
            }
            match self.call(|source| source.poll_next(now, cx)) {
                Next::Wait(deadline) => {
                    self.deadlines.source = Deadline::at(deadline);
                    return;
                }
                Next::Send(frame) => self.outbox.push(frame, Sender::Source),
                Next::Last(frame) => {
                    self.outbox.push(frame, Sender::Source);
                    self.end(EndReason::Stopped, None);
                }
                Next::Stop => self.end(EndReason::Stopped, None),
                Next::Lagged => self.end(EndReason::Lagged, None),
                Next::Abort => self.end(EndReason::Aborted, None),
            }
        }
        // Only frames without a byte come so often.
        if self.outbox.is_empty() {
            cx.waker().wake_by_ref();
        }
    }

    /// Whether the source can be polled: it has nothing unsent, or it has more for
    /// a write that is not in flight yet.
    fn wants_frame(&mut self) -> bool {
        self.has_room()
            || self.state == State::Open
                && !self.outbox.is_in_flight()
                && self.outbox.len() < BATCH
                && self.call(|source| source.has_more())
    }

    /// Whether the stream is open, and everything of the source is acknowledged.
    /// Frames of the protocol may be queued: they go out with the next frame.
    pub(super) fn has_room(&self) -> bool {
        self.state == State::Open
            && !self.outbox.holds_source_frames()
            && !self.outbox.is_in_flight()
    }
}

/// Up to how many queued bytes the source is polled for more frames of one write.
const BATCH: usize = 16 * 1024;

/// How often the source is polled for one write.
const POLLS: usize = 64;
