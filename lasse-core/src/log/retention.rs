//! How much of the past a log keeps, and for how long.

use alloc::collections::VecDeque;
use core::mem::size_of;
use core::time::Duration;

use crate::time::Instant;

/// How much of the past a log keeps: a number of events, of bytes, and an age. The strictest limit
/// counts.
///
/// This decides after how long a client can still resume, and how far a slow reader can fall
/// behind. The newest event is always kept, until it is too old.
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
    /// In nanoseconds. `u64::MAX` is for ever.
    age: u64,
}

impl Retention {
    /// One MiB, without a limit of events or of age.
    pub const fn new() -> Self {
        Self { events: u64::MAX, bytes: 1 << 20, age: u64::MAX }
    }

    /// Keeps at most this many events, but always one.
    #[must_use]
    pub const fn with_events(self, events: u64) -> Self {
        Self { events: if events == 0 { 1 } else { events }, ..self }
    }

    /// Keeps at most this many bytes of encoded events and their index. The oldest events are
    /// dropped in segments of at most a quarter of this, and of at most 64 KiB. The log allocates at
    /// most this and one segment.
    #[must_use]
    pub const fn with_bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    /// Keeps events for this long, and up to a sixteenth of it longer.
    ///
    /// A log has no clock: the age of an event counts from the first time that is set after it was
    /// appended, and the event is dropped when a time is set at which it is too old. A channel's
    /// `Dispatcher` sets both times. Without one, the time is set only where you call
    /// [`advance`](crate::log::Log::advance), and by the adapters' `subscribe` when a client connects:
    /// then an event can be older than the log knows, and stays until the time is set again. If the
    /// time is never set, the log keeps its events, whatever their age.
    #[must_use]
    pub fn with_age(self, age: Duration) -> Self {
        Self { age: u64::try_from(age.as_nanos()).unwrap_or(u64::MAX), ..self }
    }

    /// How many events are kept. `u64::MAX` is without a limit.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// How many bytes are kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many bytes a segment can have: a power of two.
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

/// When events came, by the times that were set: a few marks, each for an interval of a sixteenth of
/// the age at which events are dropped.
#[derive(Debug, Default)]
pub(super) struct Ages {
    /// The position up to which events are, or were, marked.
    seen: u64,
    marks: VecDeque<Mark>,
}

/// The events before `end`, and after the mark before, were there at `by`.
#[derive(Clone, Copy, Debug)]
struct Mark {
    end: u64,
    by: Instant,
}

impl Ages {
    /// Marks the new events, which are before `end`, and returns the position up to which events are
    /// too old.
    pub(super) fn advance(&mut self, now: Instant, end: u64, retention: &Retention) -> u64 {
        let Some(age) = retention.age() else { return 0 };
        match self.marks.back_mut() {
            _ if end == self.seen => {}
            Some(mark) if now <= mark.by => mark.end = end,
            _ => self.marks.push_back(Mark { end, by: now + age / INTERVALS }),
        }
        self.seen = end;
        let mut too_old = 0;
        while let Some(mark) = self.marks.front().filter(|mark| mark.by + age <= now) {
            too_old = mark.end;
            self.marks.pop_front();
        }
        too_old
    }

    /// When the time must be set next: now, if there are new events before `end`, or else when the
    /// oldest event will be too old.
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

/// The intervals that the age is divided into.
const INTERVALS: u32 = 16;
