//! When all have to leave.

use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lasse_core::{Drain, Instant};

use super::config::GateConfig;

/// How the streams of a server that shuts down are sent elsewhere, without all
/// clients coming back at once.
///
/// ```text
/// drain       notice        window             grace
///   │─────────────────────│────────────────│────────────────│
///   not ready:            shut: new ones   those that       they are
///   load balancers        come back later; could not        aborted
///   look elsewhere        all others end,  end yet
///                         one by one       go on
/// ```
///
/// | setting | default |
/// |---|---|
/// | notice | none |
/// | window | 3 seconds |
/// | grace | 20 seconds |
/// | a client comes back | after 0.5 to 2 seconds |
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

    /// Goes on serving new streams for so long, until those who send them here
    /// know that the server is not ready.
    #[must_use]
    pub fn with_notice(self, notice: Duration) -> Self {
        Self { notice, ..self }
    }

    /// Ends the streams cleanly after the notice, each at a random time within
    /// `window`. Allow about a second for a thousand clients.
    #[must_use]
    pub fn with_window(self, window: Duration) -> Self {
        Self { window, ..self }
    }

    /// Leaves streams that cannot end yet, because they are
    /// [finite](lasse_core::StreamConfig::with_finite) or their clients slow, so much more
    /// time. What is left then is aborted.
    #[must_use]
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Tells each client to come back after a random time within this span.
    /// Firefox does not come back before 0.5 seconds.
    #[must_use]
    pub fn with_retry(self, span: RangeInclusive<Duration>) -> Self {
        Self { retry: span, ..self }
    }
}

impl Default for DrainPlan {
    fn default() -> Self {
        Self {
            notice: Duration::ZERO,
            window: Duration::from_secs(3),
            grace: Duration::from_secs(20),
            retry: Duration::from_millis(500)..=Duration::from_secs(2),
        }
    }
}

/// A plan that has begun, if one has.
#[derive(Debug, Default)]
pub(super) struct Timetable(Mutex<Option<Begun>>);

#[derive(Clone, Debug)]
struct Begun {
    shut_at: Instant,
    end_by: Instant,
    abort_at: Instant,
    retry: RangeInclusive<Duration>,
}

impl Timetable {
    pub(super) fn set(&self, plan: &DrainPlan, now: Instant) {
        let shut_at = now + plan.notice;
        let end_by = shut_at + plan.window;
        let (abort_at, retry) = (end_by + plan.grace, plan.retry.clone());
        *self.begun() = Some(Begun { shut_at, end_by, abort_at, retry });
    }

    /// When no more streams are let in.
    pub(super) fn shut_at(&self) -> Option<Instant> {
        self.begun().as_ref().map(|begun| begun.shut_at)
    }

    /// When all streams are gone, but for those whose tasks are not polled.
    pub(super) fn over_at(&self) -> Option<Instant> {
        self.begun().as_ref().map(|begun| begun.abort_at + LAST_WRITES)
    }

    /// When a client is to come back that comes now, if it is too late for it.
    pub(super) fn retry_if_shut(&self, now: Instant, config: &GateConfig) -> Option<Duration> {
        let begun = self.begun().clone()?;
        (begun.shut_at <= now).then(|| config.draw(begun.retry))
    }

    /// One stream's part in the plan.
    pub(super) fn draw(&self, now: Instant, config: &GateConfig) -> Option<Drain> {
        let Begun { shut_at, end_by, abort_at, retry } = self.begun().clone()?;
        let start = shut_at.max(now);
        let window = end_by.saturating_duration_since(start);
        let end_at = start + config.draw(Duration::ZERO..=window);
        Some(Drain { end_at, retry: config.draw(retry), stall_timeout: STALL_TIMEOUT, abort_at })
    }

    fn begun(&self) -> MutexGuard<'_, Option<Begun>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client that takes no byte for this long during a drain has stalled.
const STALL_TIMEOUT: Duration = Duration::from_secs(3);

/// What an abort may take to be noticed.
const LAST_WRITES: Duration = Duration::from_secs(1);
