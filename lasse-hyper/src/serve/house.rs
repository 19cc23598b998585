//! The server, as its connections know it: how far it is with shutting down, and
//! who is there yet.

use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use lasse_tokio::lasse_core::EndReason;
use slab::Slab;
use tokio::sync::Notify;

/// How far the server is with shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is not.
    Serving,
    /// Connections end when the requests are answered that they have.
    Closing,
    /// No request can be on its way any more that was sent before.
    Closed,
    /// All is over, for this reason.
    Over(EndReason),
}

/// The server. With it, its connections go.
#[derive(Debug)]
pub(super) struct House(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// How often the phase has changed: what a connection looks at whenever it is
    /// woken, which is for something else, nearly always.
    changes: AtomicU32,
    state: Mutex<State>,
    /// Tells that the last connection is gone.
    is_empty: Notify,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    guests: Slab<Waker>,
}

impl House {
    pub(super) fn new() -> Self {
        let state = State { phase: Phase::Serving, guests: Slab::new() };
        let (changes, is_empty) = (AtomicU32::new(0), Notify::new());
        Self(Arc::new(Shared { changes, state: Mutex::new(state), is_empty }))
    }

    /// Lets a connection in, which is here for as long as it keeps the stay.
    pub(super) fn enter(&self) -> Stay {
        let place = self.0.state().guests.insert(Waker::noop().clone());
        Stay { house: self.0.clone(), place, heard: None }
    }

    /// Tells all connections.
    pub(super) fn announce(&self, phase: Phase) {
        let mut state = self.0.state();
        state.phase = phase;
        self.0.changes.fetch_add(1, Ordering::Release);
        let guests: Vec<Waker> = state.guests.iter().map(|(_, guest)| guest.clone()).collect();
        drop(state);
        guests.into_iter().for_each(Waker::wake);
    }

    /// Returns when no one is here any more.
    pub(super) async fn deserted(&self) {
        while !self.0.state().guests.is_empty() {
            self.0.is_empty.notified().await;
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.announce(Phase::Over(EndReason::Dropped));
    }
}

/// A connection's stay with the server.
#[derive(Debug)]
pub(super) struct Stay {
    house: Arc<Shared>,
    place: usize,
    /// Of how many changes it has heard, once it listens.
    heard: Option<u32>,
}

impl Stay {
    /// Ready when the phase has changed. To be polled by one task only, as a
    /// connection is.
    pub(super) fn poll_phase(&mut self, cx: &mut Context<'_>) -> Poll<Phase> {
        let changes = Some(self.house.changes.load(Ordering::Acquire));
        if self.heard == changes {
            return Poll::Pending;
        }
        let mut waker = cx.waker().clone();
        let mut state = self.house.state();
        if let Some(guest) = state.guests.get_mut(self.place) {
            mem::swap(guest, &mut waker);
        }
        let phase = state.phase;
        drop(state);
        self.heard = changes;
        if phase == Phase::Serving { Poll::Pending } else { Poll::Ready(phase) }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut state = self.house.state();
        let waker = state.guests.try_remove(self.place);
        if state.guests.is_empty() {
            self.house.is_empty.notify_one();
        }
        drop(state);
        drop(waker);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
