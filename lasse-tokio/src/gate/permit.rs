//! The permit that a stream holds for as long as it is open.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lasse_core::{Connection, Drain, EndReason, Instant, Source};

use super::opened::Opened;
use super::per_key::Key;
use super::registry::Entry;
use super::stream_handle::StreamHandle;
use super::{Gate, report};
use crate::clock::now;
use crate::timer_queue::TimerEntry;

/// The permit that a [`Gate`] gives to one stream, which is open until the permit is dropped. The
/// permit notifies the stream when it must end, and the gate why it ended.
pub struct Permit {
    gate: Gate,
    /// By which the gate wakes the stream's task.
    timer: Option<TimerEntry>,
    /// What most streams do not have.
    extra: Option<Box<Extra>>,
    /// The number of drains when the stream last saw the schedule.
    drains: u32,
    /// The count that ends when the permit is dropped, if any.
    reason: Option<EndReason>,
    /// When the stream was opened, if this permit is in the metrics: of a stream's two, one is.
    opened: Opened,
}

#[derive(Default)]
struct Extra {
    /// The key for which it is counted.
    key: Option<Key>,
    /// By which it can be ended by itself.
    entry: Option<Arc<Entry>>,
    /// By which others end it.
    handle: Option<StreamHandle>,
    /// The permit of the server's gate, if that is another one.
    server: Option<Permit>,
}

/// What a stream must do, by its [`Permit`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Signal {
    /// Take part in a drain.
    Drain(Drain),
    /// End now: [`Connection::end`].
    End {
        /// Why.
        reason: EndReason,
        /// After how long the client returns.
        retry: Duration,
    },
}

impl Signal {
    /// Passes the signal to the stream.
    pub fn apply<S: Source>(self, stream: &mut Connection<S>) {
        match self {
            Self::Drain(drain) => stream.handle_drain(drain),
            Self::End { reason, retry } => stream.end(reason, Some(retry)),
        }
    }
}

impl Permit {
    /// A permit that has nothing to count yet but that it is there.
    pub(super) fn new(gate: Gate) -> Self {
        let (timer, extra, reason) = (None, None, None);
        Self { gate, timer, extra, drains: 0, reason, opened: Opened::default() }
    }

    /// The key for which the gate has counted the stream, and the entry by which it can be ended.
    pub(super) fn with_entry(self, key: Option<Key>, entry: Option<Arc<Entry>>) -> Self {
        let mut permit = self;
        if key.is_some() || entry.is_some() {
            permit.extra = Some(Box::new(Extra { key, entry, ..Extra::default() }));
        }
        permit
    }

    /// The permit of a stream that opens now, with that of its server's gate.
    pub(super) fn open(self, server: Option<Self>) -> Self {
        let mut permit = self;
        if server.is_some() {
            permit.extra.get_or_insert_default().server = server;
        }
        permit.record(EndReason::Dropped);
        permit.opened = Opened::at(now());
        report::opened();
        permit
    }

    /// The stream opens: ends the one that it replaces, if any.
    pub(crate) fn confirm(&mut self) {
        let Some(extra) = &mut self.extra else { return };
        let config = &self.gate.0.config;
        if let Some(oldest) = extra.key.and_then(|key| config.take_oldest(key)) {
            oldest.end.end(EndReason::Replaced, config.draw_client_retry());
        }
        extra.handle.iter().for_each(StreamHandle::set_opened);
        extra.server.iter_mut().for_each(Self::confirm);
    }

    /// Also ended by this handle.
    pub(super) fn with_handle(mut self, handle: Option<StreamHandle>) -> Self {
        if handle.is_some() {
            self.extra.get_or_insert_default().handle = handle;
        }
        self
    }

    /// Ready when the stream must end, now or at some time in a drain. Ready again if a new
    /// plan replaces the old one. For most streams it costs one atomic load until then.
    ///
    /// If both the endpoint's and the server's gate drain, the server's plan counts.
    #[inline]
    pub fn poll_signal(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        match self.extra {
            None => self.poll_drain(cx).map(Signal::Drain),
            Some(_) => self.poll_all(cx),
        }
    }

    /// Polls for an end of this stream alone, and the server's gate, too.
    fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        if let Some(Extra { entry, handle, .. }) = self.extra.as_deref() {
            if let Some(Poll::Ready(end)) = entry.as_ref().map(|entry| entry.end.poll_end(cx)) {
                return Poll::Ready(end);
            }
            if let Some(Poll::Ready(end)) = handle.as_ref().map(|handle| handle.poll_end(cx)) {
                return Poll::Ready(end);
            }
        }
        let own = self.poll_drain(cx).map(Signal::Drain);
        let Some(server) = self.server() else { return own };
        match server.poll_signal(cx) {
            Poll::Pending if server.drains == 0 => own,
            signal => signal,
        }
    }

    #[inline]
    fn poll_drain(&mut self, cx: &Context<'_>) -> Poll<Drain> {
        let gate = &self.gate.0;
        gate.timers.register(&mut self.timer, cx.waker());
        if gate.admissions.drains() == self.drains {
            return Poll::Pending;
        }
        self.draw()
    }

    #[cold]
    fn draw(&mut self) -> Poll<Drain> {
        let gate = &self.gate.0;
        let drains = gate.admissions.drains();
        // A clone, because to draw calls the user's code, which must not be called under a
        // lock.
        let schedule = gate.admissions.with_schedule(|schedule, _| schedule.clone());
        let Some(schedule) = schedule else { return Poll::Pending };
        if self.drains == 0 {
            gate.counters.count_draining();
        }
        self.drains = drains;
        Poll::Ready(schedule.draw(now(), &gate.config))
    }

    /// Has the stream's task woken at `time`, or once before.
    pub(crate) fn wake_at(&mut self, time: Instant, now: Instant, cx: &mut Context<'_>) {
        let timers = &self.gate.0.timers;
        let entry = timers.register(&mut self.timer, cx.waker());
        timers.wake_at(entry, time, now);
    }

    /// Sets the reason for which the stream ended. Without one, the gate counts
    /// [`EndReason::Dropped`].
    pub fn record(&mut self, reason: EndReason) {
        self.reason = Some(reason);
        if let Some(server) = self.server() {
            server.reason = Some(reason);
        }
    }

    /// Gives the permit back: it was not used for a stream, and no end is counted.
    pub fn withdraw(mut self) {
        self.reason = None;
        if let Some(server) = self.server() {
            server.reason = None;
        }
    }

    fn server(&mut self) -> Option<&mut Self> {
        self.extra.as_mut()?.server.as_mut()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let gate = &self.gate.0;
        if let Some(entry) = self.timer.take() {
            gate.timers.remove(entry);
        }
        if let Some(Extra { key, entry, .. }) = self.extra.as_deref() {
            let entry = entry.as_deref();
            key.iter().for_each(|key| gate.config.return_key(*key, entry));
            entry.iter().for_each(|entry| gate.registry.remove(entry));
        }
        if self.drains > 0 {
            gate.counters.count_drained();
        }
        if let Some(reason) = self.reason {
            gate.counters.count_ended(reason);
        }
        if let Some(time) = self.opened.until(now()) {
            self.reason.into_iter().for_each(|reason| report::ended(reason, time));
            report::closed();
        }
        gate.remove_stream();
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_draining = self.drains > 0;
        f.debug_struct("Permit").field("is_draining", &is_draining).finish_non_exhaustive()
    }
}
