//! What was said, in order: the one copy that all readers read from.

mod append_error;
mod cursor;
mod epoch;
mod index;
mod numbered;
mod read;
mod resume;
mod retention;
mod segment;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::mem::{self, size_of};

use crate::event::Event;
use crate::field::EventId;
use crate::frame::Fields;
use crate::time::Instant;

pub use append_error::AppendError;
pub use cursor::{Cursor, Ending};
pub use epoch::{Epoch, InvalidEpoch};
use read::Latest;
pub use read::Read;
pub use resume::{ResetReason, Resume, StartAt};
use retention::Ages;
pub use retention::Retention;
use segment::Segment;

/// Events, encoded once, in the order in which all readers hear them.
///
/// A reader holds a [`Cursor`], not a queue: it [`read`](Self::read)s whatever has
/// come since, as one slice, when it can take it. A client that comes back
/// [`resume`](Self::resume)s at an older cursor, by the same reading, so that
/// nothing can get lost between what it missed and what is new. What
/// [`Retention`] does not keep falls off the far end, of which a reader that is
/// that slow is told.
///
/// Each event has an id, `<epoch>-<number>`, unless it has one of the user's own.
///
/// # Examples
///
/// ```
/// use lasse_core::{Epoch, Event, Log, Read, Retention, StartAt};
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
    epoch: Epoch,
    retention: Retention,
    /// Full segments, oldest first.
    sealed: VecDeque<Segment>,
    newest: Segment,
    /// How many bytes the sealed segments take.
    sealed_bytes: usize,
    /// The position of the first event that is kept; those before it in its
    /// segment wait for the segment to go.
    first: u64,
    /// The number of the last event that went.
    gone: u64,
    /// The number of the newest event.
    number: u64,
    /// When events came, once that is to be known.
    ages: Option<Box<Ages>>,
    ending: Option<Ending>,
    /// What was read last, since others will read the same.
    latest: Option<Box<Latest>>,
}

impl Log {
    /// An empty log, which takes no memory beyond itself.
    pub fn new(epoch: Epoch, retention: Retention) -> Self {
        Self {
            epoch,
            retention,
            sealed: VecDeque::new(),
            newest: Segment::new(0, 1),
            sealed_bytes: 0,
            first: 0,
            gone: 0,
            number: 0,
            ages: None,
            ending: None,
            latest: None,
        }
    }

    /// Appends an event, and tells the id by which a client resumes after it: its
    /// own, or else the next number.
    ///
    /// Own ids should not repeat: a client resumes after the oldest event that
    /// has its id.
    ///
    /// # Errors
    ///
    /// When the log is over, or the event has an id of its own that no client
    /// could send back, or that has the shape of the log's own ids.
    pub fn append(&mut self, event: &Event<'_>) -> Result<EventId, AppendError> {
        self.check(event)?;
        match event.id() {
            None => self.append_numbered(event, self.next_number()?),
            Some(id) => self.append_own(event, id),
        }
    }

    /// Appends several events, all or none, and returns the id of the last one, or `None` if there
    /// are no events.
    ///
    /// # Errors
    ///
    /// If [`append`](Self::append) refuses one of the events. Then none is appended.
    pub fn append_all(&mut self, events: &[&Event<'_>]) -> Result<Option<EventId>, AppendError> {
        let mut number = self.number;
        for event in events {
            number = number.checked_add(1).ok_or_else(AppendError::used_up)?;
            self.check(event)?;
        }
        let mut last = None;
        for event in events {
            last = Some(self.append(event)?);
        }
        Ok(last)
    }

    /// Appends an event under an id given from outside, in place of its own: by
    /// the store that numbers the events of several logs, or by the server that
    /// they are relayed from.
    ///
    /// An id of this log's own epoch sets the number from which the log counts on;
    /// numbers may be left out, at the cost of memory. Logs whose events all have
    /// their ids from the same source can share an epoch, and a client can move
    /// between them.
    ///
    /// # Errors
    ///
    /// When the log is over, no client could send the id back, or its number is
    /// not above the newest.
    pub fn append_as(&mut self, id: &EventId, event: &Event<'_>) -> Result<EventId, AppendError> {
        match numbered::read(id.as_str()) {
            Some((epoch, number)) if epoch == self.epoch => self.append_numbered(event, number),
            _ => self.append_own(event, id),
        }
    }

    /// Tells the time, and lets go what is too old. An event is as old as the first
    /// time that is told after it was appended.
    pub fn advance(&mut self, now: Instant) {
        if self.retention.has_age() {
            let ages = self.ages.get_or_insert_default();
            let too_old = ages.advance(now, self.newest.index.end(), &self.retention);
            self.let_go(too_old);
        }
    }

    /// When [`advance`](Self::advance) will have something to do, as things are: a
    /// time long past, if there are events of which it does not know when they
    /// came.
    pub fn deadline(&self) -> Option<Instant> {
        let end = self.newest.index.end();
        match &self.ages {
            Some(ages) => ages.deadline(end, &self.retention),
            None if self.retention.has_age() => Ages::default().deadline(end, &self.retention),
            None => None,
        }
    }

    /// Ends the log: all has been said. The first ending counts.
    pub fn finish(&mut self) {
        self.ending.get_or_insert(Ending::Finished);
    }

    /// Ends the log: more should have come, and cannot. The first ending counts.
    pub fn abort(&mut self) {
        self.ending.get_or_insert(Ending::Aborted);
    }

    /// Lets go of everything. Readers that have not read all of it have a gap.
    pub fn clear(&mut self) {
        self.let_go(self.newest.index.end());
    }

    /// How the log ended, if it has.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// The name of this incarnation of the log.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// How many events were ever appended.
    pub fn appended(&self) -> u64 {
        self.newest.index.end()
    }

    /// How many events are kept.
    pub fn len(&self) -> u64 {
        self.newest.index.end() - self.first
    }

    /// Whether no event is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes the log takes, itself included; but not the slices that
    /// readers hold of memory which the log has let go.
    pub fn memory(&self) -> usize {
        let unused = self.sealed.capacity() - self.sealed.len();
        let outside = size_of::<Self>() - size_of::<Segment>() + unused * size_of::<Segment>();
        let ages = self.ages.as_deref().map_or(0, Ages::memory);
        let latest = self.latest.as_deref().map_or(0, Latest::memory);
        outside + self.sealed_bytes + self.newest.memory() + ages + latest
    }

    /// Whether [`append`](Self::append) takes an event.
    fn check(&self, event: &Event<'_>) -> Result<(), AppendError> {
        self.next_number()?;
        match event.id() {
            None => Ok(()),
            Some(id) if numbered::read(id.as_str()).is_some() => Err(AppendError::numbered()),
            Some(id) => append_error::check_sendable(id.as_str()),
        }
    }

    fn append_numbered(&mut self, event: &Event<'_>, number: u64) -> Result<EventId, AppendError> {
        if number <= self.number {
            return Err(AppendError::past(self.number));
        }
        let id = numbered::write(&self.epoch, number);
        self.push(event, number, &id, None)?;
        Ok(id)
    }

    fn append_own(&mut self, event: &Event<'_>, id: &EventId) -> Result<EventId, AppendError> {
        append_error::check_sendable(id.as_str())?;
        self.push(event, self.next_number()?, id, Some(id.as_str()))?;
        Ok(id.clone())
    }

    fn next_number(&self) -> Result<u64, AppendError> {
        match self.ending {
            Some(ending) => Err(AppendError::over(ending)),
            None => self.number.checked_add(1).ok_or_else(AppendError::used_up),
        }
    }

    /// The only way into the log.
    fn push(
        &mut self,
        event: &Event<'_>,
        number: u64,
        id: &EventId,
        own_id: Option<&str>,
    ) -> Result<(), AppendError> {
        if let Some(ending) = self.ending {
            return Err(AppendError::over(ending));
        }
        let fields = Fields { id: Some(id.as_str()), ..event.fields() };
        self.make_room(&fields, number);
        self.newest.append(&fields, own_id);
        self.number = number;
        self.forget_latest();
        self.let_go(self.newest.index.end().saturating_sub(self.retention.events()));
        self.let_go_beyond(self.retention.bytes());
        Ok(())
    }

    /// Makes the newest segment one that has room, and in which `number` is next.
    fn make_room(&mut self, fields: &Fields<'_>, number: u64) {
        let is_next = self.number.checked_add(1) == Some(number);
        if is_next && self.newest.has_room(fields.len_bound()) {
            return;
        }
        if self.is_untouched() {
            // What came before was said elsewhere.
            self.gone = number.saturating_sub(1);
        }
        let len = fields.encoded_len();
        if self.newest.is_empty() {
            self.newest.index.number = number;
        }
        let limit = self.retention.segment();
        let fits = (is_next || self.newest.is_empty()) && self.newest.make_room(len, limit);
        if fits {
            return;
        }
        let next = Segment::new(self.newest.index.end(), number);
        let full = mem::replace(&mut self.newest, next).seal();
        self.sealed_bytes += full.memory();
        self.sealed.push_back(full);
        self.newest.make_room(if is_next { len.max(limit) } else { len }, limit);
    }

    /// Lets go of the events before `position`, and of each segment that has no
    /// others.
    fn let_go(&mut self, position: u64) {
        if position <= self.first {
            return;
        }
        self.forget_latest();
        let last = position - 1;
        if let Some(segment) = self.last_segment(|segment| segment.index.first <= last) {
            self.gone = segment.index.number + (last - segment.index.first);
        }
        self.first = position;
        while self.sealed.front().is_some_and(|segment| segment.index.end() <= position) {
            self.drop_oldest();
        }
        if self.newest.index.end() <= position {
            self.newest = Segment::new(self.newest.index.end(), self.number.saturating_add(1));
            self.sealed = VecDeque::new();
        }
    }

    /// Lets go of the oldest segments while the log keeps more than `bytes`; of
    /// the newest never.
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

    /// Which segment `position` is in, counted from the oldest.
    fn segment_index(&self, position: u64) -> usize {
        if position >= self.newest.index.first {
            return self.sealed.len();
        }
        self.sealed.partition_point(|segment| segment.index.end() <= position)
    }

    fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.sealed.iter().chain([&self.newest])
    }

    /// The last segment with any events of which `begins` holds, as it must of
    /// all before it.
    fn last_segment(&self, begins: impl Fn(&Segment) -> bool) -> Option<&Segment> {
        if !self.newest.is_empty() && begins(&self.newest) {
            return Some(&self.newest);
        }
        let after = self.sealed.partition_point(begins);
        self.sealed.get(after.checked_sub(1)?)
    }

    /// Whether nothing was ever appended.
    fn is_untouched(&self) -> bool {
        self.newest.index.end() == 0
    }
}

#[cfg(test)]
mod tests;
