//! Waking the readers apart from publishing, so that `publish` costs the same for ten readers and
//! for ten thousand.

use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec::Vec;

use super::budget::Counted;
use super::shard::Shard;
use super::shared::Shared;
use super::wakers::{WakePanic, Wakers};
use crate::time::Instant;

/// Wakes the readers of a channel, or of one of its shards, instead of `publish`, in a task or thread
/// of its own.
///
/// It waits until there are readers to wake, lets events gather for the [`linger`](Self::linger)
/// of the channel, and wakes the readers in batches. The dispatcher of the channel also sets its
/// time, and serves the shards that have no dispatcher of their own. A dispatcher does not keep the
/// channel alive. If it is dropped, `publish` wakes the readers again.
///
/// # Examples
///
/// A thread that wakes the readers:
///
/// ```
/// use std::sync::Arc;
/// use std::task::{Context, Poll, Wake, Waker};
/// use std::thread::{self, Thread};
/// use lasse_core::channel::Dispatcher;
/// use lasse_core::{Channel, ChannelConfig, Instant};
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
    scope: Scope,
    linger: Duration,
}

/// The readers that a dispatcher wakes.
#[derive(Clone, Copy, Debug)]
enum Scope {
    /// All readers except those of shards that have a dispatcher, and the shard to continue with.
    Channel { next: usize },
    /// The readers of one shard.
    Shard(usize),
}

impl Dispatcher {
    /// The dispatcher of a channel, unless there is one already.
    pub(super) fn new(shared: &Arc<Shared>) -> Option<Self> {
        let is_free = shared.lock().dispatcher.take();
        is_free.then(|| Self::with_scope(shared, Scope::Channel { next: 0 }))
    }

    /// The dispatcher of a shard, unless there is one already, or no such shard.
    pub(super) fn of_shard(shared: &Arc<Shared>, nth: usize) -> Option<Self> {
        let is_free = shared.make_shards().get(nth)?.lock_seat().take();
        is_free.then(|| Self::with_scope(shared, Scope::Shard(nth)))
    }

    fn with_scope(shared: &Arc<Shared>, scope: Scope) -> Self {
        Self { linger: shared.settings().linger, shared: Arc::downgrade(shared), scope }
    }

    /// The dispatchers of the channel's shards that are not taken yet, each for a task or thread of
    /// its own. There are none until the channel has shards: call this again whenever this
    /// dispatcher has readers to wake.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::{Channel, ChannelConfig, LastEventId, Subscription};
    ///
    /// let config = ChannelConfig::new().with_shards(4).with_shards_above(1);
    /// let news = Channel::new(&config);
    /// let dispatcher = news.dispatcher().expect("the channel is new");
    /// assert_eq!(dispatcher.take_shards().len(), 0);
    /// let readers = [(); 2].map(|()| news.subscribe(&LastEventId::Absent));
    /// assert_eq!(dispatcher.take_shards().len(), 4);
    /// ```
    pub fn take_shards(&self) -> Vec<Self> {
        let (Some(shared), Scope::Channel { .. }) = (self.shared.upgrade(), self.scope) else {
            return Vec::new();
        };
        let shards = shared.each_shard().enumerate();
        let free = shards.filter(|(_, shard)| shard.lock_seat().take());
        free.map(|(nth, _)| Self::with_scope(&shared, Scope::Shard(nth))).collect()
    }

    /// Ready with `true` when there are readers to wake, and with `false` when the channel and all
    /// its readers are gone. Until then, registers the waker of `cx`. Poll it again at the
    /// [`deadline`](Self::deadline), too.
    pub fn poll_due(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<bool> {
        let waker = cx.waker().clone();
        let Some(shared) = self.shared.upgrade() else { return Poll::Ready(false) };
        let (before, is_due) = match self.scope {
            Scope::Channel { .. } => {
                shared.advance(now).into_iter().for_each(Counted::settle);
                let mut state = shared.lock();
                if state.home.is_due() {
                    return Poll::Ready(true);
                }
                let before = state.dispatcher.wait(waker);
                drop(state);
                let is_due = unattended_from(&shared, 0).any(|(_, shard)| shard.is_due());
                (before, is_due)
            }
            Scope::Shard(nth) => {
                let Some(shard) = shared.shard(nth) else { return Poll::Ready(false) };
                let before = shard.lock_seat().wait(waker);
                (before, shard.is_due())
            }
        };
        drop(before);
        if is_due { Poll::Ready(true) } else { Poll::Pending }
    }

    /// Wakes up to 64 readers, and returns whether there are more to wake.
    ///
    /// # Panics
    ///
    /// If a waker panics, after the others of the 64 are woken.
    pub fn wake_some(&mut self) -> bool {
        let Some(shared) = self.shared.upgrade() else { return false };
        let (mut wakers, mut panic) = (Wakers::default(), WakePanic::default());
        let has_more = self.take_due(&shared, &mut wakers);
        drop(shared);
        wakers.wake(&mut panic);
        panic.resume();
        has_more
    }

    /// When events will be too old, unless something changes before. None, for the dispatcher of a
    /// shard.
    pub fn deadline(&self) -> Option<Instant> {
        match self.scope {
            Scope::Channel { .. } => self.shared.upgrade()?.lock().log.deadline(),
            Scope::Shard(_) => None,
        }
    }

    /// How long events gather before readers are woken.
    pub fn linger(&self) -> Duration {
        self.linger
    }

    fn take_due(&mut self, shared: &Shared, wakers: &mut Wakers) -> bool {
        let next = match self.scope {
            Scope::Channel { next } => next,
            Scope::Shard(nth) => {
                let shard = shared.shard(nth);
                return shard.is_some_and(|shard| shard.take_due(shared, u32::MAX, wakers));
            }
        };
        shared.lock().home.take_due(u32::MAX, 0, wakers);
        if !wakers.is_empty() {
            return has_work(shared);
        }
        let mut unattended = unattended_from(shared, next);
        let Some((nth, shard)) = unattended.find(|(_, shard)| shard.is_due()) else { return false };
        let has_more = shard.take_due(shared, u32::MAX, wakers);
        self.scope = Scope::Channel { next: if has_more { nth } else { nth + 1 } };
        has_more || has_work(shared)
    }
}

/// Whether the channel's dispatcher has readers to wake.
fn has_work(shared: &Shared) -> bool {
    let is_due = shared.lock().home.is_due();
    is_due || unattended_from(shared, 0).any(|(_, shard)| shard.is_due())
}

/// The shards without a dispatcher, all of them once, from the `first` on.
fn unattended_from(shared: &Shared, first: usize) -> impl Iterator<Item = (usize, &Shard)> {
    let shards = shared.each_shard().enumerate();
    let (before, from) = (shards.clone().take(first), shards.skip(first));
    from.chain(before).filter(|(_, shard)| shard.is_unattended())
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let mut panic = WakePanic::default();
        let seat = match self.scope {
            Scope::Channel { .. } => {
                let seat = std::mem::take(&mut shared.lock().dispatcher);
                shared.serve_all(&mut panic);
                seat
            }
            Scope::Shard(nth) => {
                let Some(shard) = shared.shard(nth) else { return };
                let seat = std::mem::take(&mut *shard.lock_seat());
                if shard.is_due() {
                    shared.serve(shard, &mut panic);
                }
                seat
            }
        };
        drop(seat);
        panic.resume();
    }
}
