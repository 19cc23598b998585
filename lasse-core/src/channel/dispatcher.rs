//! Waking the readers apart from publishing, so that `publish` costs the same for
//! ten readers and ten thousand.

use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use super::state::{Counted, DispatcherSeat, Shared};
use crate::time::Instant;

/// Who wakes the readers of a channel instead of `publish`: a task of its own.
///
/// It waits until there is someone to wake, lets events gather for the
/// [`linger`](Self::linger) of the channel, and wakes the readers a batch at a
/// time. It tells the channel the time, too. It does not keep the channel alive.
/// Dropped, it leaves the waking to `publish` again.
///
/// # Examples
///
/// ```
/// # use lasse_core::{Channel, ChannelConfig, Instant};
/// # async fn sleep(_: std::time::Duration) {}
/// # async fn yield_now() {}
/// # fn now() -> Instant { Instant::from_nanos(0) }
/// # fn spawn(_: impl Future<Output = ()>) {}
/// let news = Channel::new(&ChannelConfig::new());
/// if let Some(mut dispatcher) = news.dispatcher() {
///     spawn(async move {
///         while std::future::poll_fn(|cx| dispatcher.poll_due(now(), cx)).await {
///             sleep(dispatcher.linger()).await;
///             while dispatcher.wake_some() {
///                 yield_now().await;
///             }
///         }
///     });
/// }
/// ```
#[derive(Debug)]
pub struct Dispatcher {
    shared: Weak<Shared>,
    linger: Duration,
}

impl Dispatcher {
    /// Takes the seat, if it is free.
    pub(super) fn new(shared: Arc<Shared>) -> Option<Self> {
        let mut state = shared.lock();
        if let DispatcherSeat::Taken(_) = state.dispatcher {
            return None;
        }
        state.dispatcher = DispatcherSeat::Taken(None);
        drop(state);
        Some(Self { linger: shared.settings().linger, shared: Arc::downgrade(&shared) })
    }

    /// Ready with true when there are readers to wake, with false when the channel
    /// and all its readers are gone. Until then, remembers to wake `cx`; poll
    /// again when the [`deadline`](Self::deadline) has come, too.
    pub fn poll_due(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<bool> {
        let waker = cx.waker().clone();
        let Some(shared) = self.shared.upgrade() else { return Poll::Ready(false) };
        shared.advance(now).into_iter().for_each(Counted::settle);
        let mut state = shared.lock();
        if state.readers.is_due() {
            return Poll::Ready(true);
        }
        let before = std::mem::replace(&mut state.dispatcher, DispatcherSeat::Taken(Some(waker)));
        drop(state);
        drop(before);
        Poll::Pending
    }

    /// Wakes up to 64 readers; tells whether there are more to wake.
    ///
    /// # Panics
    ///
    /// When a waker panics, after the others of the 64 are woken.
    pub fn wake_some(&mut self) -> bool {
        let Some(shared) = self.shared.upgrade() else { return false };
        let mut state = shared.lock();
        let batch = state.readers.take_due(u32::MAX);
        let has_more = state.readers.is_due();
        drop(state);
        batch.wake().resume();
        has_more
    }

    /// When events will be too old, as things are.
    pub fn deadline(&self) -> Option<Instant> {
        self.shared.upgrade()?.lock().log.deadline()
    }

    /// How long to let events gather before waking.
    pub fn linger(&self) -> Duration {
        self.linger
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let mut state = shared.lock();
        let seat = std::mem::take(&mut state.dispatcher);
        shared.wake(state, |state| Some(&mut state.readers));
        drop(seat);
    }
}
