//! Appending events of topics, and tombstones of keys.

use super::topics::Label;
use super::{AppendError, Log, numbered};
use crate::event::Event;
use crate::field::EventId;
use crate::frame::Fields;
use crate::topic::Topic;

/// Events of topics.
impl Log {
    /// Appends an event of a topic. Readers that have a [`View`](crate::log::View) of the topic, and
    /// those of all events, read it.
    ///
    /// # Errors
    ///
    /// If [`append`](Self::append) would refuse the event; if the event, or those of the log, have
    /// ids of their own; or if the topic is a key, and the limits of the
    /// [`Compaction`](crate::Compaction) are reached.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::log::{Log, Read};
    /// use lasse_core::{Epoch, Event, Retention, StartAt, Topic, TopicFilter};
    ///
    /// let (tea, cake) = (Topic::new("room.tea")?, Topic::new("room.cake")?);
    /// let mut log = Log::new(Epoch::new("k")?, Retention::new());
    /// let mut cursor = log.cursor(StartAt::Now);
    /// log.append_to(&tea, &Event::new("The kettle is on."))?;
    /// log.append_to(&cake, &Event::new("Sold out."))?;
    ///
    /// let mut view = log.view(&TopicFilter::from(cake));
    /// let Read::Events(frame) = log.read_view(&mut cursor, &mut view, 16 * 1024) else { panic!() };
    /// assert_eq!(frame.as_bytes(), b"data: Sold out.\nid: k-2\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn append_to(&mut self, topic: &Topic, event: &Event<'_>) -> Result<EventId, AppendError> {
        if event.id().is_some() {
            return Err(AppendError::TopicWithOwnId);
        }
        self.append_topic(topic, event, None, false)
    }

    /// Appends several events of topics, all or none, and returns the id of the last one, or `None`
    /// if there are no events.
    ///
    /// # Errors
    ///
    /// If [`append_to`](Self::append_to) refuses one of the events, after those before it. Then none
    /// is appended.
    pub fn append_all_to(
        &mut self,
        events: &[(&Topic, &Event<'_>)],
    ) -> Result<Option<EventId>, AppendError> {
        self.check_all_to(events)?;
        let mut last = None;
        for (topic, event) in events {
            last = Some(self.append_to(topic, event)?);
        }
        Ok(last)
    }

    /// Deletes a key: appends `event`, which notifies the readers, as the last one of its topic. A
    /// reader that starts with the [state of all keys](crate::StartAt::LatestPerKey) does not get
    /// the key any more. Unlike the newest event of a key, retention drops a tombstone.
    ///
    /// # Errors
    ///
    /// If [`append_to`](Self::append_to) would refuse the event, or if the topic is not a key.
    pub fn append_tombstone(
        &mut self,
        topic: &Topic,
        event: &Event<'_>,
    ) -> Result<EventId, AppendError> {
        if event.id().is_some() {
            return Err(AppendError::TopicWithOwnId);
        }
        self.append_topic(topic, event, None, true)
    }

    /// The same, under an id that comes from outside, as [`append_as`](Self::append_as) takes it.
    ///
    /// # Errors
    ///
    /// Those of [`append_as`](Self::append_as) and [`append_to`](Self::append_to). The id must be
    /// one of this log's epoch.
    pub fn append_to_as(
        &mut self,
        id: &EventId,
        topic: &Topic,
        event: &Event<'_>,
    ) -> Result<EventId, AppendError> {
        match numbered::read(id.as_str()) {
            Some((epoch, number)) if epoch == *self.epoch() => {
                self.append_topic(topic, event, Some(number), false)
            }
            _ => Err(AppendError::TopicWithOwnId),
        }
    }

    fn check_all_to(&self, events: &[(&Topic, &Event<'_>)]) -> Result<(), AppendError> {
        if events.iter().any(|(_, event)| event.id().is_some()) {
            return Err(AppendError::TopicWithOwnId);
        }
        if events.is_empty() {
            return Ok(());
        }
        self.check_numbered()?;
        let first = self.next_number()?;
        let Some(last) = first.checked_add(events.len() as u64 - 1) else {
            return Err(AppendError::NumbersUsedUp);
        };
        let Some(topics) = self.topics.as_deref() else { return Ok(()) };
        topics.check_all(events.iter().zip(first..=last).map(|((topic, event), number)| {
            let id = numbered::write(self.epoch(), number);
            let len = Fields { id: Some(id.as_str()), ..event.fields() }.encoded_len();
            Label { topic, value: Some(len) }
        }))
    }

    fn append_topic(
        &mut self,
        topic: &Topic,
        event: &Event<'_>,
        number: Option<u64>,
        is_tombstone: bool,
    ) -> Result<EventId, AppendError> {
        self.check_numbered()?;
        let number = number.map_or_else(|| self.next_number(), Ok)?;
        self.check_number(number)?;
        let id = numbered::write(self.epoch(), number);
        let fields = Fields { id: Some(id.as_str()), ..event.fields() };
        let topics = self.topics_mut();
        // Only keys need the length, which takes a look at all bytes.
        let value =
            (!is_tombstone).then(|| if topics.keys().is_some() { fields.encoded_len() } else { 0 });
        let label = Label { topic, value };
        topics.check(&label)?;
        self.append_numbered(event, number, Some(&label))
    }

    /// Records the topic of the newest entry, in a log that has topics. Others need not load this.
    #[cold]
    pub(super) fn record_topic(&mut self, label: Option<&Label<'_>>) {
        match (self.topics.as_deref_mut(), label) {
            (Some(topics), Some(label)) => topics.push(label),
            (Some(topics), None) => topics.push_none(),
            (None, _) => {}
        }
    }
}
