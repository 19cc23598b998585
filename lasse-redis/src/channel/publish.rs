//! Publishing to a channel of several nodes.

use lasse_core::{Event, EventId, Topic};

use super::RedisChannel;
use super::write::Write;
use crate::error::PublishError;

/// Publishing.
impl RedisChannel {
    /// Publishes an event, and returns its id once Redis has it. Readers receive it when the reader
    /// of their node has read it.
    ///
    /// If the future is dropped before it is ready, the event may have been published.
    ///
    /// # Errors
    ///
    /// If the event was not published, or may not have been: see [`PublishError`].
    #[doc(alias = "send")]
    pub async fn publish(&self, event: Event<'_>) -> Result<EventId, PublishError> {
        self.write(&Write::new(None, &event)?).await
    }

    /// Publishes an event of a topic. It reaches the readers of that topic, and those of all events.
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish).
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::{Event, Topic};
    /// use lasse_redis::{PublishError, RedisChannel};
    ///
    /// const TEA: Topic = Topic::from_static("room.tea");
    ///
    /// async fn announce(rooms: &RedisChannel) -> Result<(), PublishError> {
    ///     rooms.publish_to(&TEA, Event::new("The kettle is on.")).await?;
    ///     Ok(())
    /// }
    /// ```
    pub async fn publish_to(
        &self,
        topic: &Topic,
        event: Event<'_>,
    ) -> Result<EventId, PublishError> {
        self.write(&Write::new(Some(topic), &event)?).await
    }

    /// The same as [`publish`](Self::publish), but of all calls with one idempotency key, from any
    /// node, only the first publishes. The others return its id. Redis remembers a key for the
    /// [lifetime](crate::BackplaneConfig::with_once_lifetime) that is configured.
    ///
    /// Repeat such a call after [`PublishError::OutcomeUnknown`].
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish).
    #[doc(alias = "idempotent")]
    pub async fn publish_once(&self, key: &str, event: Event<'_>) -> Result<EventId, PublishError> {
        self.write(&Write::new(None, &event)?.with_once(key)).await
    }

    /// The same for an event of a topic.
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish).
    pub async fn publish_once_to(
        &self,
        key: &str,
        topic: &Topic,
        event: Event<'_>,
    ) -> Result<EventId, PublishError> {
        self.write(&Write::new(Some(topic), &event)?.with_once(key)).await
    }
}
