//! The tasks that wait for a channel: woken by the thousand, without an allocation for each, and
//! never under the lock.

use std::num::NonZeroU32;
use std::task::Waker;
use std::vec::Vec;

use super::wakers::Wakers;

/// Tasks that can wait. Each has a slot until it leaves.
///
/// The slots form three lists: waiting slots, due slots, which means that they have to
/// be woken, and free slots. The first two are rings through a slot of their own, so that
/// a task leaves its list at once, and all that wait become due at once.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// Empty, or the heads of both rings and the slots of tasks.
    slots: Vec<Slot>,
    /// How many slots are taken.
    taken: u32,
    /// The first of the free slots, or the number of slots.
    free: u32,
}

/// The key to a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ticket(NonZeroU32);

impl Ticket {
    fn of(slot: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(slot))
    }

    fn slot(self) -> u32 {
        self.0.get() - 1
    }
}

/// The state of a task that waits apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has not become due.
    Waits,
    /// It became due in the given turn.
    IsDue,
    /// It became due before that, or has not waited.
    Elsewhere,
}

/// A slot with a waker is in the ring of waiting slots or in that of due slots, or alone if its task
/// waits apart. One without a waker is nowhere: if its task was woken, the turn of that
/// is in place of its neighbours.
#[derive(Debug)]
struct Slot {
    waker: Option<Waker>,
    before: u32,
    /// The next in its ring, or the next free slot.
    next: u32,
}

impl Waiters {
    /// Takes a slot.
    pub(super) fn join(&mut self) -> Ticket {
        if self.slots.is_empty() {
            self.slots.extend([WAITING, DUE].map(Slot::alone));
            self.free = FIRST;
        }
        self.taken += 1;
        let slot = self.free;
        match self.slot(slot) {
            Some(free) => self.free = std::mem::replace(free, Slot::alone(slot)).next,
            None => {
                self.slots.push(Slot::alone(slot));
                self.free += 1;
            }
        }
        Ticket::of(slot)
    }

    /// Frees a slot. The caller drops the waker without the lock.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<Waker> {
        let waker = self.stop_waiting(ticket);
        let slot = ticket.slot();
        let next = self.free;
        self.slot(slot)?.next = next;
        self.free = slot;
        self.taken -= 1;
        if self.taken == 0 {
            *self = Self::default();
        }
        waker
    }

    /// Makes a task wait. If it was due, it no longer is. The caller drops the previous waker
    /// without the lock.
    pub(super) fn wait(&mut self, ticket: Ticket, waker: Waker) -> Option<Waker> {
        let before = self.stop_waiting(ticket);
        let slot = ticket.slot();
        let last = std::mem::replace(&mut self.slot(WAITING)?.before, slot);
        self.slot(last)?.next = slot;
        *self.slot(slot)? = Slot { waker: Some(waker), before: last, next: WAITING };
        before
    }

    /// Makes a task wait apart: [`call_one`](Self::call_one) makes it due, but it does not become
    /// due with the others. The caller drops the previous waker without the lock.
    pub(super) fn wait_apart(&mut self, ticket: Ticket, waker: Waker) -> Option<Waker> {
        let before = self.stop_waiting(ticket);
        let slot = ticket.slot();
        let apart = Slot { waker: Some(waker), ..Slot::alone(slot) };
        *self.slot(slot)? = apart;
        before
    }

    /// Whether a task that last waited apart is still waiting, is due or was woken in the `turn`, or
    /// neither.
    pub(super) fn standing(&self, ticket: Ticket, turn: u64) -> Standing {
        let number = ticket.slot();
        let slot = self.slots.get(number as usize);
        match slot.map(|slot| (slot.waker.is_some(), slot.before, slot.next)) {
            Some((true, before, next)) if before == number && next == number => Standing::Waits,
            Some((true, ..)) => Standing::IsDue,
            Some((false, before, next)) if (before, next) == halves(turn) => Standing::IsDue,
            _ => Standing::Elsewhere,
        }
    }

    /// Takes a task out of its ring, and forgets when it was woken. The caller drops the waker
    /// without the lock.
    pub(super) fn forget(&mut self, ticket: Ticket) -> Option<Waker> {
        let waker = self.stop_waiting(ticket);
        let slot = ticket.slot();
        *self.slot(slot)? = Slot::alone(slot);
        waker
    }

    /// Makes due a task that waits apart.
    pub(super) fn call_one(&mut self, ticket: Ticket) {
        let slot = ticket.slot();
        let waits = self.slot(slot).is_some_and(|own| own.waker.is_some() && own.next == slot);
        let Some(last) = self.slot(DUE).map(|due| due.before).filter(|_| waits) else { return };
        self.link(last, slot);
        self.link(slot, DUE);
    }

    /// Makes due all tasks that wait apart.
    pub(super) fn call_apart(&mut self) {
        for slot in FIRST..u32::try_from(self.slots.len()).unwrap_or(u32::MAX) {
            self.call_one(Ticket::of(slot));
        }
    }

    /// How many slots are taken.
    pub(super) fn taken(&self) -> u32 {
        self.taken
    }

    /// Makes all that wait now due.
    pub(super) fn call(&mut self) {
        let Some((first, last)) = self.take_waiting() else { return };
        let Some(last_due) = self.slot(DUE).map(|due| due.before) else { return };
        self.link(last_due, first);
        self.link(last, DUE);
    }

    /// Whether any are due.
    pub(super) fn is_due(&self) -> bool {
        self.slots.get(DUE as usize).is_some_and(|due| due.next != DUE)
    }

    /// Takes the wakers of up to `limit` tasks that are due, as far as there is room. The tasks are
    /// woken in the `turn`.
    pub(super) fn take_due(&mut self, limit: u32, turn: u64, wakers: &mut Wakers) {
        let Some(mut first) = self.slot(DUE).map(|due| due.next) else { return };
        wakers.fill(limit, || {
            let slot = self.slot(first).filter(|_| first != DUE)?;
            first = slot.next;
            (slot.before, slot.next) = halves(turn);
            slot.waker.take()
        });
        self.link(DUE, first);
    }

    /// Takes a slot out of its ring.
    fn stop_waiting(&mut self, ticket: Ticket) -> Option<Waker> {
        let slot = ticket.slot();
        let left = self.slot(slot)?;
        let waker = left.waker.take()?;
        let (before, next) = (left.before, left.next);
        self.link(before, next);
        Some(waker)
    }

    /// Empties the ring of waiting slots. Returns its first and its last slot.
    fn take_waiting(&mut self) -> Option<(u32, u32)> {
        let head = self.slot(WAITING).filter(|head| head.next != WAITING)?;
        let alone = Slot::alone(WAITING);
        let before = std::mem::replace(head, alone);
        Some((before.next, before.before))
    }

    fn link(&mut self, before: u32, next: u32) {
        if let Some(slot) = self.slot(before) {
            slot.next = next;
        }
        if let Some(slot) = self.slot(next) {
            slot.before = before;
        }
    }

    fn slot(&mut self, slot: u32) -> Option<&mut Slot> {
        self.slots.get_mut(slot as usize)
    }
}

/// A turn, in place of two neighbours.
fn halves(turn: u64) -> (u32, u32) {
    (turn as u32, (turn >> 32) as u32)
}

impl Slot {
    fn alone(slot: u32) -> Self {
        Self { waker: None, before: slot, next: slot }
    }
}

/// The head of the ring of waiting slots.
const WAITING: u32 = 0;

/// The head of the ring of due slots.
const DUE: u32 = 1;

/// The first slot of a task.
const FIRST: u32 = 2;
