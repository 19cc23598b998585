//! Publishing to a channel, and ending it.

use std::borrow::Borrow;
use std::vec::Vec;

use super::{Channel, Publisher};
use crate::event::Event;
use crate::field::EventId;
use crate::log::{AppendError, Epoch, Log};
use crate::topic::Topic;

impl Channel {
    /// Publishes an event, and returns its id. It never waits for a reader.
    ///
    /// Without a [`Dispatcher`](crate::channel::Dispatcher), this wakes the readers.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if [`Log::append`] refuses the event's own id.
    #[doc(alias = "send")]
    pub fn publish<'a>(&self, event: impl Borrow<Event<'a>>) -> Result<EventId, AppendError> {
        let event = event.borrow();
        self.0.change(|log| log.append(event))
    }

    /// Publishes an event of a topic. It wakes the readers of that topic, and those of all events.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if [`Log::append_to`] refuses the event.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::{Channel, ChannelConfig, Event, LastEventId, Topic, TopicPattern};
    ///
    /// let rooms = Channel::new(&ChannelConfig::new());
    /// let all_rooms = TopicPattern::from_static("room.*").into();
    /// let subscription = rooms.subscribe_to(&all_rooms, &LastEventId::Absent);
    /// rooms.publish_to(&Topic::new("room.tea")?, Event::new("The kettle is on."))?;
    /// # let _ = subscription;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish_to<'a>(
        &self,
        topic: &Topic,
        event: impl Borrow<Event<'a>>,
    ) -> Result<EventId, AppendError> {
        let event = event.borrow();
        self.0.change(|log| log.append_to(topic, event))
    }

    /// Publishes an event of a topic under an id that comes from outside, as [`Log::append_to_as`]
    /// does.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if [`Log::append_to_as`] refuses the event or its id.
    pub fn publish_to_as<'a>(
        &self,
        id: &EventId,
        topic: &Topic,
        event: impl Borrow<Event<'a>>,
    ) -> Result<EventId, AppendError> {
        let event = event.borrow();
        self.0.change(|log| log.append_to_as(id, topic, event))
    }

    /// Deletes a key, and publishes an event that notifies the readers, as
    /// [`Log::append_tombstone`] does.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if the topic is not a [key](crate::ChannelConfig::with_compaction).
    pub fn publish_tombstone<'a>(
        &self,
        topic: &Topic,
        event: impl Borrow<Event<'a>>,
    ) -> Result<EventId, AppendError> {
        let event = event.borrow();
        self.0.change(|log| log.append_tombstone(topic, event))
    }

    /// Publishes several events, all or none: no other event comes between, and readers see all of
    /// them at once. Returns the id of the last one, or `None` if there were no events.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if [`Log::append`] refuses one of the events. Then none is
    /// published.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::{Channel, ChannelConfig, Event};
    ///
    /// let news = Channel::new(&ChannelConfig::new());
    /// let last = news.publish_all(["one", "two"].map(Event::new))?;
    /// assert_eq!(last, news.last_id());
    /// # Ok::<(), lasse_core::AppendError>(())
    /// ```
    pub fn publish_all<'a, E: Borrow<Event<'a>>>(
        &self,
        events: impl IntoIterator<Item = E>,
    ) -> Result<Option<EventId>, AppendError> {
        // Collected first, because it is the caller's code that runs.
        let events: Vec<E> = events.into_iter().collect();
        let events: Vec<&Event<'a>> = events.iter().map(Borrow::borrow).collect();
        self.0.change(|log| log.append_all(&events))
    }

    /// Publishes several events, each of a topic, all or none: no other event comes between, and
    /// readers see all of them at once. Returns the id of the last one, or `None` if there were no
    /// events.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if [`Log::append_all_to`] refuses one of the events. Then none
    /// is published.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::{Channel, ChannelConfig, Event, Topic};
    ///
    /// const FROM: Topic = Topic::from_static("account.7");
    /// const TO: Topic = Topic::from_static("account.9");
    /// let accounts = Channel::new(&ChannelConfig::new());
    /// accounts.publish_all_to([(FROM, Event::new("-5")), (TO, Event::new("+5"))])?;
    /// # Ok::<(), lasse_core::AppendError>(())
    /// ```
    pub fn publish_all_to<'a, T: Borrow<Topic>, E: Borrow<Event<'a>>>(
        &self,
        events: impl IntoIterator<Item = (T, E)>,
    ) -> Result<Option<EventId>, AppendError> {
        // Collected first, because it is the caller's code that runs.
        let events: Vec<(T, E)> = events.into_iter().collect();
        let events: Vec<(&Topic, &Event<'a>)> =
            events.iter().map(|(topic, event)| (topic.borrow(), event.borrow())).collect();
        self.0.change(|log| log.append_all_to(&events))
    }

    /// Publishes an event under an id that comes from outside, as [`Log::append_as`] does.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if the id is refused.
    pub fn publish_as<'a>(
        &self,
        id: &EventId,
        event: impl Borrow<Event<'a>>,
    ) -> Result<EventId, AppendError> {
        let event = event.borrow();
        self.0.change(|log| log.append_as(id, event))
    }

    /// Records that events are missing here, as [`Log::append_hole`] does: readers are reset when
    /// they reach the hole. Returns the id of the place after it, if the place has one.
    ///
    /// # Errors
    ///
    /// If the channel has ended.
    pub fn publish_hole(&self) -> Result<Option<EventId>, AppendError> {
        self.0.change(Log::append_hole)
    }

    /// Records that the events after the newest, up to `number`, are missing, as
    /// [`Log::append_hole_up_to`] does.
    ///
    /// # Errors
    ///
    /// If [`Log::append_hole_up_to`] refuses it.
    pub fn publish_hole_up_to(&self, number: u64) -> Result<(), AppendError> {
        self.0.change(|log| log.append_hole_up_to(number))
    }

    /// Declares that no event was ever given the numbers after the newest, up to `number`, as
    /// [`Log::skip_unused`] does.
    ///
    /// # Errors
    ///
    /// If [`Log::skip_unused`] refuses it.
    pub fn skip_unused(&self, number: u64) -> Result<(), AppendError> {
        self.0.change(|log| log.skip_unused(number))
    }

    /// Continues under another epoch, from number 1, as [`Log::begin_epoch`] does. Older events stay.
    ///
    /// # Errors
    ///
    /// If [`Log::begin_epoch`] refuses it.
    pub fn begin_epoch(&self, epoch: Epoch) -> Result<(), AppendError> {
        self.0.change(|log| log.begin_epoch(epoch))
    }

    /// Ends the channel as complete. Streams end cleanly once they have sent everything, and
    /// clients that reconnect after that receive a 204. The first ending counts.
    pub fn finish(&self) {
        self.0.change(Log::finish);
    }

    /// Publishes an event and finishes the channel. No other event can come between.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if the event's id is refused.
    pub fn finish_with<'a>(&self, event: impl Borrow<Event<'a>>) -> Result<EventId, AppendError> {
        let event = event.borrow();
        self.end_with(|log| log.append(event), Log::finish)
    }

    /// The same, with an event of a topic. Readers of other topics do not receive it.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if [`Log::append_to`] refuses the event.
    pub fn finish_with_to<'a>(
        &self,
        topic: &Topic,
        event: impl Borrow<Event<'a>>,
    ) -> Result<EventId, AppendError> {
        let event = event.borrow();
        self.end_with(|log| log.append_to(topic, event), Log::finish)
    }

    /// Ends the channel as incomplete: there should have been more events. Streams end uncleanly
    /// once they have sent what there is, and clients that reconnect after that receive a 204.
    /// The first ending counts.
    pub fn abort(&self) {
        self.0.change(Log::abort);
    }

    /// Publishes an event that explains the failure, and aborts the channel.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if the event's id is refused.
    pub fn abort_with<'a>(&self, event: impl Borrow<Event<'a>>) -> Result<EventId, AppendError> {
        let event = event.borrow();
        self.end_with(|log| log.append(event), Log::abort)
    }

    /// The same, with an event of a topic. Readers of other topics do not receive it.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if [`Log::append_to`] refuses the event.
    pub fn abort_with_to<'a>(
        &self,
        topic: &Topic,
        event: impl Borrow<Event<'a>>,
    ) -> Result<EventId, AppendError> {
        let event = event.borrow();
        self.end_with(|log| log.append_to(topic, event), Log::abort)
    }

    /// A guard that publishes, and that aborts the channel if it is dropped before the channel is
    /// finished: because its task panicked, or was cancelled.
    pub fn publisher(&self) -> Publisher {
        Publisher::new(self.clone())
    }

    /// Appends the last event, and ends the log if that succeeds.
    fn end_with(
        &self,
        append: impl FnOnce(&mut Log) -> Result<EventId, AppendError>,
        end: fn(&mut Log),
    ) -> Result<EventId, AppendError> {
        self.0.change(|log| {
            let id = append(log)?;
            end(log);
            Ok(id)
        })
    }
}
