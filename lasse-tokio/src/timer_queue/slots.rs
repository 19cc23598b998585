//! The wakers of tasks, in the order of the times at which they are due.

use std::collections::BTreeMap;
use std::mem::replace;
use std::task::Waker;

use lasse_core::Instant;
use slab::Slab;

use crate::clock::NEVER;

/// The wakers of tasks, in the order of the times at which they are due.
#[derive(Default)]
pub(super) struct Slots {
    slots: Slab<Slot>,
    /// For each time, the first slot of a doubly linked list of those due then.
    queue: BTreeMap<Instant, u32>,
}

/// The state of one task.
struct Slot {
    waker: Waker,
    /// When to wake it. [`NEVER`] if it is not queued.
    due: Instant,
    /// The neighbours among the slots with the same time, or [`NONE`].
    previous: u32,
    next: u32,
}

impl Slots {
    /// Adds a waker that is not queued. Returns its index.
    pub(super) fn insert(&mut self, waker: Waker) -> u32 {
        self.slots.insert(Slot { waker, due: NEVER, previous: NONE, next: NONE }) as u32
    }

    /// Returns the old waker.
    pub(super) fn replace_waker(&mut self, index: u32, waker: Waker) -> Option<Waker> {
        self.slot(index).map(|slot| replace(&mut slot.waker, waker))
    }

    /// Removes a waker, queued or not.
    pub(super) fn remove(&mut self, index: u32) -> Option<Waker> {
        self.unlink(index);
        self.slots.try_remove(index as usize).map(|slot| slot.waker)
    }

    /// Queues a waker at another time, or not at all, if that is [`NEVER`].
    pub(super) fn move_to(&mut self, index: u32, due: Instant) {
        self.unlink(index);
        self.link(index, due);
    }

    /// The first time in the queue.
    pub(super) fn first_due(&self) -> Option<Instant> {
        self.queue.keys().next().copied()
    }

    /// Takes the first waker from the queue, if its time has come. It keeps its slot.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Waker> {
        let (_, index) = self.queue.first_key_value().filter(|(due, _)| **due <= now)?;
        let index = *index;
        self.unlink(index);
        self.slots.get(index as usize).map(|slot| slot.waker.clone())
    }

    /// All wakers, queued or not.
    pub(super) fn wakers(&self) -> impl Iterator<Item = &Waker> {
        self.slots.iter().map(|(_, slot)| &slot.waker)
    }

    /// The number of wakers, queued or not.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The number of different times in the queue, and the number of wakers in it.
    #[cfg(test)]
    pub(super) fn queued(&self) -> (usize, usize) {
        let has_next = |slot: &Slot| slot.due != NEVER && slot.next != NONE;
        let followers = self.slots.iter().filter(|(_, slot)| has_next(slot)).count();
        (self.queue.len(), self.queue.len() + followers)
    }

    fn link(&mut self, index: u32, due: Instant) {
        if due == NEVER {
            return;
        }
        let first = self.queue.insert(due, index).unwrap_or(NONE);
        if let Some(slot) = self.slot(first) {
            slot.previous = index;
        }
        if let Some(slot) = self.slot(index) {
            (slot.due, slot.previous, slot.next) = (due, NONE, first);
        }
    }

    fn unlink(&mut self, index: u32) {
        let Some(slot) = self.slot(index) else { return };
        let due = replace(&mut slot.due, NEVER);
        let (previous, next) = (slot.previous, slot.next);
        if due == NEVER {
            return;
        }
        if let Some(slot) = self.slot(next) {
            slot.previous = previous;
        }
        match self.slot(previous) {
            Some(slot) => slot.next = next,
            None if next == NONE => drop(self.queue.remove(&due)),
            None => drop(self.queue.insert(due, next)),
        }
    }

    fn slot(&mut self, index: u32) -> Option<&mut Slot> {
        self.slots.get_mut(index as usize)
    }
}

/// In place of the index of a slot.
const NONE: u32 = u32::MAX;
