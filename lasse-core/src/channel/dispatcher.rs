//! Waking the readers apart from publishing, so that `publish` costs the same for ten readers and
//! for ten thousand.

use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use super::state::{Counted, DispatcherSeat, Shared};
use crate::time::Instant;

/// Wakes the readers of a channel instead of `publish`, in a task or thread of its own.
///
/// It waits until there are readers to wake, lets events gather for the [`linger`](Self::linger)
/// of the channel, and wakes the readers in batches. It also sets the time of the channel. It does
/// not keep the channel alive. If it is dropped, `publish` wakes the readers again.
///
/// # Examples
///
/// A thread that wakes the readers:
///
/// ```
/// use std::sync::Arc;
/// use std::task::{Context, Poll, Wake, Waker};
/// use std::thread::{self, Thread};
/// use lasse_core::{Channel, ChannelConfig, Dispatcher, Instant};
///
/// struct Unpark(Thread);
///
/// impl Wake for Unpark {
///     fn wake(self: Arc<Self>) {
///         self.0.unpark();
///     }
/// }
///
/// fn run(mut dispatcher: Dispatcher) {
///     let waker = Waker::from(Arc::new(Unpark(thread::current())));
///     let mut cx = Context::from_waker(&waker);
///     let now = || Instant::from(std::time::Instant::now());
///     loop {
///         match dispatcher.poll_due(now(), &mut cx) {
///             Poll::Ready(false) => return,
///             Poll::Ready(true) => {
///                 thread::sleep(dispatcher.linger());
///                 while dispatcher.wake_some() {}
///             }
///             Poll::Pending => match dispatcher.deadline() {
///                 Some(deadline) => thread::park_timeout(deadline.saturating_duration_since(now())),
///                 None => thread::park(),
///             },
///         }
///     }
/// }
///
/// let news = Channel::new(&ChannelConfig::new());
/// let dispatcher = news.dispatcher().expect("the channel is new");
/// let thread = thread::spawn(|| run(dispatcher));
/// drop(news);
/// thread.join().unwrap();
/// ```
#[derive(Debug)]
pub struct Dispatcher {
    shared: Weak<Shared>,
    linger: Duration,
}

impl Dispatcher {
    /// The dispatcher of a channel, unless there is one already.
    pub(super) fn new(shared: Arc<Shared>) -> Option<Self> {
        let mut state = shared.lock();
        if let DispatcherSeat::Taken(_) = state.dispatcher {
            return None;
        }
        state.dispatcher = DispatcherSeat::Taken(None);
        drop(state);
        Some(Self { linger: shared.settings().linger, shared: Arc::downgrade(&shared) })
    }

    /// Ready with `true` when there are readers to wake, and with `false` when the channel and all
    /// its readers are gone. Until then, registers the waker of `cx`. Poll it again at the
    /// [`deadline`](Self::deadline), too.
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

    /// Wakes up to 64 readers, and returns whether there are more to wake.
    ///
    /// # Panics
    ///
    /// If a waker panics, after the others of the 64 are woken.
    pub fn wake_some(&mut self) -> bool {
        let Some(shared) = self.shared.upgrade() else { return false };
        let mut state = shared.lock();
        let batch = state.readers.take_due(u32::MAX);
        let has_more = state.readers.is_due();
        drop(state);
        batch.wake().resume();
        has_more
    }

    /// When events will be too old, unless something changes before.
    pub fn deadline(&self) -> Option<Instant> {
        self.shared.upgrade()?.lock().log.deadline()
    }

    /// How long events gather before readers are woken.
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
