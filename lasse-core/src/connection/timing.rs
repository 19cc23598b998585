//! When a stream must act, and what it does then.

use super::{Connection, Drain, State};
use crate::deadlines::{Deadline, Deadlines};
use crate::end::EndReason;
use crate::outbox::Sender;
use crate::source::Source;
use crate::time::Instant;

/// What most streams never have.
#[derive(Debug)]
pub(super) struct Rare {
    pub(super) drain: Option<Drain>,
    /// When the credentials of the client expire.
    pub(super) expires_at: Deadline,
}

impl<S: Source> Connection<S> {
    /// Reports that the [`deadline`](Self::deadline) is reached. An early call does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.write_deadline().is_due(now) {
            self.close(EndReason::Stalled, None);
        } else if self.stall_deadline().is_due(now) {
            self.close(EndReason::Shutdown, None);
        } else if self.state == State::Open && self.drain_deadline().is_due(now) {
            self.end_for_shutdown(now);
        } else if self.abort_deadline().is_due(now) {
            self.close(EndReason::Shutdown, None);
        } else if self.state == State::Open {
            self.handle_timeout_while_open(now);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), if nothing else happens before.
    #[doc(alias = "timeout")]
    pub fn deadline(&self) -> Option<Instant> {
        if self.is_closed() {
            return None;
        }
        let stalled = self.write_deadline().min(self.stall_deadline());
        let mut next = stalled.min(self.abort_deadline());
        if self.state == State::Open {
            let Deadlines { keep_alive, age, source } = self.deadlines;
            next = next.min(age).min(self.expiry()).min(self.drain_deadline());
            if self.has_room() {
                next = next.min(source);
            }
            if self.outbox.is_empty() {
                next = next.min(keep_alive);
            }
        }
        next.time()
    }

    /// When the client must have taken a byte of what frames the stream, if it has taken none since
    /// `since`. Of a closed stream, that is all that is left, and a shutdown does not wait for it.
    #[cfg(feature = "http1")]
    pub(crate) fn framing_deadline(&self, since: Instant) -> Deadline {
        let written = Deadline::at(self.write_timeout().map(|timeout| since + timeout));
        if !self.is_closed() {
            return written;
        }
        let stalled = Deadline::at(self.drain().map(|drain| drain.stalled_at(since)));
        written.min(stalled).min(self.abort_deadline())
    }

    fn handle_timeout_while_open(&mut self, now: Instant) {
        if self.expiry().is_due(now) {
            return self.end(EndReason::CredentialsExpired, None);
        }
        if self.deadlines.age.is_due(now) {
            return self.end(EndReason::Expired, None);
        }
        if self.deadlines.source.is_due(now) {
            // The next `poll_output` polls the source.
            self.deadlines.source = Deadline::NEVER;
        }
        if self.outbox.is_empty() && self.deadlines.keep_alive.is_due(now) {
            let frame = self.call(Source::keep_alive);
            let frame = frame.unwrap_or_else(|| self.config.settings().keep_alive_frame.clone());
            self.outbox.push(frame, Sender::Protocol);
        }
    }

    fn end_for_shutdown(&mut self, now: Instant) {
        let drain = self.rare.as_mut().and_then(|rare| rare.drain.as_mut());
        let retry = drain.map(|drain| {
            drain.leave_time(now);
            drain.retry
        });
        self.end(EndReason::Shutdown, retry);
    }

    fn drain(&self) -> Option<&Drain> {
        self.rare.as_ref()?.drain.as_ref()
    }

    fn expiry(&self) -> Deadline {
        self.rare.as_ref().map_or(Deadline::NEVER, |rare| rare.expires_at)
    }

    /// When the client must have taken a byte of the write in flight, if there is one.
    fn write_deadline(&self) -> Deadline {
        let timeout = self.config.settings().write_timeout;
        Deadline::at(self.progress_at.time().and_then(|time| Some(time + timeout?)))
    }

    /// When it must have taken one because of a shutdown.
    fn stall_deadline(&self) -> Deadline {
        let time = self.progress_at.time().zip(self.drain());
        Deadline::at(time.map(|(time, drain)| drain.stalled_at(time)))
    }

    fn drain_deadline(&self) -> Deadline {
        let drain = self.drain().filter(|_| !self.config.settings().finite);
        Deadline::at(drain.map(|drain| drain.end_at))
    }

    fn abort_deadline(&self) -> Deadline {
        Deadline::at(self.drain().map(|drain| drain.abort_at.max(drain.end_at)))
    }
}
