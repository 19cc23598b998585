//! A log: events in order, encoded once, from which all readers read.

mod append_error;
mod cursor;
mod epoch;
mod gauge;
mod index;
mod numbered;
mod numbering;
mod own_ids;
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
use gauge::Gauge;
use numbering::Numbering;
use own_ids::OwnIds;
use read::Latest;
pub use read::Read;
pub use resume::{ResetReason, Resume, StartAt};
use retention::Ages;
pub use retention::Retention;
use segment::Segment;

/// Events in order, encoded once.
///
/// A reader holds a [`Cursor`], not a queue: it [`read`](Self::read)s what came since, as one
/// slice, whenever it can take more. A client that reconnects [`resume`](Self::resume)s at an older
/// cursor by the same read, so nothing is lost between the events that it missed and new ones.
/// The log drops what [`Retention`] does not keep. A reader that has not read it by then lags, and
/// learns of it.
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
    ending: Option<Ending>,
    /// The last slice that was read, because other readers will read the same.
    latest: Option<Box<Latest>>,
    /// What readers hold, once there is anything.
    gauge: Option<Gauge>,
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
            ending: None,
            latest: None,
            gauge: None,
        }
    }

    /// Appends an event, and returns the id after which a client resumes behind it: its own, or
    /// else the next number.
    ///
    /// Own ids should not repeat: a client resumes after the oldest event with its id that is held.
    ///
    /// # Errors
    ///
    /// If the log has ended; if the event has an id of its own and other events do not, or the
    /// reverse; if no client could send the id back; or if it has the form of the log's ids.
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
        let numbered = events.iter().filter(|event| event.id().is_none()).count();
        if numbered > 0 && numbered < events.len() {
            return Err(AppendError::OwnIdInNumberedLog);
        }
        let left = u64::MAX - self.numbering.number();
        if u64::try_from(numbered).is_ok_and(|numbered| numbered > left) {
            return Err(AppendError::NumbersUsedUp);
        }
        for event in events {
            self.check(event)?;
        }
        let mut last = None;
        for event in events {
            last = Some(self.append(event)?);
        }
        Ok(last)
    }

    /// Appends an event under an id that comes from outside, in place of its own: from the store
    /// that numbers the events of several logs, or from the server that they are relayed from.
    ///
    /// An id of this log's epoch sets the number from which the log counts on. Numbers that are
    /// left out are a [hole](Self::append_hole), unless [`skip_unused`](Self::skip_unused) came
    /// before. The first event of a log can have any number: the events before it are expired.
    ///
    /// Logs whose events all have their ids from the same source can share an epoch, and a client
    /// can move between them. If it moves to a log that does not have its event yet, it is
    /// [ahead](ResetReason::Ahead) of that log; a channel can let it wait.
    ///
    /// # Errors
    ///
    /// If the log has ended; if the id is not of the kind of the other events' ids; if no client
    /// could send it back; or if its number is not above the newest.
    pub fn append_as(&mut self, id: &EventId, event: &Event<'_>) -> Result<EventId, AppendError> {
        match numbered::read(id.as_str()) {
            Some((epoch, number)) if epoch == *self.epoch() => self.append_numbered(event, number),
            _ => self.append_own(event, id),
        }
    }

    /// Records that events are missing between the newest event and the next one. The hole takes a
    /// number, whose id is returned, or `None` if the events have ids of their own.
    ///
    /// A reader that reads across the hole gets [`Read::Hole`], and a client that resumes at it is
    /// [reset](ResetReason::Hole).
    ///
    /// # Errors
    ///
    /// If the log has ended.
    pub fn append_hole(&mut self) -> Result<Option<EventId>, AppendError> {
        let number = self.next_number()?;
        if self.own.is_none() {
            self.is_numbered = true;
            self.push_hole(number);
            return Ok(Some(numbered::write(self.epoch(), number)));
        }
        self.push_hole(self.numbering.number());
        Ok(None)
    }

    /// Records that the events after the newest, up to `number`, are missing. A client that has the
    /// event of that number resumes after the hole.
    ///
    /// # Errors
    ///
    /// If the log has ended, if its events have ids of their own, or if the number is not above the
    /// newest.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::{Epoch, Event, EventId, Log, ResetReason, Retention};
    ///
    /// let mut log = Log::new(Epoch::new("k")?, Retention::new());
    /// log.append(&Event::new("one"))?;
    /// log.append_hole_up_to(9)?;
    /// log.append(&Event::new("ten"))?;
    ///
    /// assert_eq!(log.after(&EventId::new("k-8")?), Err(ResetReason::Hole));
    /// assert!(log.after(&EventId::new("k-9")?).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn append_hole_up_to(&mut self, number: u64) -> Result<(), AppendError> {
        self.check_number(number)?;
        self.is_numbered = true;
        self.push_hole(number);
        Ok(())
    }

    /// Declares that no event was ever given the numbers after the newest, up to `number`. They are
    /// not a hole: clients resume across them.
    ///
    /// # Errors
    ///
    /// If the log has ended, if its events have ids of their own, or if the number is not above the
    /// newest.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::{Epoch, Event, EventId, Log, Resume, ResetReason, Retention, StartAt};
    ///
    /// let mut log = Log::new(Epoch::new("k")?, Retention::new());
    /// log.append(&Event::new("one"))?;
    /// log.skip_unused(9)?;
    /// log.append_as(&EventId::new("k-10")?, &Event::new("ten"))?;
    /// log.append_as(&EventId::new("k-20")?, &Event::new("twenty"))?;
    ///
    /// assert!(log.after(&EventId::new("k-1")?).is_ok());
    /// assert_eq!(log.after(&EventId::new("k-10")?), Err(ResetReason::Hole));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn skip_unused(&mut self, number: u64) -> Result<(), AppendError> {
        self.check_number(number)?;
        self.is_numbered = true;
        self.numbering.skip(number, self.end());
        Ok(())
    }

    /// Goes on under another epoch, from number 1. Events of older epochs stay, and their ids
    /// resume for as long as they are held, but for those of more than 64 epochs ago.
    ///
    /// If events may be missing between the epochs, [append a hole](Self::append_hole), too.
    ///
    /// # Errors
    ///
    /// If the log has ended, if its events have ids of their own, or if it holds events of that
    /// epoch already.
    pub fn begin_epoch(&mut self, epoch: Epoch) -> Result<(), AppendError> {
        self.check_numbered()?;
        if self.numbering.begin_epoch(epoch, self.end()) {
            self.is_numbered = true;
            Ok(())
        } else {
            Err(AppendError::EpochInUse)
        }
    }

    /// Sets the time, and drops what is too old. An event is as old as the first call of this
    /// after it was appended.
    pub fn advance(&mut self, now: Instant) {
        if self.retention.has_age() {
            let end = self.end();
            let ages = self.ages.get_or_insert_default();
            let too_old = ages.advance(now, end, &self.retention);
            self.let_go(too_old);
        }
    }

    /// When [`advance`](Self::advance) has to be called next, unless something changes before. It is
    /// a time long past if there are events whose age is not known yet.
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

    /// Drops all events. Readers that have not read all of them lag.
    pub fn clear(&mut self) {
        self.let_go(self.end());
    }

    /// How the log ended, if it has.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// The name of this incarnation of the log.
    pub fn epoch(&self) -> &Epoch {
        self.numbering.epoch()
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
        let latest = self.latest.as_deref().map_or(0, Latest::memory);
        let numbering = self.numbering.memory();
        outside + self.sealed_bytes + self.newest.memory() + ages + own + latest + numbering
    }

    /// How many bytes of slices are held outside the log: by readers whose clients have not
    /// acknowledged them yet, and by the log itself, which keeps the last slice.
    ///
    /// A slice takes at most twice its length in memory, and is freed with its last reader.
    pub fn bytes_in_flight(&self) -> usize {
        self.gauge.as_ref().map_or(0, Gauge::bytes)
    }

    /// Checks whether [`append`](Self::append) takes an event.
    fn check(&self, event: &Event<'_>) -> Result<(), AppendError> {
        match event.id() {
            None => {
                self.check_numbered()?;
                self.next_number().map(drop)
            }
            Some(id) if numbered::read(id.as_str()).is_some() => Err(AppendError::NumberedId),
            Some(id) => self.check_own(id),
        }
    }

    fn check_open(&self) -> Result<(), AppendError> {
        self.ending.map_or(Ok(()), |ending| Err(AppendError::Ended(ending)))
    }

    fn check_numbered(&self) -> Result<(), AppendError> {
        self.check_open()?;
        if self.own.is_some() { Err(AppendError::NumberInOwnIdLog) } else { Ok(()) }
    }

    fn check_number(&self, number: u64) -> Result<(), AppendError> {
        self.check_numbered()?;
        let newest = self.numbering.number();
        if number <= newest { Err(AppendError::NumberNotAbove { newest }) } else { Ok(()) }
    }

    fn check_own(&self, id: &EventId) -> Result<(), AppendError> {
        self.check_open()?;
        append_error::check_sendable(id.as_str())?;
        if self.is_numbered { Err(AppendError::OwnIdInNumberedLog) } else { Ok(()) }
    }

    fn next_number(&self) -> Result<u64, AppendError> {
        self.check_open()?;
        self.numbering.number().checked_add(1).ok_or(AppendError::NumbersUsedUp)
    }

    fn append_numbered(&mut self, event: &Event<'_>, number: u64) -> Result<EventId, AppendError> {
        self.check_number(number)?;
        self.is_numbered = true;
        if number - self.numbering.number() > 1 {
            self.leave_out(number - 1);
        }
        let id = numbered::write(self.epoch(), number);
        self.numbering.take(number);
        self.push(event, &id);
        Ok(id)
    }

    /// The numbers up to `number` are left out.
    fn leave_out(&mut self, number: u64) {
        if self.end() == 0 && self.numbering.number() == 0 {
            self.numbering.begin_after(number);
        } else {
            self.push_hole(number);
        }
    }

    fn append_own(&mut self, event: &Event<'_>, id: &EventId) -> Result<EventId, AppendError> {
        self.check_own(id)?;
        let hash = self.hash(id.as_str());
        let position = self.end();
        self.own.get_or_insert_default().ids.insert(hash, position);
        self.push(event, id);
        Ok(id.clone())
    }

    fn hash(&self, id: &str) -> u64 {
        own_ids::hash(self.epoch().as_bytes(), id)
    }

    /// The only way in for events.
    fn push(&mut self, event: &Event<'_>, id: &EventId) {
        let fields = Fields { id: Some(id.as_str()), ..event.fields() };
        self.make_room(&fields);
        self.newest.append(&fields);
        self.appended += 1;
        self.forget_latest();
        while self.len() > self.retention.events() {
            self.let_go(self.first + 1);
        }
        self.let_go_beyond(self.retention.bytes());
    }

    /// The only way in for holes.
    fn push_hole(&mut self, number: u64) {
        let position = self.end();
        if !self.newest.has_room(0) && !self.newest.make_room(0, self.retention.segment()) {
            self.seal_newest();
        }
        self.newest.append_hole();
        self.numbering.push_hole(number, position);
        self.let_go_beyond(self.retention.bytes());
    }

    /// Makes the newest segment one that has room.
    fn make_room(&mut self, fields: &Fields<'_>) {
        if self.newest.has_room(fields.len_bound()) {
            return;
        }
        let (len, limit) = (fields.encoded_len(), self.retention.segment());
        if !self.newest.make_room(len, limit) {
            self.seal_newest();
            self.newest.make_room(len.max(limit), limit);
        }
    }

    fn seal_newest(&mut self) {
        let next = Segment::new(self.end());
        let full = mem::replace(&mut self.newest, next).seal();
        self.sealed_bytes += full.memory();
        self.sealed.push_back(full);
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
