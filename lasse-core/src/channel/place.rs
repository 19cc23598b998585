//! Where a reader waits: at home, under the lock of the log, or in a shard.

use std::task::Waker;

use super::shard::{MOST_SHARDS, Shard, ShardState};
use super::shared::Shared;
use super::state::State;
use super::waiters::{Ticket, Waiters};
use super::waker_id::WakerId;

/// Where a reader waits, and with which waker.
///
/// It is at home as long as the channel is small, and then in the shard of the thread that polls it
/// next. There it stays if its task moves to another thread: a shard that is not that of the thread
/// costs time, but to move at each wait costs more.
#[derive(Debug)]
pub(super) struct Place {
    /// Its slot, once it has waited.
    ticket: Option<Ticket>,
    /// The waker that is registered.
    waker: WakerId,
    since: Since,
    spot: Spot,
    /// Where the caller wants it to wait.
    named: Spot,
}

/// When a waker was registered: the number of times that the readers had become due by then, without
/// its upper bits. Since the tip has not moved, no more publishers can have made readers due than
/// were at work at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Since(u16);

/// A shard, or one of the values below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spot(u8);

impl Place {
    pub(super) fn new() -> Self {
        Self {
            ticket: None,
            waker: WakerId::default(),
            since: Since::NEVER,
            spot: Spot::HOME,
            named: Spot::HOME,
        }
    }

    /// Names the shard to wait in. A number that is too large counts round.
    pub(super) fn name_shard(&mut self, number: usize) {
        self.named = Spot::shard(number % MOST_SHARDS);
    }

    /// Whether a reader at the end of the log is registered there with this waker. It takes no lock.
    ///
    /// Readers that wait become due together, which is counted: at home with the change itself, and
    /// in a shard later.
    #[inline]
    pub(super) fn is_registered(&self, shared: &Shared, waker: &Waker) -> bool {
        let now = match self.shard(shared) {
            Some(shard) => shard.calls(),
            None => shared.tip.changes(),
        };
        self.since == Since::new(now) && shared.settings().waker_ids.has_id(waker, self.waker)
    }

    /// The shard where the reader has its slot.
    pub(super) fn shard<'a>(&self, shared: &'a Shared) -> Option<&'a Shard> {
        shared.shards()?.get(self.spot.index()?)
    }

    /// Moves to where the reader has to wait now, and returns its shard. Without a lock.
    #[inline]
    pub(super) fn settle<'a>(&mut self, shared: &'a Shared) -> Option<&'a Shard> {
        let shards = shared.shards()?;
        let has_settled = self.named == self.spot || self.named == Spot::HOME;
        let shard = self.spot.index().filter(|_| has_settled).and_then(|shard| shards.get(shard));
        if shard.is_some() { shard } else { self.move_to_wanted(shared) }
    }

    #[inline(never)]
    fn move_to_wanted<'a>(&mut self, shared: &'a Shared) -> Option<&'a Shard> {
        if let Some(wanted) = self.wanted(shared) {
            drop(self.leave_slot(shared));
            self.spot = wanted;
        }
        self.shard(shared)
    }

    /// Whether the reader has to wait elsewhere now.
    pub(super) fn has_to_move(&self, shared: &Shared) -> bool {
        self.wanted(shared).is_some()
    }

    /// Where the reader has to wait now, if that is elsewhere.
    fn wanted(&self, shared: &Shared) -> Option<Spot> {
        let shards = shared.shards().filter(|_| self.spot != Spot::GONE)?;
        let wanted = match (self.named.index(), self.spot.index()) {
            (Some(named), _) => shards.index(named),
            (None, Some(_)) => return None,
            (None, None) => shards.index((shared.settings().thread_number)()),
        };
        Some(wanted.map_or(Spot::HOME, Spot::shard)).filter(|wanted| *wanted != self.spot)
    }

    /// The slot, if the reader has one.
    pub(super) fn ticket(&self) -> Option<Ticket> {
        self.ticket
    }

    /// The slot, which is taken if there is none.
    pub(super) fn ticket_in(&mut self, waiters: &mut Waiters) -> Ticket {
        *self.ticket.get_or_insert_with(|| waiters.join())
    }

    /// Registers a waker at home. Returns what the caller drops without the lock.
    #[inline]
    pub(super) fn wait_at_home(
        &mut self,
        shared: &Shared,
        state: &mut State,
        waker: Waker,
    ) -> Option<Waker> {
        if self.spot == Spot::GONE {
            return Some(waker);
        }
        let ticket = self.ticket_in(&mut state.home);
        self.register(shared, &waker, shared.tip.changes());
        state.home.wait(ticket, waker)
    }

    /// Registers a waker in the shard of the reader, which reads the tip after this. Returns what
    /// the caller drops without the lock.
    #[inline]
    pub(super) fn wait_in(
        &mut self,
        shared: &Shared,
        shard: &Shard,
        state: &mut ShardState,
        waker: Waker,
    ) -> Option<Waker> {
        let ticket = self.ticket_in(&mut state.readers);
        self.register(shared, &waker, shard.calls());
        let before = state.readers.wait(ticket, waker);
        shard.set_waiting(state);
        before
    }

    /// Leaves for good. Returns whether that is the first time.
    pub(super) fn leave(&mut self, shared: &Shared) -> bool {
        drop(self.leave_slot(shared));
        std::mem::replace(&mut self.spot, Spot::GONE) != Spot::GONE
    }

    /// Frees the slot. The caller drops the waker that was registered, which is without a lock.
    fn leave_slot(&mut self, shared: &Shared) -> Option<Waker> {
        self.since = Since::NEVER;
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

    #[inline]
    fn register(&mut self, shared: &Shared, waker: &Waker, now: u32) {
        match shared.settings().waker_ids.id(waker) {
            Some(id) => (self.waker, self.since) = (id, Since::new(now)),
            None => self.since = Since::NEVER,
        }
    }
}

impl Since {
    const NEVER: Self = Self(0);

    fn new(now: u32) -> Self {
        Self((now as u16) << 1 | 1)
    }
}

impl Spot {
    /// Under the lock of the log.
    const HOME: Self = Self(u8::MAX);

    /// The reader has left.
    const GONE: Self = Self(u8::MAX - 1);

    fn shard(index: usize) -> Self {
        u8::try_from(index).map_or(Self::HOME, Self)
    }

    fn index(self) -> Option<usize> {
        Some(usize::from(self.0)).filter(|_| self != Self::HOME && self != Self::GONE)
    }
}
