//! The settings of the channels of a simulation.

use std::time::Duration;

use lasse_core::channel::NoticeName;
use lasse_core::{ChannelConfig, LagPolicy, Retention, StartAt};

use super::random::Random;
use super::settings::{MILLI, NANO, SECOND};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ChannelSettings {
    pub(super) events: u64,
    pub(super) bytes: usize,
    pub(super) age: Option<Duration>,
    pub(super) start: StartAt,
    /// Whether a client that cannot resume gets a snapshot.
    pub(super) has_snapshots: bool,
    /// Whether a client that is ahead of the log waits for it.
    pub(super) is_shared: bool,
    pub(super) backfill: bool,
    pub(super) lag: LagPolicy,
    pub(super) position: Option<NoticeName>,
    pub(super) reset: Option<NoticeName>,
    pub(super) max_subscribers: usize,
    pub(super) retry_when_full: Duration,
    pub(super) read_budget: usize,
    pub(super) linger: Duration,
    pub(super) idle_timeout: Duration,
}

impl ChannelSettings {
    pub(super) fn random(random: &mut Random) -> Self {
        Self {
            events: random.pick(&[0, 1, 3, 20, u64::MAX, u64::MAX]),
            bytes: random.pick(&[0, 1, 2_000, 20_000, 1 << 20, 1 << 20, usize::MAX]),
            age: random.pick(&[
                None,
                None,
                None,
                Some(Duration::ZERO),
                Some(NANO),
                Some(SECOND),
                Some(60 * SECOND),
                Some(Duration::MAX),
            ]),
            start: random.pick(&[
                StartAt::Now,
                StartAt::Oldest,
                StartAt::Last(0),
                StartAt::Last(1),
                StartAt::Last(3),
                StartAt::Last(u64::MAX),
            ]),
            has_snapshots: random.one_in(4),
            is_shared: random.one_in(2),
            backfill: random.one_in(2),
            lag: random.pick(&[LagPolicy::Disconnect, LagPolicy::Skip]),
            position: random.pick(&[Some(POSITION), Some(POSITION), None]),
            reset: random.pick(&[Some(RESET), Some(RESET), Some(RESET), None]),
            max_subscribers: random.pick(&[usize::MAX, usize::MAX, usize::MAX, 2, 1, 0]),
            retry_when_full: random.pick(&[Duration::ZERO, MILLI, 3 * SECOND]),
            read_budget: random.pick(&[0, 1, 500, 16 * 1024, usize::MAX]),
            linger: random.pick(&[
                Duration::ZERO,
                Duration::ZERO,
                NANO,
                MILLI,
                100 * MILLI,
                Duration::MAX,
            ]),
            idle_timeout: random.pick(&[Duration::ZERO, SECOND, 300 * SECOND, Duration::MAX]),
        }
    }

    /// Settings that keep everything and report everything.
    pub(super) fn calm() -> Self {
        Self {
            events: u64::MAX,
            bytes: 1 << 20,
            age: None,
            start: StartAt::Now,
            has_snapshots: false,
            is_shared: false,
            backfill: false,
            lag: LagPolicy::Disconnect,
            position: Some(POSITION),
            reset: Some(RESET),
            max_subscribers: usize::MAX,
            retry_when_full: 3 * SECOND,
            read_budget: 16 * 1024,
            linger: Duration::ZERO,
            idle_timeout: 300 * SECOND,
        }
    }

    pub(super) fn config(&self, budget: Option<usize>) -> ChannelConfig {
        let retention = Retention::new().with_events(self.events).with_bytes(self.bytes);
        let retention = match self.age {
            Some(age) => retention.with_age(age),
            None => retention,
        };
        ChannelConfig::new()
            .with_retention(retention)
            .with_start(self.start)
            .with_shared_epoch(self.is_shared)
            .with_backfill(self.backfill)
            .with_lag_policy(self.lag)
            .with_position(self.position.clone())
            .with_reset(self.reset.clone())
            .with_max_subscribers(self.max_subscribers)
            .with_retry_when_full(self.retry_when_full)
            .with_read_budget(self.read_budget)
            .with_linger(self.linger)
            .with_idle_timeout(self.idle_timeout)
            .with_total_bytes(budget.unwrap_or(usize::MAX))
    }
}

const POSITION: NoticeName = NoticeName::from_static("position");
const RESET: NoticeName = NoticeName::from_static("reset");
