//! The end of a channel of several nodes.

use lasse_core::{Ending, Event, EventId, Topic};

use super::RedisChannel;
use super::write::Write;
use crate::error::PublishError;

/// The end.
impl RedisChannel {
    /// Ends the channel as complete, on all nodes. The first ending counts.
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish). If the channel has ended before,
    /// [`PublishError::Ended`].
    pub async fn finish(&self) -> Result<(), PublishError> {
        self.write(&Write::end(Ending::Finished)).await.map(drop)
    }

    /// Publishes an event and finishes the channel. No other event can come between.
    ///
    /// # Errors
    ///
    /// Those of [`finish`](Self::finish).
    pub async fn finish_with(&self, event: Event<'_>) -> Result<EventId, PublishError> {
        self.end_with(Ending::Finished, None, event).await
    }

    /// The same with an event of a topic.
    ///
    /// # Errors
    ///
    /// Those of [`finish`](Self::finish).
    pub async fn finish_with_to(
        &self,
        topic: &Topic,
        event: Event<'_>,
    ) -> Result<EventId, PublishError> {
        self.end_with(Ending::Finished, Some(topic), event).await
    }

    /// Ends the channel as incomplete, on all nodes. The first ending counts.
    ///
    /// # Errors
    ///
    /// Those of [`finish`](Self::finish).
    pub async fn abort(&self) -> Result<(), PublishError> {
        self.write(&Write::end(Ending::Aborted)).await.map(drop)
    }

    /// Publishes an event that explains the failure, and aborts the channel.
    ///
    /// # Errors
    ///
    /// Those of [`finish`](Self::finish).
    pub async fn abort_with(&self, event: Event<'_>) -> Result<EventId, PublishError> {
        self.end_with(Ending::Aborted, None, event).await
    }

    /// The same with an event of a topic.
    ///
    /// # Errors
    ///
    /// Those of [`finish`](Self::finish).
    pub async fn abort_with_to(
        &self,
        topic: &Topic,
        event: Event<'_>,
    ) -> Result<EventId, PublishError> {
        self.end_with(Ending::Aborted, Some(topic), event).await
    }

    async fn end_with(
        &self,
        ending: Ending,
        topic: Option<&Topic>,
        event: Event<'_>,
    ) -> Result<EventId, PublishError> {
        self.write(&Write::new(topic, &event)?.with_ending(ending)).await
    }
}
