//! How many streams are open, and whether more are admitted once a drain has started.
//!
//! Run through all its interleavings by `testkit/models`, with loom's types in place of
//! std's.

use super::sync::{AtomicU32, AtomicUsize, Mutex, MutexGuard, Ordering, PoisonError};

/// The number of open streams, and the schedule of a drain, if one has started.
///
/// Two things must hold however threads interleave: once a drain was seen to be
/// finished, no stream is admitted; and a task that waits for that is notified when the
/// last stream ends. So the number and the flag [`DRAINING`] are one atomic: each
/// admission is either counted before the flag is set, or it sees the flag and asks the
/// schedule, under the lock under which a waiter looks at the number.
#[derive(Debug)]
pub(super) struct Admissions<S> {
    /// The number of open streams, plus [`DRAINING`].
    open: AtomicUsize,
    /// How many drains have started.
    drains: AtomicU32,
    schedule: Mutex<Option<S>>,
}

/// Why a stream is not admitted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Denied<R> {
    /// As many streams are open as the limit allows.
    Limit,
    /// The schedule of the drain refuses it.
    Draining(R),
}

impl<S> Default for Admissions<S> {
    fn default() -> Self {
        let (open, drains) = (AtomicUsize::new(0), AtomicU32::new(0));
        Self { open, drains, schedule: Mutex::new(None) }
    }
}

impl<S> Admissions<S> {
    /// Counts one more stream, unless `limit` are open, or a drain has started and
    /// `refuse` returns something. `refuse` must read the clock itself, so that no later
    /// [`with_schedule`](Self::with_schedule) reads an earlier time.
    pub(super) fn admit<R>(
        &self,
        limit: usize,
        refuse: impl FnOnce(&S) -> Option<R>,
    ) -> Result<(), Denied<R>> {
        // A limit below `DRAINING` refuses whenever the flag is set.
        match self.add(|open| open < limit.min(!DRAINING)) {
            Ok(()) => return Ok(()),
            Err(open) if open & DRAINING == 0 => return Err(Denied::Limit),
            Err(_) => {}
        }
        let schedule = self.lock();
        if let Some(refusal) = schedule.as_ref().and_then(refuse) {
            return Err(Denied::Draining(refusal));
        }
        self.add(|open| open & !DRAINING < limit).map_err(|_| Denied::Limit)
    }

    /// Counts one more stream if `has_room` for it. Otherwise returns the number.
    fn add(&self, has_room: impl Fn(usize) -> bool) -> Result<(), usize> {
        let add = |open| has_room(open).then_some(open + 1);
        // Relaxed: all changes of one atomic have one order, and no other data depends on
        // an admission.
        self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).map(drop)
    }

    /// Counts one stream less. Returns whether the tasks that wait for the end of the drain
    /// must be notified.
    #[must_use]
    pub(super) fn remove(&self) -> bool {
        // Release: a task that finds no stream left sees all that the streams did. If the
        // flag is not set yet, `start_drain` comes later, and notifies.
        self.open.fetch_sub(1, Ordering::Release) == DRAINING | 1
    }

    /// Starts a drain, or replaces its schedule. Tasks that wait for any change must be
    /// notified afterwards.
    pub(super) fn start_drain(&self, schedule: S) {
        let mut current = self.lock();
        *current = Some(schedule);
        // Under the lock: a task that finds the schedule sees the flag set before it looks at
        // the number.
        self.open.fetch_or(DRAINING, Ordering::Relaxed);
        // Release, for `drains`.
        self.drains.fetch_add(1, Ordering::Release);
    }

    /// How many drains have started: by it, streams notice a new schedule.
    pub(super) fn drains(&self) -> u32 {
        // Acquire, for `start_drain`. If the value is stale, the stream is woken later.
        self.drains.load(Ordering::Acquire)
    }

    pub(super) fn is_draining(&self) -> bool {
        self.open.load(Ordering::Relaxed) & DRAINING != 0
    }

    /// How many streams are open.
    pub(super) fn len(&self) -> usize {
        self.open.load(Ordering::Acquire) & !DRAINING
    }

    /// Calls `look` with the schedule and the number of open streams, if a drain has
    /// started.
    pub(super) fn with_schedule<T>(&self, look: impl FnOnce(&S, usize) -> T) -> Option<T> {
        let schedule = self.lock();
        schedule.as_ref().map(|schedule| look(schedule, self.len()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<S>> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Set in the number of open streams once a drain has started.
const DRAINING: usize = 1 << (usize::BITS - 1);
