//! How much of the past a log keeps, and since when.

use alloc::collections::VecDeque;
use core::mem::size_of;
use core::time::Duration;

use crate::time::Instant;

/// How much of the past a log keeps: so many events, bytes, and for so long,
/// whichever is less.
///
/// What is kept is what a client that comes back can resume from, and how far a
/// slow reader may fall behind. The newest event is always kept, until it is too
/// old.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use lasse_core::Retention;
///
/// let an_hour = Retention::new().with_age(Duration::from_secs(3600)).with_bytes(8 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    events: u64,
    bytes: usize,
    /// In nanoseconds; `u64::MAX` is for ever.
    age: u64,
}

impl Retention {
    /// One MiB, however many events that is, and however old.
    pub const fn new() -> Self {
        Self { events: u64::MAX, bytes: 1 << 20, age: u64::MAX }
    }

    /// Keeps at most so many events, but always one.
    #[must_use]
    pub const fn with_events(self, events: u64) -> Self {
        Self { events: if events == 0 { 1 } else { events }, ..self }
    }

    /// Keeps at most so many bytes of encoded events and what it takes to find
    /// them. The oldest go in segments of up to a quarter of this, and of 64 KiB;
    /// what is allocated is at most this and one segment.
    #[must_use]
    pub const fn with_bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    /// Keeps events for so long, and up to a sixteenth of that longer.
    ///
    /// A log has no clock: an event is as old as the first time that is told after
    /// it came, and goes when a time is told at which it is too old. A channel's
    /// `Dispatcher` tells both in time. Without one, the time is told only where you
    /// [`advance`](crate::Log::advance) it, and by the adapters' `subscribe`
    /// whenever a client comes: then an event may be old before the log first hears
    /// what time it is, and stays until the log hears it again. A log that is told
    /// no time keeps its events, whatever their age.
    #[must_use]
    pub fn with_age(self, age: Duration) -> Self {
        Self { age: u64::try_from(age.as_nanos()).unwrap_or(u64::MAX), ..self }
    }

    pub(super) fn events(&self) -> u64 {
        self.events
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many bytes a segment may have: a power of two.
    pub(super) fn segment(&self) -> usize {
        let share = (self.bytes / 4).clamp(SMALLEST_SEGMENT, LARGEST_SEGMENT);
        1 << share.ilog2()
    }

    /// Whether events can be too old.
    pub(crate) fn has_age(&self) -> bool {
        self.age().is_some()
    }

    fn age(&self) -> Option<Duration> {
        Some(Duration::from_nanos(self.age)).filter(|_| self.age != u64::MAX)
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self::new()
    }
}

/// When events came, by the time that the log was told: a few marks, each for a
/// stretch of a sixteenth of the age at which events go.
#[derive(Debug, Default)]
pub(super) struct Ages {
    /// The position up to which events are marked, or were.
    seen: u64,
    marks: VecDeque<Mark>,
}

/// Up to which position events were seen no later than `by`.
#[derive(Clone, Copy, Debug)]
struct Mark {
    end: u64,
    by: Instant,
}

impl Ages {
    /// Notes when the events came that are new, before `end`, and tells the
    /// position up to which events are too old.
    pub(super) fn advance(&mut self, now: Instant, end: u64, retention: &Retention) -> u64 {
        let Some(age) = retention.age() else { return 0 };
        match self.marks.back_mut() {
            _ if end == self.seen => {}
            Some(mark) if now <= mark.by => mark.end = end,
            _ => self.marks.push_back(Mark { end, by: now + age / STRETCHES }),
        }
        self.seen = end;
        let mut too_old = 0;
        while let Some(mark) = self.marks.front().filter(|mark| mark.by + age <= now) {
            too_old = mark.end;
            self.marks.pop_front();
        }
        too_old
    }

    /// When the time is to be told next: at once, if there are new events before
    /// `end`; else when the oldest will be too old.
    pub(super) fn deadline(&self, end: u64, retention: &Retention) -> Option<Instant> {
        if end > self.seen {
            return Some(Instant::from_nanos(0));
        }
        Some(self.marks.front()?.by + retention.age()?)
    }

    /// How many bytes it takes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.marks.capacity() * size_of::<Mark>()
    }
}

const LARGEST_SEGMENT: usize = 64 * 1024;

const SMALLEST_SEGMENT: usize = 256;

/// Into how many stretches a time of life is divided.
const STRETCHES: u32 = 16;
