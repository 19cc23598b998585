//! Appending: the checks, the numbers, and the two ways in.

use core::mem;

use super::segment::Segment;
use super::topics::Label;
use super::{AppendError, Epoch, Log, append_error, numbered, own_ids};
use crate::event::Event;
use crate::field::EventId;
use crate::frame::Fields;

impl Log {
    /// Appends an event, and returns the id by which a client resumes after it: its own, or else
    /// the next number.
    ///
    /// Own ids should not repeat: a client resumes after the oldest event with its id that is held.
    ///
    /// # Errors
    ///
    /// If the log has ended; if the event has an id of its own and other events do not, or the
    /// reverse; if no client could send the id back; or if it has the form of the log's ids.
    pub fn append(&mut self, event: &Event<'_>) -> Result<EventId, AppendError> {
        let Some(id) = event.id() else {
            self.check_numbered()?;
            let number = self.next_number()?;
            return Ok(self.push_numbered(event, number, None));
        };
        self.check(event)?;
        self.append_own(event, id)
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
    /// An id of this log's epoch sets the number from which the log continues to count. Numbers
    /// that are left out are a [hole](Self::append_hole), unless [`skip_unused`](Self::skip_unused)
    /// came before. The first event of a log can have any number: the events before it are expired.
    ///
    /// Logs whose events all have their ids from the same source can share an epoch, and a client
    /// can move between them. If it moves to a log that does not have its event yet, it is
    /// [ahead](crate::ResetReason::Ahead) of that log; a channel can let it wait.
    ///
    /// # Errors
    ///
    /// If the log has ended; if the id is not of the kind of the other events' ids; if no client
    /// could send it back; or if its number is not above the newest.
    pub fn append_as(&mut self, id: &EventId, event: &Event<'_>) -> Result<EventId, AppendError> {
        match numbered::read(id.as_str()) {
            Some((epoch, number)) if epoch == *self.epoch() => {
                self.append_numbered(event, number, None)
            }
            _ => self.append_own(event, id),
        }
    }

    /// Records that events are missing between the newest event and the next one. The hole takes a
    /// number, whose id is returned, or `None` if the events have ids of their own.
    ///
    /// A reader that reads across the hole gets [`Read::Hole`](crate::log::Read::Hole), and a client that resumes at it is
    /// [reset](crate::ResetReason::Hole).
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
    /// use lasse_core::log::Log;
    /// use lasse_core::{Epoch, Event, EventId, ResetReason, Retention};
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
    /// use lasse_core::log::{Log, Resume};
    /// use lasse_core::{Epoch, Event, EventId, ResetReason, Retention, StartAt};
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

    /// Continues under another epoch, from number 1. Events of older epochs stay, and their ids
    /// resume for as long as they are held, except those of more than 64 epochs ago.
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

    pub(super) fn check_numbered(&self) -> Result<(), AppendError> {
        self.check_open()?;
        if self.own.is_some() { Err(AppendError::NumberInOwnIdLog) } else { Ok(()) }
    }

    pub(super) fn check_number(&self, number: u64) -> Result<(), AppendError> {
        self.check_numbered()?;
        let newest = self.numbering.number();
        if number <= newest { Err(AppendError::NumberNotAbove { newest }) } else { Ok(()) }
    }

    fn check_own(&self, id: &EventId) -> Result<(), AppendError> {
        self.check_open()?;
        append_error::check_sendable(id.as_str())?;
        if self.is_numbered { Err(AppendError::OwnIdInNumberedLog) } else { Ok(()) }
    }

    pub(super) fn next_number(&self) -> Result<u64, AppendError> {
        self.check_open()?;
        self.numbering.number().checked_add(1).ok_or(AppendError::NumbersUsedUp)
    }

    pub(super) fn append_numbered(
        &mut self,
        event: &Event<'_>,
        number: u64,
        label: Option<&Label<'_>>,
    ) -> Result<EventId, AppendError> {
        self.check_number(number)?;
        Ok(self.push_numbered(event, number, label))
    }

    /// Pushes an event under a number that is above the newest.
    fn push_numbered(
        &mut self,
        event: &Event<'_>,
        number: u64,
        label: Option<&Label<'_>>,
    ) -> EventId {
        self.is_numbered = true;
        if number - self.numbering.number() > 1 {
            self.leave_out(number - 1);
        }
        let id = numbered::write(self.epoch(), number);
        self.numbering.take(number);
        self.push(event, &id, label);
        id
    }

    /// The numbers up to `number` are left out.
    fn leave_out(&mut self, number: u64) {
        if self.end() == 0 && self.numbering.is_new() {
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
        self.push(event, id, None);
        Ok(id.clone())
    }

    pub(super) fn hash(&self, id: &str) -> u64 {
        own_ids::hash(self.epoch().as_bytes(), id)
    }

    /// The only way in for events.
    fn push(&mut self, event: &Event<'_>, id: &EventId, label: Option<&Label<'_>>) {
        let fields = Fields { id: Some(id.as_str()), ..event.fields() };
        self.make_room(&fields);
        self.newest.append(&fields);
        self.appended += 1;
        if self.topics.is_some() {
            self.record_topic(label);
        }
        self.forget_latest();
        while self.len() > self.retention.events() {
            self.let_go(self.first + 1);
        }
        self.let_go_beyond(self.retention.bytes());
    }

    /// The only way in for holes.
    fn push_hole(&mut self, number: u64) {
        let position = self.end();
        if !self.newest.make_room(0, self.retention.segment()) {
            self.seal_newest();
        }
        self.newest.append_hole();
        if self.topics.is_some() {
            self.record_topic(None);
        }
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
}
