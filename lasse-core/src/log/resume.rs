//! The decision on a client's last event id.

use core::fmt;

use super::cursor::Cursor;
use super::view::View;
use super::{Log, numbered};
use crate::field::{EventId, LastEventId};

/// Where a reader starts if it has nothing to resume from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StartAt {
    /// With the next event.
    #[default]
    Now,
    /// With the oldest event that is held.
    Oldest,
    /// With the last events, this many or as many as are held.
    Last(u64),
    /// With the newest event of each key, in the order of their positions, and then with the next
    /// event. Nothing is lost or repeated between the two.
    ///
    /// It is for logs with a [`Compaction`](crate::Compaction); elsewhere it is the same as `Now`. A
    /// log's [`cursor`](crate::log::Log::cursor) alone cannot hold this state:
    /// [`start_view`](crate::log::Log::start_view) and a channel can.
    LatestPerKey,
}

/// The decision on a client that connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Resume {
    /// The client is new, and starts where new clients do.
    Fresh(Cursor),
    /// The client continues where it left off. Nothing is lost or repeated.
    Resumed(Cursor),
    /// The log has ended and the client has all of it. Answer 204, which stops an `EventSource`; it
    /// would reconnect for ever otherwise.
    Complete,
    /// The client cannot resume where it left off, must be notified of that, and starts where new
    /// clients do.
    Reset(ResetReason, Cursor),
}

/// Why a client cannot continue where it left off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResetReason {
    /// Events that it lacks are no longer held.
    Expired,
    /// Its id is of an epoch that is not held: of another log, or of an earlier incarnation.
    Foreign,
    /// Its id is not given yet: the log has lost events, or is behind another log of its epoch.
    Ahead,
    /// Its id is not one that this log holds.
    Unknown,
    /// It read too slowly: the log dropped events that it had not read.
    Lagged,
    /// The next events after its id are missing in the log.
    Hole,
}

impl ResetReason {
    /// All reasons, in the order of their declaration.
    #[cfg(feature = "std")]
    pub(crate) const ALL: [Self; 6] =
        [Self::Expired, Self::Foreign, Self::Ahead, Self::Unknown, Self::Lagged, Self::Hole];

    /// The reason as a word, for clients, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Foreign => "foreign",
            Self::Ahead => "ahead",
            Self::Unknown => "unknown",
            Self::Lagged => "lagged",
            Self::Hole => "hole",
        }
    }
}

impl fmt::Display for ResetReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Log {
    /// Decides where a client with the last event id `last` resumes.
    ///
    /// | `last` | decision |
    /// |---|---|
    /// | absent or empty | fresh, at `start` |
    /// | an event that is held, or the one before the first | resumed, after it |
    /// | the same, or fresh, in a log that has ended, and nothing left | complete |
    /// | an event that was dropped | reset, expired |
    /// | an event before a hole, or in it | reset, hole; at `start`, but not before the hole |
    /// | an event of an epoch that is not held | reset, foreign |
    /// | an event that is not there yet | reset, ahead |
    /// | anything else, in bounded time | reset, unknown |
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::log::{Log, Resume};
    /// use lasse_core::{Epoch, Event, EventId, LastEventId, ResetReason, Retention, StartAt};
    ///
    /// let mut log = Log::new(Epoch::new("k")?, Retention::new());
    /// let id = log.append(&Event::new("one"))?;
    /// let resume = log.resume(&LastEventId::Id(id), StartAt::Now);
    /// assert_eq!(resume, Resume::Resumed(log.cursor(StartAt::Now)));
    ///
    /// let before_the_restart = LastEventId::Id(EventId::new("j-1")?);
    /// let resume = log.resume(&before_the_restart, StartAt::Oldest);
    /// assert_eq!(resume, Resume::Reset(ResetReason::Foreign, log.cursor(StartAt::Oldest)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resume(&self, last: &LastEventId, start: StartAt) -> Resume {
        let start = match start {
            StartAt::LatestPerKey => StartAt::Now,
            start => start,
        };
        self.resume_view(last, start, &mut View::all())
    }

    /// The place after the event `id`, if the log holds all that follows it.
    ///
    /// # Errors
    ///
    /// If it does not, or if it cannot know.
    pub fn after(&self, id: &EventId) -> Result<Cursor, ResetReason> {
        if self.own.is_some() {
            return self.after_own(id.as_str()).ok_or(ResetReason::Unknown);
        }
        let (epoch, number) = numbered::read(id.as_str()).ok_or(ResetReason::Unknown)?;
        self.numbering.after(&epoch, number, self.first, self.end()).map(Cursor)
    }

    /// Whether the log can still give the id: it is of the newest epoch.
    #[cfg(feature = "std")]
    pub(crate) fn can_reach(&self, id: &EventId) -> bool {
        self.ending.is_none()
            && numbered::read(id.as_str()).is_some_and(|(epoch, _)| epoch == *self.epoch())
    }

    /// The position of `start` now.
    pub fn cursor(&self, start: StartAt) -> Cursor {
        let end = self.end();
        let mut place = match start {
            StartAt::Now | StartAt::LatestPerKey => end,
            StartAt::Oldest => self.first,
            StartAt::Last(n) => self.before_end(n).max(self.first),
        };
        while self.numbering.is_hole(place) {
            place += 1;
        }
        Cursor(place)
    }

    /// The place after the hole that the event `id` is before or in, so that a client is reset
    /// there once.
    pub(super) fn past_hole(&self, id: &EventId) -> Cursor {
        let hole = numbered::read(id.as_str())
            .and_then(|(epoch, number)| self.numbering.past_hole(&epoch, number));
        Cursor(hole.unwrap_or(0))
    }

    /// The id of a place, by which a client resumes there: that of the event before it. Where an
    /// epoch begins after others, it is number 0 of that epoch: another log of the older epoch can
    /// have events after the last one of this log.
    ///
    /// If the events have ids of their own, a place has no id if that event is not known any more.
    pub fn id_before(&self, cursor: Cursor) -> Option<EventId> {
        if let Some((epoch, number)) = self.numbering.epoch_start(cursor.0.max(self.first)) {
            return Some(numbered::write(&epoch, number));
        }
        let before = cursor.0.checked_sub(1);
        let is_event = |before: &u64| *before >= self.first && !self.numbering.is_hole(*before);
        if let Some(event) = before.filter(is_event) {
            return self.event_id(event);
        }
        match &self.own {
            Some(own) if cursor.0 == self.first => {
                own.dropped.clone().or_else(|| self.event_id(before?))
            }
            Some(_) => None,
            None => {
                let (epoch, number) = self.numbering.name(cursor.0.max(self.first))?;
                Some(numbered::write(&epoch, number))
            }
        }
    }

    fn after_own(&self, id: &str) -> Option<Cursor> {
        let own = self.own.as_deref()?;
        let before = self.id_before(Cursor(self.first));
        if before.is_some_and(|before| before.as_str() == id) {
            return Some(Cursor(self.first));
        }
        let is_it = |position| self.event_id_text(position) == Some(id);
        let position = own.ids.find(self.hash(id), self.first, is_it)?;
        Some(Cursor(position + 1))
    }

    /// The place with `n` events after it, if as many were ever appended.
    fn before_end(&self, n: u64) -> u64 {
        let mut place = self.end().saturating_sub(n);
        loop {
            let earlier =
                self.end().saturating_sub(n.saturating_add(self.numbering.holes_from(place)));
            if earlier == place {
                return place;
            }
            place = earlier;
        }
    }
}
