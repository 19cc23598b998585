//! Shards: the readers of a busy channel in several groups, each with a lock of its own.

use std::boxed::Box;
use std::cell::OnceCell;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::thread;

use bytes::Bytes;

use super::config::Settings;
use super::seat::{Called, Seat};
use super::shard_flags::{ShardFlags, TopicsFlag};
use super::shard_topics::ShardTopics;
use super::shared::Shared;
use super::sync::{AtomicU32, Mutex, MutexGuard, Ordering};
use super::tip::Tip;
use super::waiters::Waiters;
use super::wakers::{WakePanic, Wakers};
use crate::frame::Frame;
use crate::log::{Batch, Cursor};

/// The shards of a channel.
#[derive(Debug)]
pub(super) struct Shards(Box<[Shard]>);

/// Readers that wait apart from those of other shards. If the threads that poll readers have shards
/// of their own, they share no lock and no reference count in the common case.
///
/// Aligned, so that shards do not share a cache line either.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Shard {
    pub(super) flags: ShardFlags,
    pub(super) topics_flag: TopicsFlag,
    number: u8,
    /// How often the readers that waited became due, for readers that look without the lock.
    calls: AtomicU32,
    pub(super) seat: Mutex<Seat>,
    state: Mutex<ShardState>,
}

/// What the lock of a shard guards. It is taken before the lock of the log, never after it.
#[derive(Debug, Default)]
pub(super) struct ShardState {
    pub(super) readers: Waiters,
    /// Whether the flags are set for the readers that wait.
    has_flag: bool,
    /// The newest slice that was read here.
    slice: Option<Slice>,
    /// What readers of topics need, if there are any.
    pub(super) topics: Option<Box<ShardTopics>>,
}

/// A slice of the log, with a reference count of its own.
#[derive(Debug)]
pub(super) struct Slice {
    from: Cursor,
    to: Cursor,
    /// Whether there are events after it that would not fit.
    is_full: bool,
    frame: Frame,
}

impl Shards {
    /// The number of shards in the settings. If it is one, there are none, and all readers wait at home.
    pub(super) fn new(settings: &Settings) -> Self {
        let count = settings.shards.unwrap_or_else(default_count).min(MOST_SHARDS);
        let numbers = (0..count).filter(|_| count > 1).filter_map(|number| number.try_into().ok());
        Self(numbers.map(|number| Shard { number, ..Shard::default() }).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Shard> + Clone {
        self.0.iter()
    }

    pub(super) fn get(&self, nth: usize) -> Option<&Shard> {
        self.0.get(nth)
    }

    /// The index of a shard that a caller numbers.
    pub(super) fn index(&self, number: usize) -> Option<usize> {
        number.checked_rem(self.0.len())
    }
}

impl Shard {
    /// Poison is ignored, because no panic can leave a change half done.
    pub(super) fn lock(&self) -> MutexGuard<'_, ShardState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock_seat(&self) -> MutexGuard<'_, Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often the readers that waited became due.
    ///
    /// A reader that waited when this was less may no longer wait. Acquire, and below its Release,
    /// though a reader that was woken sees all earlier writes anyway.
    pub(super) fn calls(&self) -> u32 {
        self.calls.load(Ordering::Acquire)
    }

    /// Its place among the shards.
    pub(super) fn number(&self) -> usize {
        usize::from(self.number)
    }

    /// Calls the dispatcher of the shard.
    pub(super) fn call(&self) -> Called {
        self.lock_seat().call()
    }

    /// Whether no dispatcher serves the shard alone.
    pub(super) fn is_unattended(&self) -> bool {
        matches!(*self.lock_seat(), Seat::Empty)
    }

    /// Sets that readers wait, while the lock is held. The caller reads the tip after this.
    pub(super) fn set_waiting(&self, state: &mut ShardState) {
        if !std::mem::replace(&mut state.has_flag, true) {
            self.flags.set_waiting();
        }
    }

    /// Whether readers must be woken.
    pub(super) fn is_due(&self) -> bool {
        self.has_news() || self.lock().readers.is_due()
    }

    /// Whether something was published for readers that have not become due.
    fn has_news(&self) -> bool {
        self.flags.is_due() || self.topics_flag.is_set()
    }

    /// Takes the wakers of some readers that must be woken, and returns whether there are more.
    ///
    /// All waiting readers become due together, once all that were due before are taken.
    pub(super) fn take_due(&self, shared: &Shared, limit: u32, wakers: &mut Wakers) -> bool {
        let mut state = self.lock();
        let mut stale = (None, None);
        if !state.readers.is_due() && self.has_news() {
            stale = self.call_readers(&mut state, shared);
        }
        let turn = state.turn();
        state.readers.take_due(limit, turn, wakers);
        let has_more = state.readers.is_due();
        drop(state);
        drop(stale);
        has_more || self.has_news()
    }

    /// Makes due the readers that wait for the published events. Returns values that the caller
    /// drops without the lock.
    fn call_readers(
        &self,
        state: &mut ShardState,
        shared: &Shared,
    ) -> (Option<Slice>, Option<Batch>) {
        let mut stale = (None, None);
        self.calls.fetch_add(1, Ordering::Release);
        if self.flags.is_due() {
            self.flags.clear();
            state.has_flag = false;
            state.readers.call();
            stale.0 = state.slice.take_if(|slice| !slice.is_newest(&shared.tip));
        }
        if self.topics_flag.is_set() {
            stale.1 = state.call_topics(self, shared);
        }
        stale
    }

    /// Wakes the readers that wait now, in place of a dispatcher.
    ///
    /// No more than there are readers, so that a caller does not wake without end while others
    /// publish.
    pub(super) fn wake_all(&self, shared: &Shared, panic: &mut WakePanic) {
        let mut left = self.lock().readers.taken();
        let mut wakers = Wakers::default();
        while self.take_due(shared, left, &mut wakers) && left > 0 {
            left = left.saturating_sub(wakers.wake(panic));
        }
        wakers.wake(panic);
    }

    /// Drops the slice that is kept for the next reader.
    pub(super) fn forget_slice(&self) {
        let mut state = self.lock();
        let stale = (state.slice.take(), state.take_batch());
        drop(state);
        drop(stale);
    }
}

impl ShardState {
    /// The slice at the cursor, if it is kept and if the log would give the same.
    #[inline]
    pub(super) fn find(&self, cursor: Cursor, tip: &Tip) -> Option<&Slice> {
        let slice = self.slice.as_ref().filter(|slice| slice.from == cursor)?;
        let is_same = (slice.is_full || slice.is_newest(tip)) && !tip.has_passed(cursor);
        is_same.then_some(slice)
    }

    /// Whether the slice that is kept begins after the cursor.
    pub(super) fn is_beyond(&self, cursor: Cursor) -> bool {
        self.slice.as_ref().is_some_and(|slice| slice.from > cursor)
    }

    /// Keeps a slice for the next reader. Returns what the caller drops without the lock.
    pub(super) fn keep(&mut self, slice: Slice) -> Option<Slice> {
        self.slice.replace(slice)
    }

    /// Takes the slice, since nobody is left to read it.
    pub(super) fn take_unneeded(&mut self) -> Option<Slice> {
        self.slice.take_if(|_| self.readers.taken() == 0)
    }
}

impl Slice {
    pub(super) fn new(from: Cursor, to: Cursor, end: Cursor, frame: Frame) -> Self {
        let frame = Frame::from_bytes_unchecked(Bytes::from_owner(frame));
        Self { from, to, is_full: to < end, frame }
    }

    pub(super) fn frame(&self) -> Frame {
        self.frame.clone()
    }

    /// The place after its last event.
    pub(super) fn to(&self) -> Cursor {
        self.to
    }

    fn is_newest(&self, tip: &Tip) -> bool {
        tip.is_end(self.to)
    }
}

/// The number of the calling thread: threads are numbered in the order in which they ask.
pub(super) fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: OnceCell<usize> = const { OnceCell::new() };
    }
    NUMBER.with(|number| *number.get_or_init(|| NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Two for each core, because a reader keeps its shard if its task moves to another thread. One, if
/// there is only one core.
fn default_count() -> usize {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if cores == 1 { 1 } else { 2 * cores }
}

/// The number of shards of one channel.
pub(super) const MOST_SHARDS: usize = 64;
