//! The tasks that wait for a channel: woken by the thousand, without an allocation for each, and
//! never under the lock.

use std::any::Any;
use std::boxed::Box;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;
use std::vec::Vec;

/// Tasks that can wait. Each has a slot until it leaves.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    slots: Vec<Slot>,
    /// The first and the last slot of the queue of those that wait. Those that are due are at its
    /// front.
    waiting: Option<(u32, u32)>,
    /// How many wait.
    len: u32,
    /// How many of those that wait are due, which means that they have to be woken. A task that
    /// waits again while others are woken is not due.
    due: u32,
    /// How many slots are taken.
    taken: u32,
    /// The first of the free slots, each of which has the index of the next.
    free: u32,
}

/// The key to a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket(NonZeroU32);

impl Ticket {
    fn of(slot: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(slot))
    }

    fn slot(self) -> u32 {
        self.0.get() - 1
    }
}

#[derive(Debug)]
struct Slot {
    waker: Option<Waker>,
    next_free: u32,
    /// The next slot of the queue, or itself if there is none, if the slot is in the queue. It can
    /// be there because its last owner waited.
    next_waiting: u32,
}

impl Slot {
    const NOT_WAITING: u32 = u32::MAX;
}

impl Waiters {
    /// Takes a slot.
    pub(super) fn join(&mut self) -> Ticket {
        self.taken += 1;
        let slot = self.free;
        match self.slot(slot) {
            Some(free) => self.free = free.next_free,
            None => {
                let next_waiting = Slot::NOT_WAITING;
                self.slots.push(Slot { waker: None, next_free: 0, next_waiting });
                self.free += 1;
            }
        }
        Ticket::of(slot)
    }

    /// Frees a slot. The caller drops the waker without the lock.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<Waker> {
        let slot = ticket.slot();
        let next_free = self.free;
        let left = self.slot(slot)?;
        left.next_free = next_free;
        let waker = left.waker.take();
        self.free = slot;
        self.taken -= 1;
        if self.taken == 0 {
            *self = Self::default();
        }
        waker
    }

    /// Puts a slot into the queue. The caller drops the waker that was there, without the lock.
    pub(super) fn wait(&mut self, ticket: Ticket, waker: Waker) -> Option<Waker> {
        let slot = ticket.slot();
        let waiting = self.slot(slot)?;
        let before = waiting.waker.replace(waker);
        if waiting.next_waiting == Slot::NOT_WAITING {
            waiting.next_waiting = slot;
            self.enqueue(slot);
        }
        before
    }

    /// How many slots are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken as usize
    }

    /// Makes all that wait now due.
    pub(super) fn call(&mut self) {
        self.due = self.len;
    }

    /// How many are due.
    pub(super) fn due(&self) -> u32 {
        self.due
    }

    /// Whether any are due.
    pub(super) fn is_due(&self) -> bool {
        self.due > 0
    }

    /// Takes up to `limit` of those that are due, and no more than a batch.
    pub(super) fn take_due(&mut self, limit: u32) -> Batch {
        let mut batch = Batch::default();
        let limit = usize::try_from(limit.min(self.due)).unwrap_or(usize::MAX);
        for place in batch.0.iter_mut().take(limit) {
            self.due -= 1;
            *place = self.take_first().and_then(|slot| slot.waker.take());
        }
        batch
    }

    /// Puts a slot at the end of the queue.
    fn enqueue(&mut self, slot: u32) {
        let (first, last) = self.waiting.unwrap_or((slot, slot));
        if let Some(last) = self.slot(last) {
            last.next_waiting = slot;
        }
        self.waiting = Some((first, slot));
        self.len += 1;
    }

    /// Takes the first slot out of the queue.
    fn take_first(&mut self) -> Option<&mut Slot> {
        let (first, last) = self.waiting.take()?;
        self.len -= 1;
        let slot = self.slot(first)?;
        let next = std::mem::replace(&mut slot.next_waiting, Slot::NOT_WAITING);
        self.waiting = Some((next, last)).filter(|_| next != first);
        self.slot(first)
    }

    fn slot(&mut self, slot: u32) -> Option<&mut Slot> {
        self.slots.get_mut(slot as usize)
    }
}

/// Wakers to wake.
#[derive(Debug)]
pub(super) struct Batch([Option<Waker>; BATCH]);

impl Batch {
    /// Wakes all of them, without the lock. A waker that panics does not keep the others from
    /// being woken.
    pub(super) fn wake(self) -> WakePanic {
        let mut panic = WakePanic::default();
        for waker in self.0.into_iter().flatten() {
            let woken = catch_unwind(AssertUnwindSafe(|| waker.wake()));
            panic = panic.or(WakePanic(woken.err()));
        }
        panic
    }
}

/// The first panic of a waker, if any panicked.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct WakePanic(Option<Box<dyn Any + Send>>);

impl WakePanic {
    pub(super) fn or(self, later: Self) -> Self {
        Self(self.0.or(later.0))
    }

    /// Continues the panic. Call it when all are woken.
    pub(super) fn resume(self) {
        if let Some(payload) = self.0 {
            resume_unwind(payload);
        }
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self([const { None }; BATCH])
    }
}

/// How many are woken before the lock is taken again.
pub(super) const BATCH: usize = 64;
