//! A guard for the task that publishes: if the task fails, its channel is aborted.

use std::borrow::Borrow;

use super::Channel;
use crate::event::Event;
use crate::field::EventId;
use crate::log::AppendError;
use crate::topic::Topic;

/// Publishes to a [`Channel`], and aborts it if dropped before it is finished.
///
/// Let the task that feeds a channel hold one: if the task panics or is cancelled, readers do not
/// wait for events that never come.
///
/// # Examples
///
/// ```
/// use lasse_core::{Channel, ChannelConfig, Ending, Event};
///
/// let answer = Channel::new(&ChannelConfig::new());
/// let publisher = answer.publisher().with_last_event(Event::new("the model failed"));
/// publisher.publish(Event::new("to be"))?;
/// drop(publisher);
/// assert_eq!(answer.ending(), Some(Ending::Aborted));
/// # Ok::<(), lasse_core::AppendError>(())
/// ```
#[derive(Debug)]
pub struct Publisher {
    channel: Channel,
    last_event: Option<(Option<Topic>, Event<'static>)>,
}

impl Publisher {
    pub(super) fn new(channel: Channel) -> Self {
        Self { channel, last_event: None }
    }

    /// Sets the event that is published last if this is dropped unfinished, so that clients notice
    /// the failure.
    #[must_use]
    pub fn with_last_event(mut self, event: Event<'_>) -> Self {
        self.last_event = Some((None, event.into_owned()));
        self
    }

    /// The same, with an event of a topic. Readers of other topics do not receive it.
    #[must_use]
    pub fn with_last_event_to(mut self, topic: &Topic, event: Event<'_>) -> Self {
        self.last_event = Some((Some(topic.clone()), event.into_owned()));
        self
    }

    /// Publishes an event, as [`Channel::publish`] does.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if the event's id is refused.
    pub fn publish<'a>(&self, event: impl Borrow<Event<'a>>) -> Result<EventId, AppendError> {
        self.channel.publish(event)
    }

    /// Publishes an event of a topic, as [`Channel::publish_to`] does.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if the event is refused.
    pub fn publish_to<'a>(
        &self,
        topic: &Topic,
        event: impl Borrow<Event<'a>>,
    ) -> Result<EventId, AppendError> {
        self.channel.publish_to(topic, event)
    }

    /// Finishes the channel, as [`Channel::finish`] does.
    pub fn finish(self) {
        self.channel.finish();
    }

    /// Publishes an event and finishes the channel.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if the event's id is refused: then the channel is aborted.
    pub fn finish_with<'a>(self, event: impl Borrow<Event<'a>>) -> Result<EventId, AppendError> {
        self.channel.finish_with(event)
    }

    /// The same, with an event of a topic. Readers of other topics do not receive it.
    ///
    /// # Errors
    ///
    /// If the channel has ended, or if the event is refused: then the channel is aborted.
    pub fn finish_with_to<'a>(
        self,
        topic: &Topic,
        event: impl Borrow<Event<'a>>,
    ) -> Result<EventId, AppendError> {
        self.channel.finish_with_to(topic, event)
    }

    /// The channel.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let has_published = self.last_event.take().is_some_and(|(topic, event)| {
            let id = match topic {
                Some(topic) => self.channel.abort_with_to(&topic, event),
                None => self.channel.abort_with(event),
            };
            id.is_ok()
        });
        if !has_published {
            self.channel.abort();
        }
    }
}
