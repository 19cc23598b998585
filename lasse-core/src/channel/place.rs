//! Where a reader waits: at home, under the lock of the log, or in a shard.

use std::num::NonZeroU8;
use std::ptr;
use std::task::Waker;

use super::config::Settings;
use super::shard::{MOST_SHARDS, Shard, ShardState};
use super::shared::Shared;
use super::state::State;
use super::waiters::Ticket;

/// Where a reader waits, and with which waker.
///
/// It is at home as long as the channel is small, and then in the shard of the thread that polls it
/// next. There it stays if its task moves to another thread: a shard that is not that of the thread
/// costs time, but to move at each wait costs more.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Its slot, once it has waited.
    ticket: Option<Ticket>,
    /// The shard of its slot. None, at home.
    shard: Option<ShardIndex>,
    /// The shard that the caller has named.
    named: Option<ShardIndex>,
    is_registered: bool,
    has_left: bool,
    /// The waker that is registered, and when.
    waker: WakerId,
    since: u32,
}

/// The index of a shard, plus one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ShardIndex(NonZeroU8);

/// Which task a waker wakes, among the wakers of one runtime: the bytes of its data pointer, so that
/// it needs no padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct WakerId([u8; size_of::<usize>()]);

impl Place {
    /// Names the shard to wait in. A number that is too large counts round.
    pub(super) fn name_shard(&mut self, number: usize) {
        self.named = Some(ShardIndex::of(number % MOST_SHARDS));
    }

    /// Whether a reader at the end of the log is registered there with this waker. It takes no lock.
    ///
    /// Readers that wait become due together, which is counted: at home with the change itself, and
    /// in a shard later.
    pub(super) fn is_registered(&self, shared: &Shared, waker: &Waker) -> bool {
        let now = match self.shard(shared) {
            Some(shard) => shard.calls(),
            None => shared.tip.changes(),
        };
        self.is_registered
            && self.since == now
            && self.waker == WakerId::of(waker)
            && is_usual(shared.settings(), waker)
    }

    /// The shard where the reader has its slot.
    pub(super) fn shard<'a>(&self, shared: &'a Shared) -> Option<&'a Shard> {
        shared.shards()?.get(self.shard?.get())
    }

    /// Moves to where the reader has to wait now. Without a lock.
    pub(super) fn settle(&mut self, shared: &Shared) {
        let Some(shards) = shared.shards().filter(|_| !self.has_left) else { return };
        let wanted = match (self.named, self.shard) {
            (Some(named), _) => shards.index(named.get()),
            (None, Some(_)) => return,
            (None, None) => shards.index((shared.settings().thread_number)()),
        };
        let wanted = wanted.map(ShardIndex::of);
        if wanted != self.shard {
            drop(self.leave_slot(shared));
            self.shard = wanted;
        }
    }

    /// Registers a waker at home. Returns what the caller drops without the lock.
    pub(super) fn wait_at_home(
        &mut self,
        shared: &Shared,
        state: &mut State,
        waker: Waker,
    ) -> Option<Waker> {
        if self.has_left {
            return Some(waker);
        }
        let ticket = *self.ticket.get_or_insert_with(|| state.home.join());
        self.register(shared, &waker, shared.tip.changes());
        state.home.wait(ticket, waker)
    }

    /// Registers a waker in the shard of the reader, which reads the tip after this. Returns what
    /// the caller drops without the lock.
    pub(super) fn wait_in(
        &mut self,
        shared: &Shared,
        shard: &Shard,
        state: &mut ShardState,
        waker: Waker,
    ) -> Option<Waker> {
        let ticket = *self.ticket.get_or_insert_with(|| state.readers.join());
        self.register(shared, &waker, shard.calls());
        let before = state.readers.wait(ticket, waker);
        shard.set_waiting(state);
        before
    }

    /// Leaves for good. Returns whether that is the first time.
    pub(super) fn leave(&mut self, shared: &Shared) -> bool {
        drop(self.leave_slot(shared));
        self.shard = None;
        !std::mem::replace(&mut self.has_left, true)
    }

    /// Frees the slot. The caller drops the waker that was registered, which is without a lock.
    fn leave_slot(&mut self, shared: &Shared) -> Option<Waker> {
        self.is_registered = false;
        let ticket = self.ticket.take()?;
        let Some(shard) = self.shard(shared) else {
            return shared.lock().home.leave(ticket);
        };
        let mut state = shard.lock();
        let waker = state.readers.leave(ticket);
        let slice = state.take_unneeded();
        drop(state);
        drop(slice);
        waker
    }

    fn register(&mut self, shared: &Shared, waker: &Waker, since: u32) {
        self.is_registered = is_usual(shared.settings(), waker);
        self.waker = WakerId::of(waker);
        self.since = since;
    }
}

/// Whether a waker is of the kind that the first reader had, as those of one runtime are: a
/// [`WakerId`] differs only between such wakers.
fn is_usual(settings: &Settings, waker: &Waker) -> bool {
    ptr::eq(*settings.usual_waker.get_or_init(|| waker.vtable()), waker.vtable())
}

impl ShardIndex {
    fn of(index: usize) -> Self {
        let index = u8::try_from(index).unwrap_or(u8::MAX);
        Self(NonZeroU8::MIN.saturating_add(index))
    }

    fn get(self) -> usize {
        usize::from(self.0.get()) - 1
    }
}

impl WakerId {
    fn of(waker: &Waker) -> Self {
        Self(waker.data().addr().to_ne_bytes())
    }
}
