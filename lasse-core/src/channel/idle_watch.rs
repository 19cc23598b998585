//! Watching for a channel to have no readers.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::shared::Shared;
use super::waiters::Ticket;
use crate::time::Instant;

/// Watches for a channel to have no readers for some time.
///
/// It has no clock: poll it again at the [`deadline`](Self::deadline).
#[derive(Debug)]
pub struct IdleWatch {
    shared: Arc<Shared>,
    ticket: Ticket,
    grace: Duration,
    /// Since when there has been no reader, and how many had subscribed by then.
    since: Option<(Instant, u64)>,
}

impl IdleWatch {
    pub(super) fn new(shared: Arc<Shared>, grace: Duration) -> Self {
        let ticket = shared.lock().watchers.get_or_insert_default().idle.join();
        Self { shared, ticket, grace, since: None }
    }

    /// Ready when there has been no reader for the grace period, which starts when this is first
    /// polled, or when it is polled after the last reader left. Until then, registers the waker of
    /// `cx`, which is woken when the last reader leaves.
    pub fn poll_idle(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut state = self.shared.lock();
        let arrivals = state.arrivals();
        let is_empty = state.subscribers == 0;
        let before = self.since.filter(|(_, arrived)| *arrived == arrivals);
        self.since = is_empty.then(|| before.unwrap_or((now, arrivals)));
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            return Poll::Ready(());
        }
        let watchers = state.watchers.as_mut();
        let unneeded = watchers.and_then(|watchers| watchers.idle.wait(self.ticket, waker));
        drop(state);
        drop(unneeded);
        Poll::Pending
    }

    /// When to poll again, unless a client subscribes before.
    pub fn deadline(&self) -> Option<Instant> {
        self.since.map(|(since, _)| since + self.grace)
    }
}

impl Drop for IdleWatch {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let waker = state.watchers.as_mut().and_then(|watchers| watchers.idle.leave(self.ticket));
        drop(state);
        drop(waker);
    }
}
