//! Who publishes, and must not vanish unnoticed.

use super::Channel;
use crate::event::Event;
use crate::field::EventId;
use crate::log::AppendError;

/// Publishes to a [`Channel`], and aborts it if dropped before it is finished.
///
/// Have the task that feeds a channel hold one: if it panics or is cancelled,
/// readers do not wait for what will never come.
///
/// # Examples
///
/// ```
/// use lasse_core::{Channel, ChannelConfig, Ending, Event};
///
/// let answer = Channel::new(&ChannelConfig::new());
/// let publisher = answer.publisher().with_farewell(Event::new("the model failed"));
/// publisher.publish(&Event::new("to be"))?;
/// drop(publisher);
/// assert_eq!(answer.ending(), Some(Ending::Aborted));
/// # Ok::<(), lasse_core::AppendError>(())
/// ```
#[derive(Debug)]
pub struct Publisher {
    channel: Channel,
    farewell: Option<Event<'static>>,
}

impl Publisher {
    pub(super) fn new(channel: Channel) -> Self {
        Self { channel, farewell: None }
    }

    /// Sets what is published last if this is dropped unfinished, so that clients
    /// are told.
    #[must_use]
    pub fn with_farewell(mut self, event: Event<'_>) -> Self {
        self.farewell = Some(event.into_owned());
        self
    }

    /// Publishes an event, as [`Channel::publish`] does.
    ///
    /// # Errors
    ///
    /// When the channel is over, or the event's id is refused.
    pub fn publish(&self, event: &Event<'_>) -> Result<EventId, AppendError> {
        self.channel.publish(event)
    }

    /// Ends the channel: all has been said.
    pub fn finish(self) {
        self.channel.finish();
    }

    /// Publishes an event, and ends the channel with it.
    ///
    /// # Errors
    ///
    /// When the channel is over, or the event's id is refused: then it is
    /// aborted.
    pub fn finish_with(self, event: &Event<'_>) -> Result<EventId, AppendError> {
        self.channel.finish_with(event)
    }

    /// The channel.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let farewell = self.farewell.take();
        let told = farewell.is_some_and(|event| self.channel.abort_with(&event).is_ok());
        if !told {
            self.channel.abort();
        }
    }
}
