//! The tracker: the open connections of a server, and how far its shutdown has come.
//!
//! A server tracks each connection that it accepts, and gives the
//! [`TrackedConnection`] to the connection's task:
//!
//! ```text
//! let tracker = ConnectionTracker::new();
//! let mut shut = pin!(gate.shut_on(signal));
//! loop {
//!     tokio::select! {
//!         (socket, peer) = listener.accept() => {
//!             tokio::spawn(connection_task(socket, peer, tracker.track()));
//!         }
//!         () = shut.as_mut() => break,
//!     }
//! }
//! drop(listener);
//! tracker.shut_down(&gate).await;
//! ```
//!
//! The task polls its [`TrackedConnection`] whenever it is polled itself, which costs one atomic
//! load as long as the phase is the same, and acts on the [`Phase`]:
//!
//! ```text
//! while let Poll::Ready(phase) = tracked.poll_phase(cx) {
//!     match phase {
//!         Phase::Closing if is_busy => close_after_this_response(),
//!         Phase::Closed => close_after_this_response_or_now(),
//!         Phase::Aborted(reason) => return Poll::Ready(abort(reason)),
//!         _ => {}
//!     }
//! }
//! ```
//!
//! An async function can wait for [`closed`](TrackedConnection::closed) together with the next
//! request, and ask for the [`phase`](TrackedConnection::phase) before it writes a response. If the
//! tracker is dropped, all connections are aborted.

use std::future::poll_fn;
use std::mem;
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lasse_core::EndReason;
use slab::Slab;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::gate::Gate;
use crate::timer_queue::wake_each;

/// The open connections of a server, and how far its shutdown has come.
///
/// If it is dropped, its connections are aborted with [`EndReason::Dropped`].
///
/// # Examples
///
/// ```
/// use std::future::poll_fn;
/// use std::time::Duration;
/// use lasse_tokio::lasse_core::EndReason;
/// use lasse_tokio::server::{ConnectionTracker, Phase};
/// use lasse_tokio::{DrainPlan, Gate};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let tracker = ConnectionTracker::new();
/// let mut connection = tracker.track();
/// let task = tokio::spawn(async move {
///     assert_eq!(poll_fn(|cx| connection.poll_phase(cx)).await, Phase::Closing);
///     assert_eq!(poll_fn(|cx| connection.poll_phase(cx)).await, Phase::Closed);
///     poll_fn(|cx| connection.poll_phase(cx)).await
/// });
///
/// let gate = Gate::default();
/// gate.drain(&DrainPlan::new());
/// gate.shut().await;
/// tracker.shut_down(&gate).await;
/// assert_eq!(task.await.ok(), Some(Phase::Aborted(EndReason::Shutdown)));
/// # }
/// ```
#[doc(alias = "graceful shutdown")]
#[derive(Debug)]
pub struct ConnectionTracker(Arc<Shared>);

/// One connection of a [`ConnectionTracker`], which counts it until this is dropped.
///
/// It takes 16 bytes, and 16 in the tracker.
#[derive(Debug)]
pub struct TrackedConnection {
    shared: Arc<Shared>,
    index: u32,
    /// The code of the phase that the task has seen. [`UNREGISTERED`] before its waker is
    /// registered.
    seen: u8,
}

/// How far a server has come with shutting down. Phases follow each other in this
/// order; some can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// It is not shutting down.
    Serving,
    /// The server accepts no connections any more. A connection that has a request
    /// closes after the response. One without a request stays open: if a request
    /// is on its way, it must be answered, since a client that is cut off then may
    /// not reconnect.
    Closing,
    /// Half a second later: no request can be on its way any more. A connection
    /// without a request closes now.
    Closed,
    /// Every connection ends now, for this reason:
    /// [`Shutdown`](EndReason::Shutdown) if the time of the drain plan is over,
    /// [`Dropped`](EndReason::Dropped) if the tracker was dropped.
    Aborted(EndReason),
}

#[derive(Debug)]
struct Shared {
    /// The [`Phase`], written under the lock only.
    phase: AtomicU8,
    wakers: Mutex<Slab<Waker>>,
    /// Notified when the last connection has ended.
    is_empty: Notify,
}

impl ConnectionTracker {
    /// No connections yet.
    pub fn new() -> Self {
        let phase = AtomicU8::new(Phase::Serving.encode());
        let (wakers, is_empty) = (Mutex::default(), Notify::new());
        Self(Arc::new(Shared { phase, wakers, is_empty }))
    }

    /// Tracks one more connection.
    pub fn track(&self) -> TrackedConnection {
        let index = self.0.lock().insert(Waker::noop().clone()) as u32;
        TrackedConnection { shared: self.0.clone(), index, seen: UNREGISTERED }
    }

    /// How many connections are open.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether no connection is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shuts down: takes all connections through the phases, and returns when the
    /// last has ended. Call it when the `gate` is [`shut`](Gate::shut). Connections
    /// are aborted when the gate's drain is [`over`](Gate::over).
    pub async fn shut_down(self, gate: &Gate) {
        tokio::select! {
            () = self.close() => return,
            () = gate.over() => {}
        }
        self.enter(Phase::Aborted(EndReason::Shutdown));
        self.emptied().await;
    }

    /// Returns when all connections have closed by themselves.
    async fn close(&self) {
        self.enter(Phase::Closing);
        tokio::select! {
            () = self.emptied() => return,
            () = sleep(TIME_TO_ARRIVE) => {}
        }
        self.enter(Phase::Closed);
        self.emptied().await;
    }

    /// The only way to another phase.
    fn enter(&self, phase: Phase) {
        let wakers = self.0.lock();
        // The lock orders this before each load of a task that registers later; a task
        // that registered before is woken, and sees it by that.
        self.0.phase.store(phase.encode(), Ordering::Relaxed);
        let to_wake: Vec<Waker> = wakers.iter().map(|(_, waker)| waker.clone()).collect();
        drop(wakers);
        wake_each(to_wake);
    }

    /// Returns when no connection is open.
    async fn emptied(&self) {
        loop {
            let mut is_empty = pin!(self.0.is_empty.notified());
            is_empty.as_mut().enable();
            if self.is_empty() {
                return;
            }
            is_empty.await;
        }
    }
}

impl Default for ConnectionTracker {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for ConnectionTracker {
    fn drop(&mut self) {
        if !matches!(self.0.phase(), Phase::Aborted(_)) {
            self.enter(Phase::Aborted(EndReason::Dropped));
        }
    }
}

impl TrackedConnection {
    /// Ready once for each new phase. Must be polled by one task only, since its
    /// waker is stored at the first poll and at each new phase.
    #[inline]
    pub fn poll_phase(&mut self, cx: &mut Context<'_>) -> Poll<Phase> {
        if self.seen == self.shared.phase.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        self.poll_new_phase(cx)
    }

    fn poll_new_phase(&mut self, cx: &mut Context<'_>) -> Poll<Phase> {
        let mut waker = cx.waker().clone();
        let mut wakers = self.shared.lock();
        if let Some(stored) = wakers.get_mut(self.index as usize) {
            mem::swap(stored, &mut waker);
        }
        let phase = self.shared.phase();
        drop((wakers, waker));
        let seen = mem::replace(&mut self.seen, phase.encode());
        let is_known = seen == phase.encode() || seen == UNREGISTERED && phase == Phase::Serving;
        if is_known { Poll::Pending } else { Poll::Ready(phase) }
    }

    /// The phase at this moment.
    pub fn phase(&self) -> Phase {
        self.shared.phase()
    }

    /// Returns when no request can be on its way any more: in [`Phase::Closed`] or
    /// [`Phase::Aborted`].
    pub async fn closed(&mut self) {
        poll_fn(|cx| {
            while self.poll_phase(cx).is_ready() {}
            match self.phase() {
                Phase::Serving | Phase::Closing => Poll::Pending,
                Phase::Closed | Phase::Aborted(_) => Poll::Ready(()),
            }
        })
        .await;
    }
}

impl Drop for TrackedConnection {
    fn drop(&mut self) {
        let mut wakers = self.shared.lock();
        let waker = wakers.try_remove(self.index as usize);
        let is_last = wakers.is_empty();
        drop((wakers, waker));
        if is_last {
            self.shared.is_empty.notify_waiters();
        }
    }
}

impl Shared {
    fn phase(&self) -> Phase {
        Phase::decode(self.phase.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Waker>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Phase {
    const fn encode(self) -> u8 {
        match self {
            Self::Serving => 0,
            Self::Closing => 1,
            Self::Closed => 2,
            Self::Aborted(EndReason::Shutdown) => 3,
            Self::Aborted(_) => 4,
        }
    }

    const fn decode(code: u8) -> Self {
        match code {
            0 => Self::Serving,
            1 => Self::Closing,
            2 => Self::Closed,
            3 => Self::Aborted(EndReason::Shutdown),
            _ => Self::Aborted(EndReason::Dropped),
        }
    }
}

/// In place of the code of a phase.
const UNREGISTERED: u8 = u8::MAX;

/// How long a request can be on its way to a server that is closing.
const TIME_TO_ARRIVE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
