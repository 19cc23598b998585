//! A channel of several nodes: published to a stream of Redis, and read from it on each node.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use lasse_core::log::Resume;
use lasse_core::{Channel, Event, EventId, LastEventId, ResetReason, Subscription};
use redis::{RedisResult, Value};
use tokio::time::{Instant, timeout};

use crate::backfill::RedisBackfill;
use crate::backplane::Backplane;
use crate::config::BackplaneConfig;
use crate::connector::Numbered;
use crate::entry::{self, Field};
use crate::error::{Failure, PublishError};
use crate::reply::{self, Opened};
use crate::report;
use crate::scripts;
use crate::shared::spread;
use crate::stream::Stream;
use crate::stream_id::StreamId;

/// A channel of several nodes: published to a stream of Redis, and read from it on each node.
///
/// All events reach the readers through the reader of their node, also those that this node
/// publishes: there is one order everywhere.
#[derive(Clone, Debug)]
pub struct RedisChannel {
    backplane: Backplane,
    stream: Arc<Stream>,
}

/// What was skipped or is missing in a channel on this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamStats {
    /// Entries that other programs wrote into the stream.
    pub foreign: u64,
    /// Places where events were missing in the stream.
    pub gaps: u64,
    /// Entries that the channel of this node refused, because the application published to that
    /// channel directly.
    pub refused: u64,
}

impl RedisChannel {
    pub(crate) fn new(backplane: Backplane, stream: Arc<Stream>) -> Self {
        Self { backplane, stream }
    }

    /// The channel of this node, for readers and counters.
    ///
    /// Its `subscribe` decides by what this node holds: a client whose id only Redis knows is reset.
    /// [`RedisChannel::subscribe`] asks Redis. Never publish to this channel directly: its events
    /// come from the stream.
    pub fn local(&self) -> &Channel {
        &self.stream.channel
    }

    /// The connection to Redis of this node.
    pub fn backplane(&self) -> &Backplane {
        &self.backplane
    }

    /// What was skipped or is missing in the channel on this node.
    pub fn stream_stats(&self) -> StreamStats {
        let follower = self.stream.follower();
        StreamStats {
            foreign: follower.foreign(),
            gaps: follower.gaps(),
            refused: follower.refused(),
        }
    }

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
        self.write(&Write::Add(fields(&event)?)).await
    }

    /// The same, but of all calls with one idempotency key, from any node, only the first publishes.
    /// The others return its id. Redis remembers a key for the
    /// [lifetime](crate::BackplaneConfig::with_once_lifetime) that is configured.
    ///
    /// Repeat such a call after [`PublishError::OutcomeUnknown`].
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish).
    #[doc(alias = "idempotent")]
    pub async fn publish_once(&self, key: &str, event: Event<'_>) -> Result<EventId, PublishError> {
        self.write(&Write::AddOnce(format!("once:{key}"), fields(&event)?)).await
    }

    /// Ends the channel as complete, on all nodes. The first ending counts.
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish). If the channel has ended before,
    /// [`PublishError::Ended`].
    pub async fn finish(&self) -> Result<(), PublishError> {
        self.write(&Write::End("finish", Vec::new())).await.map(drop)
    }

    /// Publishes an event and finishes the channel. No other event can come between.
    ///
    /// # Errors
    ///
    /// Those of [`finish`](Self::finish).
    pub async fn finish_with(&self, event: Event<'_>) -> Result<EventId, PublishError> {
        self.write(&Write::End("finish", fields(&event)?)).await
    }

    /// Ends the channel as incomplete, on all nodes. The first ending counts.
    ///
    /// # Errors
    ///
    /// Those of [`finish`](Self::finish).
    pub async fn abort(&self) -> Result<(), PublishError> {
        self.write(&Write::End("abort", Vec::new())).await.map(drop)
    }

    /// Publishes an event that explains the failure, and aborts the channel.
    ///
    /// # Errors
    ///
    /// Those of [`finish`](Self::finish).
    pub async fn abort_with(&self, event: Event<'_>) -> Result<EventId, PublishError> {
        self.write(&Write::End("abort", fields(&event)?)).await
    }

    /// Decides on a client whose last event id is `last`, before its request is answered.
    ///
    /// If this node cannot decide alone, it asks Redis, and waits until it has read what Redis
    /// holds. A client whose next event only Redis still holds is sent pages from there, and then goes
    /// on with this node. If Redis does not answer in time, the decision is [`Subscription::Undecided`]: the
    /// client must retry. It is never reset because Redis is away.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_hyper::{ChannelBody, Endpoint, RequestHead, respond_with};
    /// use lasse_redis::RedisChannel;
    ///
    /// async fn answer<B>(
    ///     news: &RedisChannel,
    ///     request: &http::Request<B>,
    ///     endpoint: &Endpoint,
    /// ) -> http::Response<ChannelBody> {
    ///     let last = RequestHead::from(request).last_event_id().clone();
    ///     let subscription = news.subscribe(&last).await;
    ///     respond_with(request, endpoint, |head| subscription.into_init(head, |events| events))
    /// }
    /// ```
    pub async fn subscribe(&self, last: &LastEventId) -> Subscription {
        let channel = &self.stream.channel;
        channel.advance(lasse_tokio::now());
        if self.stream.is_loaded() && self.can_decide(last) {
            return channel.subscribe(last);
        }
        let config = &self.backplane.shared().config;
        let caught_up = timeout(config.decision_timeout, self.catch_up()).await;
        let Ok(Ok(opened)) = caught_up else {
            report::undecided();
            return Subscription::Undecided(spread(config.retry_delay));
        };
        let id = last.id().and_then(|id| StreamId::parse(id.as_str()));
        match (channel.resume(last), id) {
            (Resume::Reset(ResetReason::Expired | ResetReason::Foreign, _), Some(id))
                if opened.has_all_after(id) =>
            {
                let places = Arc::clone(&self.backplane.shared().backfills);
                let (backplane, stream) = (self.backplane.clone(), Arc::clone(&self.stream));
                let backfill = RedisBackfill::new(backplane, stream, places, id);
                channel.subscribe_with_backfill(last, backfill)
            }
            // Redis does not have it either: it is no reason to wait.
            (Resume::Reset(reason @ ResetReason::Ahead, _), _) => {
                channel.subscribe_reset(last, reason)
            }
            _ => channel.subscribe(last),
        }
    }

    /// Whether Redis could not decide otherwise than this node.
    fn can_decide(&self, last: &LastEventId) -> bool {
        match self.stream.channel.resume(last) {
            Resume::Reset(ResetReason::Ahead | ResetReason::Foreign | ResetReason::Expired, _) => {
                // An id of another form was never given by a stream.
                last.id().and_then(|id| StreamId::parse(id.as_str())).is_none()
            }
            _ => true,
        }
    }

    /// Waits until this node has read what Redis holds now.
    async fn catch_up(&self) -> Result<Opened, Failure> {
        let opened = self.check().await?;
        self.stream.wait_for(opened.last).await;
        Ok(opened)
    }

    /// Asks Redis where the stream ends. Calls that wait for each other share an answer.
    async fn check(&self) -> Result<Opened, Failure> {
        let asked = Instant::now();
        let mut checked = self.stream.checked.lock().await;
        if let Some((_, opened)) = checked.filter(|(at, _)| *at > asked) {
            return Ok(opened);
        }
        let at = Instant::now();
        let connector = &self.backplane.shared().connector;
        let mut numbered = connector.connection().await?;
        match self.stream.open(&mut numbered.connection).await {
            Ok(opened) => {
                self.stream.set_epoch_on(numbered.number, Some(opened.epoch));
                *checked = Some((at, opened));
                Ok(opened)
            }
            Err(failure) => {
                connector.discard(numbered.number).await;
                Err(failure)
            }
        }
    }

    async fn write(&self, write: &Write) -> Result<EventId, PublishError> {
        let started = Instant::now();
        let written = self.write_in_time(write).await;
        report::published(written.as_ref().err(), started.elapsed());
        written
    }

    /// Writes within the time to publish.
    async fn write_in_time(&self, write: &Write) -> Result<EventId, PublishError> {
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
        write: &Write,
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

    /// The epoch of the stream on this connection, on which it is opened first.
    async fn epoch(&self, numbered: &mut Numbered) -> Result<u64, PublishError> {
        if let Some(epoch) = self.stream.epoch_on(numbered.number) {
            return Ok(epoch);
        }
        let opened = self.stream.open(&mut numbered.connection).await?;
        if let Some(ending) = opened.ending {
            return Err(PublishError::Ended(ending));
        }
        self.stream.set_epoch_on(numbered.number, Some(opened.epoch));
        Ok(opened.epoch)
    }

    fn published(&self, reply: &Value) -> Result<EventId, PublishError> {
        let text = reply::text(reply).unwrap_or_default();
        if let Some(ending) = reply::ending(text) {
            return Err(PublishError::Ended(ending));
        }
        let unknown = || PublishError::OutcomeUnknown(format!("Redis returned {text:?}"));
        let id = StreamId::parse(text).ok_or_else(unknown)?;
        self.stream.follower().acknowledge(id);
        id.to_event_id().map_err(|_| unknown())
    }
}

/// What is written into a stream.
enum Write {
    Add(Vec<Field<'static>>),
    /// With the key of its result, as [`beside`] takes it.
    AddOnce(String, Vec<Field<'static>>),
    /// A last event, if there is one, and the ending.
    End(&'static str, Vec<Field<'static>>),
}

impl Write {
    async fn call(
        &self,
        stream: &Stream,
        config: &BackplaneConfig,
        epoch: u64,
        numbered: &mut Numbered,
    ) -> RedisResult<Value> {
        match self {
            Self::Add(fields) => {
                let mut command = redis::cmd("XADD");
                command.arg(&stream.key).arg("NOMKSTREAM").arg("MAXLEN").arg("~");
                command.arg(config.max_len).arg(format!("{epoch}-*"));
                for (name, value) in fields {
                    command.arg(*name).arg(value.as_bytes());
                }
                command.query_async(&mut numbered.connection).await
            }
            Self::AddOnce(result, fields) => {
                let mut call = scripts::PUBLISH_ONCE.key(&stream.key);
                call.key(format!("{}:{result}", stream.state_key)).arg(config.max_len);
                call.arg(epoch).arg(millis(config.once_lifetime));
                for (name, value) in fields {
                    call.arg(*name).arg(value.as_bytes());
                }
                call.invoke_async(&mut numbered.connection).await
            }
            Self::End(word, fields) => {
                let mut call = scripts::END.key(&stream.key);
                call.key(&stream.state_key).arg(epoch).arg(*word);
                for (name, value) in fields {
                    call.arg(*name).arg(value.as_bytes());
                }
                call.invoke_async(&mut numbered.connection).await
            }
        }
    }
}

/// The fields of an event, as the stream has them.
fn fields(event: &Event<'_>) -> Result<Vec<Field<'static>>, PublishError> {
    if event.id().is_some() {
        return Err(PublishError::OwnId);
    }
    let owned = |(name, value): Field<'_>| (name, Cow::Owned(value.into_owned()));
    Ok(entry::fields(event).into_iter().map(owned).collect())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).min(MOST_MILLIS)
}

/// How often a write is repeated that did nothing, because the epoch of the stream had changed.
const ATTEMPTS: usize = 4;

/// The longest lifetime of a result: a hundred years. Redis refuses times that overflow.
const MOST_MILLIS: u64 = 100 * 365 * 24 * 3600 * 1000;
