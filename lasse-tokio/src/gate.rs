//! Who may have a stream, when all have to leave, and what became of them.

mod config;
mod drain;
mod permit;
mod rejected;
mod report;
mod stats;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use lasse_core::{Instant, RequestHead};
use tokio::sync::Notify;
use tokio::time::timeout_at;

use crate::clock::{at, now};
use crate::timer_queue::TimerQueue;

pub use config::GateConfig;
pub use drain::DrainPlan;
use drain::Timetable;
pub use permit::Permit;
pub use rejected::{RejectReason, Rejected};
use stats::Counters;
pub use stats::GateStats;

/// What the streams of a server pass on their way in: it lets in no more than
/// the limits say, sends all home when the server shuts down, and counts. A
/// clone is the same gate.
///
/// Give it to the [`Endpoint`](crate::Endpoint)s whose streams it is to count.
///
/// # Examples
///
/// A readiness probe, and the end of a program:
///
/// ```
/// use std::time::Duration;
/// use lasse_tokio::{DrainPlan, Gate, GateConfig};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let gate = Gate::new(GateConfig::new().with_limit(10_000));
/// let ready = || if gate.is_draining() { 503 } else { 200 };
/// assert_eq!(ready(), 200);
///
/// gate.drain(&DrainPlan::new().with_notice(Duration::from_secs(5)));
/// assert_eq!(ready(), 503);
/// assert_eq!(gate.drained().await, 0);
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    config: GateConfig,
    counters: Counters,
    /// How many streams there are.
    open: AtomicUsize,
    /// How often a drain has begun.
    drains: AtomicU32,
    timetable: Timetable,
    /// Wakes the streams at their deadlines, and all of them when a drain starts.
    timers: TimerQueue,
    /// Tells those who wait that a drain has begun, or the last stream is gone.
    changed: Notify,
}

impl Gate {
    /// A gate with these limits.
    pub fn new(config: GateConfig) -> Self {
        Self(Arc::new(Shared { config, ..Shared::default() }))
    }

    /// Admits one more stream, unless there are too many, or the server is
    /// shutting down and the notice has passed.
    ///
    /// # Errors
    ///
    /// When the client should come back later, and in how long.
    pub fn admit(&self, request: &RequestHead<'_>) -> Result<Permit, Rejected> {
        let admission = self.try_admit(request);
        if let Err(refused) = &admission {
            self.0.counters.count_refused(refused.cause());
            report::refused(refused.cause());
        }
        admission
    }

    /// Begins to send all streams home: from now on
    /// [`is_draining`](Self::is_draining), and each stream learns when it is to end.
    /// A second plan replaces the first.
    pub fn drain(&self, plan: &DrainPlan) {
        report::draining(plan, self.stats().open);
        self.0.timetable.set(plan, now());
        self.0.drains.fetch_add(1, Ordering::Release);
        self.0.timers.wake_all();
        self.0.changed.notify_waiters();
    }

    /// Whether a drain has begun: a readiness probe should say no.
    pub fn is_draining(&self) -> bool {
        self.0.drains.load(Ordering::Relaxed) > 0
    }

    /// Returns when a drain has begun and its notice has passed: no more streams
    /// are admitted.
    pub async fn shut(&self) {
        self.0.come(|gate| gate.timetable.shut_at()).await;
    }

    /// The same, but has the drain begin when `signal` is ready, by the
    /// [default plan](DrainPlan) unless it has begun before: what a server waits for.
    pub async fn shut_on(&self, signal: impl Future<Output = ()>) {
        tokio::select! {
            () = signal => {
                if !self.is_draining() {
                    self.drain(&DrainPlan::new());
                }
                self.shut().await;
            }
            () = self.shut() => {}
        }
    }

    /// Returns when the gate is [`shut`](Self::shut) and all streams are gone, or
    /// should be: a second after the plan's last moment. How many are left.
    pub async fn drained(&self) -> usize {
        self.shut().await;
        self.0.come(Shared::drained_at).await;
        self.0.open.load(Ordering::SeqCst)
    }

    /// Returns when the plan's last moment is a second past, whatever is left.
    pub async fn over(&self) {
        self.0.come(|gate| gate.timetable.over_at()).await;
    }

    /// The queue in which this gate's streams have their timers. A server can have
    /// other timers there.
    pub fn timers(&self) -> &TimerQueue {
        &self.0.timers
    }

    /// What the gate has counted.
    pub fn stats(&self) -> GateStats {
        self.0.counters.stats(self.0.open.load(Ordering::Relaxed))
    }

    fn try_admit(&self, request: &RequestHead<'_>) -> Result<Permit, Rejected> {
        let gate = &*self.0;
        let limit = |open: usize| (open < gate.config.limit).then_some(open + 1);
        let refused = |cause| Rejected::new(cause, gate.config.retry());
        if gate.open.fetch_update(Ordering::SeqCst, Ordering::Relaxed, limit).is_err() {
            return Err(refused(RejectReason::Limit));
        }
        let permit = Permit::new(self.clone());
        if self.is_draining() {
            if let Some(retry) = gate.timetable.retry_if_shut(now(), &gate.config) {
                permit.withdraw();
                return Err(Rejected::new(RejectReason::Draining, retry));
            }
        }
        match gate.config.take_key(request) {
            Ok(key) => Ok(permit.with_key(key)),
            Err(()) => {
                permit.withdraw();
                Err(refused(RejectReason::LimitPerKey))
            }
        }
    }
}

impl Shared {
    /// Waits until the time has come that `due` tells. Asked again whenever
    /// something has changed; with no time to tell, that is what is waited for.
    async fn come(&self, due: impl Fn(&Self) -> Option<Instant>) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            match due(self) {
                None => changed.await,
                Some(time) => {
                    if timeout_at(at(time), changed).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn drained_at(&self) -> Option<Instant> {
        if self.open.load(Ordering::SeqCst) == 0 { Some(now()) } else { self.timetable.over_at() }
    }

    /// Takes note that a stream is gone.
    fn handle_gone(&self) {
        let is_last = self.open.fetch_sub(1, Ordering::SeqCst) == 1;
        if is_last && self.drains.load(Ordering::Relaxed) > 0 {
            self.changed.notify_waiters();
        }
    }
}
