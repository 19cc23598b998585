//! A log: events in order, encoded once, from which all readers read.

mod append;
mod append_error;
mod append_topic;
#[cfg(feature = "std")]
mod batch;
mod change_view;
mod compaction;
mod cursor;
mod epoch;
mod forgotten;
mod gauge;
mod index;
mod name_table;
pub(crate) mod numbered;
mod numbering;
mod own_ids;
mod read;
mod read_view;
mod resume;
mod resume_view;
mod retention;
mod segment;
mod topics;
mod view;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::mem::size_of;

use crate::field::EventId;
use crate::time::Instant;

pub use append_error::AppendError;
#[cfg(feature = "std")]
pub(crate) use batch::Batch;
pub use compaction::Compaction;
pub use cursor::{Cursor, Ending};
pub use epoch::{Epoch, InvalidEpoch};
#[cfg(feature = "std")]
pub(crate) use gauge::Gauge;
use numbering::Numbering;
use own_ids::OwnIds;
pub use read::Read;
use read::Slices;
pub use resume::{ResetReason, Resume, StartAt};
use retention::Ages;
pub use retention::Retention;
use segment::Segment;
use topics::Topics;
pub use view::View;

/// Events in order, encoded once.
///
/// A reader holds a [`Cursor`], not a queue: it [`read`](Self::read)s all new events, as one slice,
/// whenever it can take more. A client that reconnects [`resume`](Self::resume)s at an older cursor
/// by the same read, so nothing is lost between the events that it missed and new ones. The log
/// drops events that [`Retention`] does not keep. A reader that has not read them by then lags, and
/// receives [`Read::Lagged`].
///
/// # Ids
///
/// The events of a log are either numbered, with ids `<epoch>-<number>`, or they all have ids of
/// their own. The first event decides, and the log refuses events of the other kind. Numbers that
/// are left out are a [hole](Self::append_hole): a client that resumes across it, and a reader that
/// reads across it, is reset.
///
/// # Examples
///
/// ```
/// use lasse_core::log::{Log, Read};
/// use lasse_core::{Epoch, Event, Retention, StartAt};
///
/// let mut log = Log::new(Epoch::new("k")?, Retention::new());
/// let mut cursor = log.cursor(StartAt::Now);
/// log.append(&Event::new("one"))?;
/// log.append(&Event::new("two"))?;
///
/// let Read::Events(frame) = log.read(&mut cursor, 16 * 1024) else { panic!() };
/// assert_eq!(frame.as_bytes(), b"data: one\nid: k-1\n\ndata: two\nid: k-2\n\n");
/// assert_eq!(log.read(&mut cursor, 16 * 1024), Read::Wait);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Log {
    numbering: Numbering,
    retention: Retention,
    /// Full segments, oldest first.
    sealed: VecDeque<Segment>,
    newest: Segment,
    /// How many bytes the sealed segments take.
    sealed_bytes: usize,
    /// The position of the first entry that is held. Entries before it are freed with their
    /// segment. It is an event, unless nothing is held.
    first: u64,
    /// How many events were ever appended.
    appended: u64,
    /// Whether the log has given a number, or has done without one.
    is_numbered: bool,
    /// What only a log with own ids has.
    own: Option<Box<Own>>,
    /// When events came, if that matters.
    ages: Option<Box<Ages>>,
    /// What only a log with topics has.
    topics: Option<Box<Topics>>,
    ending: Option<Ending>,
    /// The slices that readers hold, once anything was read.
    slices: Option<Box<Slices>>,
}

/// The ids of a log whose events have ids of their own.
#[derive(Debug, Default)]
struct Own {
    ids: OwnIds,
    /// The id of the last event that was dropped with its segment, if it is the one before the
    /// first event that is held.
    dropped: Option<EventId>,
}

impl Log {
    /// An empty log, which allocates nothing.
    pub fn new(epoch: Epoch, retention: Retention) -> Self {
        Self {
            numbering: Numbering::new(epoch),
            retention,
            sealed: VecDeque::new(),
            newest: Segment::new(0),
            sealed_bytes: 0,
            first: 0,
            appended: 0,
            is_numbered: false,
            own: None,
            ages: None,
            topics: None,
            ending: None,
            slices: None,
        }
    }

    /// The same log, which keeps the newest event of each key. Set it before the first event.
    #[must_use]
    pub fn with_compaction(mut self, compaction: Compaction) -> Self {
        self.topics_mut();
        self.topics = self.topics.map(|topics| Box::new(topics.with_compaction(compaction)));
        self
    }

    /// Sets the time, and drops old events. An event is as old as the first call of this
    /// after it was appended.
    pub fn advance(&mut self, now: Instant) {
        if self.retention.has_age() {
            let end = self.end();
            let ages = self.ages.get_or_insert_default();
            let too_old = ages.advance(now, end, &self.retention);
            self.let_go(too_old);
        }
    }

    /// When [`advance`](Self::advance) must be called next, unless something changes before. It is
    /// a time long past if the age of an event is not known yet.
    pub fn deadline(&self) -> Option<Instant> {
        let end = self.end();
        match &self.ages {
            Some(ages) => ages.deadline(end, &self.retention),
            None if self.retention.has_age() => Ages::default().deadline(end, &self.retention),
            None => None,
        }
    }

    /// Ends the log as complete. The first ending counts.
    pub fn finish(&mut self) {
        self.ending.get_or_insert(Ending::Finished);
    }

    /// Ends the log as incomplete: there should have been more events. The first ending counts.
    pub fn abort(&mut self) {
        self.ending.get_or_insert(Ending::Aborted);
    }

    /// Drops all events, and all keys. Readers that have not read all of them lag.
    pub fn clear(&mut self) {
        self.let_go(self.end());
        self.topics.iter_mut().for_each(|topics| topics.clear_keys());
    }

    /// How the log ended, if it has.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// The name of this incarnation of the log.
    pub fn epoch(&self) -> &Epoch {
        self.numbering.epoch()
    }

    /// Whether the events have ids of their own.
    #[cfg(feature = "std")]
    pub(crate) fn has_own_ids(&self) -> bool {
        self.own.is_some()
    }

    /// How many events were ever appended.
    pub fn appended(&self) -> u64 {
        self.appended
    }

    /// How many events the log holds.
    pub fn len(&self) -> u64 {
        self.end() - self.first - self.numbering.holes_from(self.first)
    }

    /// Whether the log holds no event.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes the log takes, itself included, but without the slices that readers hold.
    pub fn memory(&self) -> usize {
        let unused = self.sealed.capacity() - self.sealed.len();
        let outside = size_of::<Self>() - size_of::<Segment>() + unused * size_of::<Segment>();
        let ages = self.ages.as_deref().map_or(0, Ages::memory);
        let own = self.own.as_deref().map_or(0, |own| size_of::<Own>() + own.ids.memory());
        let slices = self.slices.as_deref().map_or(0, Slices::memory);
        let numbering = self.numbering.memory();
        let topics = self.topics.as_deref().map_or(0, Topics::memory);
        outside
            + self.sealed_bytes
            + self.newest.memory()
            + ages
            + own
            + slices
            + numbering
            + topics
    }

    /// How many bytes of slices are held outside the log: by readers whose clients have not
    /// acknowledged them yet, and by the log itself, which keeps the last slice.
    ///
    /// A slice takes at most twice its length in memory, and is freed with its last reader.
    pub fn bytes_in_flight(&self) -> usize {
        self.slices.as_deref().map_or(0, Slices::bytes)
    }

    /// Drops the entries before `position`, and each segment that has no others. A hole is never
    /// the first entry: it is dropped with the event before it.
    fn let_go(&mut self, position: u64) {
        if position <= self.first {
            return;
        }
        let mut first = position;
        while self.numbering.is_hole(first) {
            first += 1;
        }
        self.forget_latest();
        if self.topics.is_some() {
            self.let_go_topics(first);
        }
        self.numbering.let_go(first);
        let is_last_of_segment = self.segment(first - 1).index.end() <= first;
        let is_needed = self.own.is_some() && is_last_of_segment;
        let dropped = is_needed.then(|| self.event_id(first - 1)).flatten();
        self.first = first;
        while self.sealed.front().is_some_and(|segment| segment.index.end() <= first) {
            self.drop_oldest();
        }
        if self.end() <= first {
            self.newest = Segment::new(self.end());
            self.sealed = VecDeque::new();
        }
        if let Some(own) = &mut self.own {
            own.ids.let_go(first);
            own.dropped = dropped;
        }
    }

    /// Drops the topics of the entries before `first`, whose bytes are still there.
    #[cold]
    fn let_go_topics(&mut self, first: u64) {
        let Some(mut topics) = self.topics.take() else { return };
        if let Some(hole) = self.numbering.last_hole_before(first) {
            topics.drop_holes(hole + 1);
        }
        topics.let_go(first, |position| self.event_bytes(position).into());
        self.topics = Some(topics);
    }

    /// Drops the oldest segments while the log takes more than `bytes`, but never the newest.
    fn let_go_beyond(&mut self, bytes: usize) {
        while self.sealed_bytes + self.newest.kept() > bytes {
            let Some(oldest) = self.sealed.front() else { return };
            self.let_go(oldest.index.end());
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(segment) = self.sealed.pop_front() {
            self.sealed_bytes -= segment.memory();
        }
    }

    /// The position after the newest entry.
    fn end(&self) -> u64 {
        self.newest.index.end()
    }

    /// The id of the event at `position`, if its bytes are still there.
    fn event_id(&self, position: u64) -> Option<EventId> {
        let id = self.event_id_text(position)?;
        Some(EventId::from_line(id.into()))
    }

    fn event_id_text(&self, position: u64) -> Option<&str> {
        let segment = self.segment(position);
        let nth = position.checked_sub(segment.index.first)?;
        segment.id(usize::try_from(nth).ok()?)
    }

    /// The segment of `position`, or the first one after it.
    fn segment(&self, position: u64) -> &Segment {
        self.sealed.get(self.segment_index(position)).unwrap_or(&self.newest)
    }

    /// The segment of `position`, counted from the oldest.
    fn segment_index(&self, position: u64) -> usize {
        if position >= self.newest.index.first {
            return self.sealed.len();
        }
        self.sealed.partition_point(|segment| segment.index.end() <= position)
    }
}

#[cfg(test)]
mod tests;
