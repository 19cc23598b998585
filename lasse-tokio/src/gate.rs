//! The gate: admits streams up to a limit, drains them for a shutdown, and counts them.

mod admissions;
mod config;
mod drain;
mod end_switch;
mod opened;
mod per_key;
mod permit;
mod registry;
mod rejected;
mod report;
mod stats;
mod stream_handle;

use std::future::Future;
use std::ops::ControlFlow::{self, Break, Continue};
use std::pin::pin;
use std::sync::Arc;

use lasse_core::{Instant, RequestHead};
use tokio::sync::Notify;
use tokio::time::timeout_at;

use crate::clock::{at, now};
use crate::timer_queue::TimerQueue;

use admissions::{Admissions, Denied};
pub(crate) use config::CLIENT_RETRY;
pub use config::GateConfig;
pub use drain::DrainPlan;
use drain::DrainSchedule;
pub(crate) use drain::STALL_TIMEOUT;
pub use per_key::KeyLimitPolicy;
pub use permit::{Permit, Signal};
use registry::Registry;
pub use registry::StreamInfo;
pub use rejected::{RejectReason, Rejected};
use stats::Counters;
pub use stats::GateStats;
pub use stream_handle::{StreamHandle, WeakStreamHandle};

/// What `admissions` takes from std, and its model from loom.
mod sync {
    pub(super) use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
    pub(super) use std::sync::{Mutex, MutexGuard, PoisonError};
}

/// Admits streams up to the limits of its [configuration](GateConfig), ends them all when the
/// server shuts down, and counts them. A clone is the same gate.
///
/// A server has a gate, which admits all its streams: [`serve`](crate::serve()) makes one, or
/// uses the one that `with_gate` sets. An [`Endpoint`](crate::Endpoint) can have a gate of its
/// own, for limits of its own. A stream must then be admitted by both gates, and ends when
/// either drains.
///
/// # Examples
///
/// A readiness probe, and a shutdown that a load balancer notices before it starts:
///
/// ```
/// use std::time::Duration;
/// use lasse_tokio::{DrainPlan, Gate, GateConfig};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let gate = Gate::new(GateConfig::new().with_limit(10_000));
/// let readiness = || if gate.is_ready() { 200 } else { 503 };
/// assert_eq!(readiness(), 200);
///
/// gate.drain(&DrainPlan::new().with_notice(Duration::from_secs(5)));
/// assert_eq!(readiness(), 503);
/// assert_eq!(gate.drained().await, 0);
/// # }
/// ```
///
/// Under `axum::serve`:
///
/// ```no_run
/// # #[cfg(feature = "axum")]
/// # use axum::Router;
/// # use lasse_tokio::{Endpoint, Gate, Listener};
/// # #[cfg(feature = "axum")]
/// # async fn run(router: fn(Endpoint) -> Router) -> std::io::Result<()> {
/// let gate = Gate::default();
/// let listener = Listener::bind("127.0.0.1:4000").await?.with_gate(&gate);
/// let router = router(Endpoint::default().with_gate(&gate));
/// let ctrl_c = async { drop(tokio::signal::ctrl_c().await) };
/// axum::serve(listener, router).with_graceful_shutdown(gate.shut_on(ctrl_c)).await?;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "graceful shutdown")]
#[doc(alias = "rate limit")]
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    config: GateConfig,
    counters: Counters,
    admissions: Admissions<DrainSchedule>,
    registry: Registry,
    /// Wakes the streams at their deadlines, and all of them when a drain starts.
    timers: TimerQueue,
    /// Notified when a drain starts, and when the last stream of a drain has ended.
    changed: Notify,
}

impl Gate {
    /// A gate with this configuration.
    pub fn new(config: GateConfig) -> Self {
        Self(Arc::new(Shared { config, ..Shared::default() }))
    }

    /// Admits one more stream. If the request has another gate in its extensions, the
    /// server's, that gate must admit it, too. If it has a [`StreamHandle`], that ends the stream.
    ///
    /// # Errors
    ///
    /// If there are as many streams as a limit allows, or if a drain has started and its
    /// notice is over. The error has the time after which the client can try again.
    pub fn admit(&self, request: &RequestHead<'_>) -> Result<Permit, Rejected> {
        let mut permit = self.admit_unconfirmed(request)?;
        permit.confirm();
        Ok(permit)
    }

    /// Like [`admit`](Self::admit), but until the permit is [confirmed](Permit::confirm), the new stream
    /// replaces no other.
    pub(crate) fn admit_unconfirmed(&self, request: &RequestHead<'_>) -> Result<Permit, Rejected> {
        let server = request.extensions().get::<Self>();
        let server = server.filter(|server| !Arc::ptr_eq(&server.0, &self.0));
        let server = server.map(|server| server.admit_here(request)).transpose()?;
        let permit = self.admit_here(request)?.open(server);
        Ok(permit.with_handle(request.extensions().get::<StreamHandle>().cloned()))
    }

    /// Starts to end all streams, according to `plan`. From now on the gate is not
    /// [ready](Self::is_ready). If a drain has started already, the new plan replaces the
    /// old one.
    pub fn drain(&self, plan: &DrainPlan) {
        report::draining(plan, self.0.admissions.len());
        self.0.admissions.start_drain(DrainSchedule::new(plan, now()));
        self.0.timers.wake_all();
        self.0.changed.notify_waiters();
    }

    /// Whether new streams should be sent to this server: true until a drain starts. This
    /// is the answer to a readiness probe, 200 or 503.
    #[doc(alias = "readiness")]
    pub fn is_ready(&self) -> bool {
        !self.is_draining()
    }

    /// Whether a drain has started.
    pub fn is_draining(&self) -> bool {
        self.0.admissions.is_draining()
    }

    /// Whether a drain has started and its notice is over.
    pub(crate) fn is_shut(&self) -> bool {
        let is_shut = |schedule: &DrainSchedule, _| schedule.shut_at <= now();
        self.is_draining() && self.0.admissions.with_schedule(is_shut) == Some(true)
    }

    /// Returns when a drain has started and its notice is over: no more streams are
    /// admitted.
    pub fn shut(&self) -> impl Future<Output = ()> + Send + use<> {
        self.wait(|schedule, _| (schedule.shut_at, ()))
    }

    /// Starts a drain when `signal` is ready, by the [plan](GateConfig::with_drain_plan) of
    /// the configuration, unless one has started already. Returns when the gate is
    /// [`shut`](Self::shut), which a server waits for.
    pub fn shut_on<F>(&self, signal: F) -> impl Future<Output = ()> + use<F>
    where
        F: Future<Output = ()>,
    {
        let gate = self.clone();
        async move {
            tokio::select! {
                biased;
                () = gate.shut() => return,
                () = signal => {}
            }
            if gate.is_ready() {
                gate.drain(gate.0.config.drain_plan());
            }
            gate.shut().await;
        }
    }

    /// Returns when the gate is [`shut`](Self::shut) and all streams have ended, or a second
    /// after the last moment of the plan. Returns the number of streams that are left.
    pub fn drained(&self) -> impl Future<Output = usize> + Send + use<> {
        self.wait(|schedule, open| match open {
            0 => (schedule.shut_at, 0),
            _ => (schedule.over_at(), open),
        })
    }

    /// Returns a second after the last moment of the plan, whether streams are left or not.
    pub fn over(&self) -> impl Future<Output = ()> + Send + use<> {
        self.wait(|schedule, _| (schedule.over_at(), ()))
    }

    /// The queue in which this gate's streams have their timers. A server can have its
    /// other timers there.
    pub fn timers(&self) -> &TimerQueue {
        &self.0.timers
    }

    /// What the gate has counted.
    #[doc(alias = "metrics")]
    pub fn stats(&self) -> GateStats {
        self.0.counters.stats(self.0.admissions.len())
    }

    /// Admits one more stream, without the other gates.
    fn admit_here(&self, request: &RequestHead<'_>) -> Result<Permit, Rejected> {
        let admitted = self.try_admit(request);
        if let Err(rejected) = &admitted {
            self.0.counters.count_rejected(rejected.reason());
            report::rejected(rejected.reason());
        }
        admitted
    }

    fn try_admit(&self, request: &RequestHead<'_>) -> Result<Permit, Rejected> {
        let Shared { config, admissions, registry, .. } = &*self.0;
        match admissions.admit(config.limit(), |schedule| schedule.retry_if_shut(now())) {
            Ok(()) => {}
            Err(Denied::Limit) => return Err(Rejected::new(RejectReason::Limit, config.retry())),
            Err(Denied::Draining(retry)) => {
                return Err(Rejected::new(RejectReason::Draining, config.draw(retry)));
            }
        }
        // From here on, the stream is counted until its permit is dropped.
        let permit = Permit::new(self.clone());
        let (key, tags) = (config.key(request), config.tags(request));
        let has_entry = !tags.is_empty() || key.is_some() && config.replaces_oldest();
        let entry = has_entry.then(|| registry.entry(tags));
        if let Some(Err(_)) = key.map(|key| config.take_key(key, entry.as_ref())) {
            return Err(Rejected::new(RejectReason::LimitPerKey, config.draw_client_retry()));
        }
        entry.iter().for_each(|entry| registry.insert(entry));
        Ok(permit.with_entry(key, entry))
    }

    /// Waits for a drain, and then for the time that `due` makes of its schedule and the
    /// number of open streams. Asks again whenever one of these has changed.
    fn wait<T, D>(&self, due: D) -> impl Future<Output = T> + Send + use<T, D>
    where
        T: Send,
        D: Fn(&DrainSchedule, usize) -> (Instant, T) + Send,
    {
        let gate = self.clone();
        let look = move |schedule: &DrainSchedule, open: usize| -> ControlFlow<T, Instant> {
            let (time, output) = due(schedule, open);
            if time <= now() { Break(output) } else { Continue(time) }
        };
        async move {
            loop {
                let mut changed = pin!(gate.0.changed.notified());
                changed.as_mut().enable();
                match gate.0.admissions.with_schedule(&look) {
                    Some(Break(output)) => return output,
                    Some(Continue(time)) => drop(timeout_at(at(time), changed).await),
                    None => changed.await,
                }
            }
        }
    }
}

impl Shared {
    /// Counts one stream less.
    fn remove_stream(&self) {
        if self.admissions.remove() {
            self.changed.notify_waiters();
        }
    }
}
