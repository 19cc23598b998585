//! The decision on a client's last event id.

use core::fmt;

use super::cursor::Cursor;
use super::{Log, numbered};
use crate::field::{EventId, LastEventId};

/// Where a reader starts that has nothing to resume from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StartAt {
    /// With what comes next.
    #[default]
    Now,
    /// With the oldest event that is kept.
    Oldest,
    /// With the last so many events, or as many as are kept.
    Last(u64),
}

/// What becomes of a client that connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Resume {
    /// It is new here, and starts where new clients do.
    Fresh(Cursor),
    /// It goes on where it left off, with nothing lost and nothing repeated.
    Resumed(Cursor),
    /// The log is over and it has all of it. Answer 204, which ends an
    /// `EventSource`; it would come back for ever otherwise.
    Complete,
    /// It cannot go on where it left off, which it must be told, and starts where
    /// new clients do.
    Reset(ResetReason, Cursor),
}

/// Why a client cannot go on where it left off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResetReason {
    /// Events that it has not seen are kept no more.
    Expired,
    /// Its id is another log's, or that of an earlier incarnation of this one.
    Foreign,
    /// Its id is yet to be given: the log has lost events that it once had.
    Ahead,
    /// Its id is none that this log knows.
    Unknown,
    /// It read too slowly, and events fell off the log before it had read them.
    Lagged,
}

impl ResetReason {
    /// All gaps, in the order of their declaration, for who counts by them.
    pub const ALL: [Self; 5] =
        [Self::Expired, Self::Foreign, Self::Ahead, Self::Unknown, Self::Lagged];

    /// The gap as a word, as clients, figures and logs have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Foreign => "foreign",
            Self::Ahead => "ahead",
            Self::Unknown => "unknown",
            Self::Lagged => "lagged",
        }
    }
}

impl fmt::Display for ResetReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Log {
    /// Decides where a client goes on that says it left off at `last`.
    ///
    /// | `last` | decision |
    /// |---|---|
    /// | absent or empty | fresh, at `start` |
    /// | an event that is kept, or the one before the first | resumed, after it |
    /// | the same, or fresh, in a log that is over, and nothing left | complete |
    /// | an event that was kept | reset, expired |
    /// | an event of another epoch | reset, foreign |
    /// | an event that is yet to come | reset, ahead |
    /// | anything else | reset, unknown |
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::{Epoch, Event, EventId, ResetReason, LastEventId, Log, Resume, Retention, StartAt};
    ///
    /// let mut log = Log::new(Epoch::new("k")?, Retention::new());
    /// let id = log.append(&Event::new("hello"))?;
    /// assert_eq!(id.as_str(), "k-1");
    ///
    /// let resume = log.resume(&LastEventId::Id(id), StartAt::Now);
    /// assert_eq!(resume, Resume::Resumed(log.cursor(StartAt::Now)));
    ///
    /// let before_the_restart = LastEventId::Id(EventId::new("j-1")?);
    /// let resume = log.resume(&before_the_restart, StartAt::Oldest);
    /// assert_eq!(resume, Resume::Reset(ResetReason::Foreign, log.cursor(StartAt::Oldest)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resume(&self, last: &LastEventId, start: StartAt) -> Resume {
        let resume = match last {
            LastEventId::Absent | LastEventId::Empty => Resume::Fresh(self.cursor(start)),
            LastEventId::Invalid(_) => Resume::Reset(ResetReason::Unknown, self.cursor(start)),
            LastEventId::Id(id) => match self.after(id) {
                Ok(cursor) => Resume::Resumed(cursor),
                Err(gap) => Resume::Reset(gap, self.cursor(start)),
            },
        };
        match resume {
            Resume::Fresh(cursor) | Resume::Resumed(cursor) if self.is_over_at(cursor) => {
                Resume::Complete
            }
            _ => resume,
        }
    }

    /// The place after the event `id`, if it is kept, or was the last to go.
    ///
    /// # Errors
    ///
    /// When it is not: there is a gap, or there may be.
    pub fn after(&self, id: &EventId) -> Result<Cursor, ResetReason> {
        let numbered = numbered::read(id.as_str());
        if let Some((_, number)) = numbered.filter(|(epoch, _)| *epoch == self.epoch) {
            return self.after_number(number);
        }
        let found = self.segments().find_map(|segment| segment.find(id.as_str(), self.first));
        match found {
            Some(position) => Ok(Cursor(position + 1)),
            None if numbered.is_some() => Err(ResetReason::Foreign),
            None => Err(ResetReason::Unknown),
        }
    }

    /// The place at which `start` starts, as things are.
    pub fn cursor(&self, start: StartAt) -> Cursor {
        let end = self.newest.index.end();
        Cursor(match start {
            StartAt::Now => end,
            StartAt::Oldest => self.first,
            StartAt::Last(n) => end.saturating_sub(n).max(self.first),
        })
    }

    /// The id that names a place: that of the event before it. A client that
    /// comes back with it goes on at `cursor`.
    pub fn id_before(&self, cursor: Cursor) -> EventId {
        let held = cursor.0.checked_sub(1).filter(|before| *before >= self.first);
        let id = held.and_then(|before| {
            let segment = self.last_segment(|segment| segment.index.first <= before)?;
            segment.id(segment.index.nth(before))
        });
        match id {
            Some(id) => EventId::from_line(id.into()),
            None => numbered::write(&self.epoch, self.gone),
        }
    }

    fn after_number(&self, number: u64) -> Result<Cursor, ResetReason> {
        if number > self.number {
            return Err(ResetReason::Ahead);
        }
        if number < self.gone {
            return Err(ResetReason::Expired);
        }
        let segment = self.last_segment(|segment| segment.index.number <= number);
        let position = segment.map_or(self.first, |segment| {
            let nth = usize::try_from(number - segment.index.number).unwrap_or(usize::MAX);
            segment.index.first + nth.saturating_add(1).min(segment.index.len()) as u64
        });
        Ok(Cursor(position.max(self.first)))
    }

    fn is_over_at(&self, cursor: Cursor) -> bool {
        self.ending.is_some() && cursor.0 >= self.newest.index.end()
    }
}
