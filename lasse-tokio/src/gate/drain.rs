//! The drain plan: when each stream ends for a shutdown.

use std::ops::RangeInclusive;
use std::time::Duration;

use lasse_core::{Drain, Instant};

use super::config::GateConfig;

/// How the streams of a server end when it shuts down, without all clients reconnecting at
/// once.
///
/// ```text
/// drain       notice        window             grace
///   │─────────────────────│────────────────│────────────────│
///   not ready:            shut: new streams  finite streams  the rest
///   the load balancer     are refused, open  go on, clients  is aborted
///   looks elsewhere       ones end one by    take their last
///                         one                bytes
/// ```
///
/// | setting | default |
/// |---|---|
/// | notice | 5 seconds |
/// | window | 5 seconds |
/// | grace | 3 seconds |
/// | a client reconnects | after 0.5 to 2 seconds |
///
/// So a server stops within 14 seconds by default, including one second for the aborts, or after
/// the notice if it has no streams. A client that takes no byte for three seconds has stalled: its
/// stream is aborted when its turn comes, or later when the three seconds are over.
///
/// # Examples
///
/// A server without a load balancer in front of it needs no notice. One with 20,000 streams
/// needs a window of 20 seconds:
///
/// ```
/// use std::time::Duration;
/// use lasse_tokio::{DrainPlan, Gate, GateConfig};
///
/// let plan = DrainPlan::new()
///     .with_notice(Duration::ZERO)
///     .with_window(Duration::from_secs(20));
/// let gate = Gate::new(GateConfig::new().with_drain_plan(plan));
/// ```
#[doc(alias = "graceful shutdown")]
#[derive(Clone, Debug)]
pub struct DrainPlan {
    notice: Duration,
    window: Duration,
    grace: Duration,
    retry: RangeInclusive<Duration>,
}

impl DrainPlan {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets for how long new streams are still admitted, until load balancers have noticed that the
    /// server is not [ready](crate::Gate::is_ready). Zero without a load balancer.
    #[must_use]
    pub fn with_notice(self, notice: Duration) -> Self {
        Self { notice, ..self }
    }

    /// Sets the time, after the notice, within which the streams end, each at a random time.
    /// Allow at least a second for a thousand streams, because each client reconnects.
    #[must_use]
    pub fn with_window(self, window: Duration) -> Self {
        Self { window, ..self }
    }

    /// Sets the time, after the window, for streams that have not ended yet: because they are
    /// [finite](lasse_core::StreamConfig::with_finite), or their clients are slow. A stream that is
    /// open then is aborted.
    #[must_use]
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Sets the span of the random time after which a client reconnects: its `retry`. Firefox does
    /// not reconnect before 0.5 seconds.
    #[must_use]
    pub fn with_retry(self, span: RangeInclusive<Duration>) -> Self {
        Self { retry: span, ..self }
    }
}

impl Default for DrainPlan {
    fn default() -> Self {
        Self {
            notice: Duration::from_secs(5),
            window: Duration::from_secs(5),
            grace: Duration::from_secs(3),
            retry: Duration::from_millis(500)..=Duration::from_secs(2),
        }
    }
}

/// A plan whose drain has started.
#[derive(Clone, Debug)]
pub(super) struct DrainSchedule {
    /// When the notice is over.
    pub(super) shut_at: Instant,
    end_by: Instant,
    abort_at: Instant,
    retry: RangeInclusive<Duration>,
}

impl DrainSchedule {
    pub(super) fn new(plan: &DrainPlan, now: Instant) -> Self {
        let shut_at = now + plan.notice;
        let end_by = shut_at + plan.window;
        Self { shut_at, end_by, abort_at: end_by + plan.grace, retry: plan.retry.clone() }
    }

    /// When all streams have ended, except those whose tasks are not polled.
    pub(super) fn over_at(&self) -> Instant {
        self.abort_at + TIME_TO_ABORT
    }

    /// The span for the `retry` of a client that comes now, if that is too late.
    pub(super) fn retry_if_shut(&self, now: Instant) -> Option<RangeInclusive<Duration>> {
        (self.shut_at <= now).then(|| self.retry.clone())
    }

    /// One stream's part in the drain.
    pub(super) fn draw(&self, now: Instant, config: &GateConfig) -> Drain {
        let start = self.shut_at.max(now);
        let window = self.end_by.saturating_duration_since(start);
        let end_at = start + config.draw(Duration::ZERO..=window);
        let retry = config.draw(self.retry.clone());
        Drain { end_at, retry, stall_timeout: STALL_TIMEOUT, abort_at: self.abort_at }
    }
}

/// A client that takes no byte for this long during a drain has stalled.
pub(crate) const STALL_TIMEOUT: Duration = Duration::from_secs(3);

/// How long the tasks of aborted streams can take to notice it.
const TIME_TO_ABORT: Duration = Duration::from_secs(1);
