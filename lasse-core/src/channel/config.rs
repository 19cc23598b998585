//! How a channel treats its readers.

use std::sync::Arc;
use std::time::Duration;

use crate::field::EventName;
use crate::log::{Retention, StartAt};

/// How a channel treats its readers. A clone shares.
///
/// | setting | default |
/// |---|---|
/// | retention | 1 MiB |
/// | start of who is new or reset | now |
/// | who comes back too late | starts as who is new |
/// | who reads too slowly | is disconnected, and resumes |
/// | position | told who is new, by an id alone |
/// | reset | told by an event named `reset` |
/// | subscribers | any number; else back in 3 to 6 seconds |
/// | slice | 16 KiB |
/// | linger | none |
/// | channels of [`Channels`](crate::Channels): kept unused | 5 minutes |
/// | their bytes, together | 256 MiB |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use lasse_core::{Channel, ChannelConfig, Retention, StartAt};
///
/// let config = ChannelConfig::new()
///     .with_retention(Retention::new().with_age(Duration::from_secs(3600)))
///     .with_start(StartAt::Last(10));
/// let news = Channel::new(&config);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ChannelConfig(Arc<Settings>);

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) retention: Retention,
    pub(super) start: StartAt,
    pub(super) backfill: bool,
    pub(super) slow: LagPolicy,
    pub(super) position: PositionNotice,
    pub(super) reset: ResetNotice,
    pub(super) max_subscribers: usize,
    pub(super) come_back: Duration,
    pub(super) slice: usize,
    pub(super) linger: Duration,
    pub(super) keep: Duration,
    pub(super) total_bytes: usize,
}

/// What becomes of a reader from whom events fell off the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LagPolicy {
    /// Its stream ends, cleanly; it comes back, and is told by a reset.
    #[default]
    Disconnect,
    /// It is told by a reset at once, and goes on with what is left.
    Skip,
}

/// How a client is told where its stream starts, so that it can resume even if it
/// is cut off before the first event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PositionNotice {
    /// By an id without an event, which Firefox ignores.
    #[default]
    Id,
    /// By an event named `open`, with that id and empty data.
    Open,
    /// Not at all, for clients that fail on either.
    Untold,
}

/// How a client is told that it cannot go on where it left off.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResetNotice {
    /// By an event of this name, whose data is a JSON object with the strings
    /// `reason`, `requested` and `resumed_at`.
    Event(EventName),
    /// By a comment that begins with `reset: `, for clients that fail on events
    /// they do not know.
    Comment,
    /// Not in the stream: by the application, to which the
    /// [`Subscriber`](crate::Subscriber) tells its outcome.
    Untold,
}

impl ChannelConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How much of the past is kept.
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> Self {
        self.change(|settings| settings.retention = retention)
    }

    /// Where readers start that are new, or cannot go on where they left off.
    #[must_use]
    pub fn with_start(self, start: StartAt) -> Self {
        self.change(|settings| settings.start = start)
    }

    /// Whether a reader that comes back too late is given what is left of what it
    /// missed, after the reset, wherever others start.
    #[must_use]
    pub fn with_backfill(self, backfill: bool) -> Self {
        self.change(|settings| settings.backfill = backfill)
    }

    /// What becomes of a reader from whom events fell off the log.
    #[must_use]
    pub fn with_lag_policy(self, slow: LagPolicy) -> Self {
        self.change(|settings| settings.slow = slow)
    }

    /// How a client is told where its stream starts.
    #[must_use]
    pub fn with_position(self, position: PositionNotice) -> Self {
        self.change(|settings| settings.position = position)
    }

    /// How a client is told that it cannot go on where it left off.
    #[must_use]
    pub fn with_reset(self, notice: ResetNotice) -> Self {
        self.change(|settings| settings.reset = notice)
    }

    /// How many subscribers there may be. The others are told to come back.
    #[must_use]
    pub fn with_max_subscribers(self, most: usize) -> Self {
        self.change(|settings| settings.max_subscribers = most)
    }

    /// When those come back for whom there was no room: after this long, or up to
    /// twice as long, so that they do not come all at once.
    #[must_use]
    pub fn with_retry_when_full(self, delay: Duration) -> Self {
        self.change(|settings| settings.come_back = delay)
    }

    /// How many bytes a subscriber reads at once, if there are more.
    #[must_use]
    pub fn with_read_budget(self, bytes: usize) -> Self {
        self.change(|settings| settings.slice = bytes)
    }

    /// How long events may gather before readers are woken, for fewer and larger
    /// writes. Needs a [`Dispatcher`](crate::Dispatcher): without one, `publish` wakes at
    /// once.
    #[must_use]
    pub fn with_linger(self, linger: Duration) -> Self {
        self.change(|settings| settings.linger = linger)
    }

    /// How long [`Channels`](crate::Channels) keep a channel that no one uses.
    #[must_use]
    pub fn with_idle_timeout(self, keep: Duration) -> Self {
        self.change(|settings| settings.keep = keep)
    }

    /// How many bytes the logs of all channels of [`Channels`](crate::Channels)
    /// may take together.
    #[must_use]
    pub fn with_total_bytes(self, bytes: usize) -> Self {
        self.change(|settings| settings.total_bytes = bytes)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.0
    }

    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retention: Retention::new(),
            start: StartAt::Now,
            backfill: false,
            slow: LagPolicy::Disconnect,
            position: PositionNotice::Id,
            reset: ResetNotice::Event(RESET),
            max_subscribers: usize::MAX,
            come_back: Duration::from_secs(3),
            slice: 16 * 1024,
            linger: Duration::ZERO,
            keep: Duration::from_secs(300),
            total_bytes: 256 << 20,
        }
    }
}

const RESET: EventName = EventName::from_static("reset");

#[cfg(test)]
mod tests;
