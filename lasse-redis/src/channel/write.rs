//! A write into the stream of a channel: an event, or its end, or both.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lasse_core::{Ending, Event, EventId, Topic};
use redis::{RedisResult, Value};
use tokio::time::{Instant, timeout};

use super::RedisChannel;
use crate::config::BackplaneConfig;
use crate::connector::Numbered;
use crate::entry::{self, Field};
use crate::error::{Failure, PublishError};
use crate::reply;
use crate::report;
use crate::scripts;
use crate::shared::millis;
use crate::stream::Stream;
use crate::stream_id::StreamId;
use crate::topic_table::MOST_TOPICS;

impl RedisChannel {
    /// Writes, and counts that.
    pub(super) async fn write(&self, write: &Write<'_>) -> Result<EventId, PublishError> {
        let started = Instant::now();
        let written = self.write_in_time(write).await;
        report::published(written.as_ref().err(), started.elapsed());
        written
    }

    /// Writes within the time to publish.
    async fn write_in_time(&self, write: &Write<'_>) -> Result<EventId, PublishError> {
        if let Some(ending) = self.stream.channel.ending() {
            return Err(PublishError::Ended(ending));
        }
        let (is_sent, number) = (AtomicBool::new(false), AtomicU64::new(0));
        let limit = self.backplane.shared().config.publish_timeout;
        match timeout(limit, self.try_write(write, &is_sent, &number)).await {
            Ok(result) => result,
            Err(_) => {
                self.backplane.shared().connector.forget(number.into_inner());
                let problem = format!("there was no answer within {limit:?}");
                Err(match is_sent.into_inner() {
                    true => PublishError::OutcomeUnknown(problem),
                    false => PublishError::NotReachable(problem),
                })
            }
        }
    }

    /// Sets `is_sent` while the outcome is not known, and `number` to that of the connection.
    async fn try_write(
        &self,
        write: &Write<'_>,
        is_sent: &AtomicBool,
        number: &AtomicU64,
    ) -> Result<EventId, PublishError> {
        let shared = self.backplane.shared();
        for _ in 0..ATTEMPTS {
            let mut numbered =
                shared.connector.connection().await.map_err(Failure::without_effect)?;
            number.store(numbered.number, Ordering::Relaxed);
            let epoch = match self.epoch(&mut numbered).await {
                Ok(epoch) => epoch,
                Err(error) => {
                    shared.connector.discard(numbered.number).await;
                    return Err(error);
                }
            };
            is_sent.store(true, Ordering::Relaxed);
            let reply = write.call(&self.stream, &shared.config, epoch, &mut numbered).await;
            let failure = match reply {
                Ok(Value::Nil) => Failure::OldEpoch,
                Ok(reply @ Value::Array(_)) => not_opened(&reply),
                Ok(reply) => return self.published(&reply),
                Err(error) => Failure::of(&error),
            };
            match failure {
                Failure::OldEpoch => {
                    is_sent.store(false, Ordering::Relaxed);
                    self.stream.set_epoch_on(numbered.number, None);
                }
                failure @ Failure::Refused(_) => return Err(failure.into()),
                failure => {
                    shared.connector.discard(numbered.number).await;
                    return Err(failure.into());
                }
            }
        }
        Err(Failure::OldEpoch.into())
    }

    /// The epoch of the stream on this connection, on which it is opened first. None for a stream
    /// that each call opens.
    async fn epoch(&self, numbered: &mut Numbered) -> Result<Option<u64>, PublishError> {
        if self.stream.lifetime.is_some() {
            return Ok(None);
        }
        if let Some(epoch) = self.stream.epoch_on(numbered.number) {
            return Ok(Some(epoch));
        }
        let opened = self.open_on(numbered).await?;
        if let Some(ending) = opened.ending {
            return Err(PublishError::Ended(ending));
        }
        self.stream.set_epoch_on(numbered.number, Some(opened.epoch));
        Ok(Some(opened.epoch))
    }

    fn published(&self, reply: &Value) -> Result<EventId, PublishError> {
        let text = reply::text(reply).unwrap_or_default();
        if let Some(ending) = reply::ending(text) {
            return Err(PublishError::Ended(ending));
        }
        let unknown = || PublishError::OutcomeUnknown(format!("Redis returned {text:?}"));
        let id = StreamId::parse(text).ok_or_else(unknown)?;
        self.stream.follower().acknowledge(id);
        if self.stream.lifetime.is_some() {
            self.backplane.shared().acknowledged.record(self.stream.key(), id);
        }
        id.to_event_id().map_err(|_| unknown())
    }
}

/// An entry for a stream: an event, or an ending, or both.
#[derive(Default)]
pub(super) struct Write<'a> {
    fields: Vec<Field<'static>>,
    topic: Option<&'a Topic>,
    /// The idempotency key.
    once: Option<&'a str>,
    ending: Option<Ending>,
}

impl<'a> Write<'a> {
    pub(super) fn new(topic: Option<&'a Topic>, event: &Event<'_>) -> Result<Self, PublishError> {
        Ok(Self { fields: fields(event, topic)?, topic, ..Self::default() })
    }

    /// An ending without an event.
    pub(super) fn end(ending: Ending) -> Self {
        Self::default().with_ending(ending)
    }

    pub(super) fn with_ending(self, ending: Ending) -> Self {
        Self { ending: Some(ending), ..self }
    }

    pub(super) fn with_once(self, key: &'a str) -> Self {
        Self { once: Some(key), ..self }
    }

    /// Writes in an epoch. Without one, the script opens the stream.
    async fn call(
        &self,
        stream: &Stream,
        config: &BackplaneConfig,
        epoch: Option<u64>,
        numbered: &mut Numbered,
    ) -> RedisResult<Value> {
        match epoch {
            Some(epoch) if self.is_plain() => {
                let mut command = redis::cmd("XADD");
                command.arg(stream.key()).arg("NOMKSTREAM").arg("MAXLEN").arg("~");
                command.arg(config.max_len).arg(format!("{epoch}-*"));
                for (name, value) in &self.fields {
                    command.arg(*name).arg(value.as_bytes());
                }
                command.query_async(&mut numbered.connection).await
            }
            _ => self.call_script(stream, config, epoch, numbered).await,
        }
    }

    /// Whether it is an event and nothing else.
    fn is_plain(&self) -> bool {
        self.topic.is_none() && self.once.is_none() && self.ending.is_none()
    }

    async fn call_script(
        &self,
        stream: &Stream,
        config: &BackplaneConfig,
        epoch: Option<u64>,
        numbered: &mut Numbered,
    ) -> RedisResult<Value> {
        let known = stream.follower().known();
        let mut call = stream.keys.call(&scripts::PUBLISH);
        if let Some(key) = self.once {
            call.key(stream.keys.result(key));
        }
        call.arg(config.max_len).arg(epoch.map(|epoch| epoch.to_string()).unwrap_or_default());
        call.arg(known.epoch).arg(known.number);
        call.arg(stream.lifetime_argument()).arg(millis(config.once_lifetime));
        call.arg(self.topic.map(Topic::as_str).unwrap_or_default()).arg(MOST_TOPICS);
        call.arg(match self.ending {
            None => "",
            Some(Ending::Finished) => "finish",
            Some(Ending::Aborted) => "abort",
        });
        for (name, value) in &self.fields {
            call.arg(*name).arg(value.as_bytes());
        }
        call.invoke_async(&mut numbered.connection).await
    }
}

/// Why the script could not open the stream.
fn not_opened(reply: &Value) -> Failure {
    match reply::opened(reply) {
        Ok(_) => Failure::Unknown("the script returned something else".into()),
        Err(failure) => failure,
    }
}

/// The fields of an event, as the stream has them.
fn fields(event: &Event<'_>, topic: Option<&Topic>) -> Result<Vec<Field<'static>>, PublishError> {
    if event.id().is_some() {
        return Err(PublishError::OwnId);
    }
    let owned = |(name, value): Field<'_>| (name, Cow::Owned(value.into_owned()));
    Ok(entry::fields(event, topic).into_iter().map(owned).collect())
}

/// How often a write is repeated if it did nothing because the epoch of the stream had changed.
const ATTEMPTS: usize = 4;
