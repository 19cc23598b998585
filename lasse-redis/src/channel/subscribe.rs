//! The decision on a client of a channel of several nodes.

use std::sync::Arc;

use lasse_core::log::Resume;
use lasse_core::{EventId, LastEventId, ResetReason, Subscription, TopicFilter};
use lasse_tokio::{Decision, Subscribable};
use tokio::time::{Instant, timeout};

use super::RedisChannel;
use crate::backfill::RedisBackfill;
use crate::error::Failure;
use crate::reply::Opened;
use crate::report;
use crate::scripts;
use crate::shared::spread;
use crate::stream_id::StreamId;
use crate::topic_table::{TopicTable, with_bounds};

/// Readers.
impl RedisChannel {
    /// Decides on a client whose last event id is `last`, before its request is answered.
    ///
    /// If this node cannot decide alone, it asks Redis, and waits until it has read what Redis
    /// holds. A client whose next event only Redis still holds is sent pages from there, and then
    /// continues with this node. If Redis does not answer in time, the decision is
    /// [`Subscription::Undecided`]: the client must retry. It is never reset because Redis is away.
    ///
    /// # Examples
    ///
    /// A handler of axum calls `request.subscribe(&news).await`, as for any channel. On hyper:
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
        self.decide_now(None, last).await
    }

    /// Decides on a client that gets only the events whose topics match `filter`.
    ///
    /// It is reset only if it lacks one of these. If Redis has trimmed the next events of a client,
    /// it still knows the last id of each topic, for at least 10,000 topics.
    ///
    /// Which topics a client may read is the application's decision: the filter is not checked here.
    pub async fn subscribe_to(&self, filter: &TopicFilter, last: &LastEventId) -> Subscription {
        self.decide_now(Some(filter), last).await
    }

    async fn decide_now(&self, filter: Option<&TopicFilter>, last: &LastEventId) -> Subscription {
        let channel = &self.stream.channel;
        channel.advance(lasse_tokio::now());
        let shared = self.backplane.shared();
        // A channel by key is read from now on, at least until it has the reader.
        let watch = self.stream.lifetime.map(|_| shared.watched.enter(&self.stream));
        if matches!(watch, Some(None)) {
            return Subscription::Full(spread(shared.config.retry_delay));
        }
        if self.stream.is_loaded() && self.can_decide(filter, last) {
            return self.join(filter, last);
        }
        match timeout(shared.config.decision_timeout, self.ask(filter, last)).await {
            Ok(Ok(answer)) => self.join_after(filter, last, answer),
            _ => {
                report::undecided();
                Subscription::Undecided(spread(shared.config.retry_delay))
            }
        }
    }

    /// Whether Redis could not decide otherwise than this node.
    fn can_decide(&self, filter: Option<&TopicFilter>, last: &LastEventId) -> bool {
        match self.resume(filter, last) {
            Resume::Reset(ResetReason::Ahead | ResetReason::Foreign | ResetReason::Expired, _) => {
                // An id of another form was never given by a stream.
                stream_id(last).is_none()
            }
            _ => true,
        }
    }

    /// Waits until this node has read what Redis holds now. If that does not decide, asks what else
    /// Redis knows.
    async fn ask(
        &self,
        filter: Option<&TopicFilter>,
        last: &LastEventId,
    ) -> Result<Answer, Failure> {
        if self.stream.lifetime.is_some() && !self.stream.is_loaded() {
            self.stream.wait_for(StreamId::default()).await;
            if self.can_decide(filter, last) {
                return Ok(Answer::Decided);
            }
        }
        let opened = self.check().await?;
        if self.stream.lifetime.is_some() {
            // An announcement may be on its way, or lost.
            self.backplane.shared().watched.read_again(self.stream.key());
        }
        self.stream.wait_for(opened.last).await;
        let resume = self.resume(filter, last);
        if let (Resume::Reset(ResetReason::Ahead, _), Some(id)) = (resume, stream_id(last)) {
            // If the client were reset now, the record of the loss would reset it again. It is not
            // known whether there will be one: only a node that has read the lost event records it.
            let limit = self.backplane.shared().config.decision_timeout / 2;
            let _ = timeout(limit, self.stream.wait_for_record(id)).await;
        }
        let is_reset =
            matches!(resume, Resume::Reset(ResetReason::Expired | ResetReason::Foreign, _));
        let Some(id) = stream_id(last).filter(|_| is_reset) else { return Ok(Answer::Decided) };
        if opened.has_all_after(id) {
            return Ok(Answer::Backfill(id));
        }
        let Some(filter) = filter else { return Ok(Answer::Decided) };
        Ok(self.quiet_until(filter, id).await?.map_or(Answer::Decided, Answer::Quiet))
    }

    /// Subscribes by what this node holds.
    fn join(&self, filter: Option<&TopicFilter>, last: &LastEventId) -> Subscription {
        let channel = &self.stream.channel;
        match filter {
            Some(filter) => channel.subscribe_to(&self.placed(filter), last),
            None => channel.subscribe(last),
        }
    }

    /// Subscribes by what this node holds, and by what Redis has answered.
    fn join_after(
        &self,
        filter: Option<&TopicFilter>,
        last: &LastEventId,
        answer: Answer,
    ) -> Subscription {
        let channel = &self.stream.channel;
        match (answer, self.resume(filter, last)) {
            (Answer::Quiet(id), _) => self.join(filter, &LastEventId::Id(id)),
            (Answer::Backfill(id), _) => {
                let (backplane, stream) = (self.backplane.clone(), Arc::clone(&self.stream));
                let backfill = RedisBackfill::new(backplane, stream, filter.cloned(), id);
                match filter {
                    Some(filter) => {
                        channel.subscribe_to_with_backfill(&self.placed(filter), last, backfill)
                    }
                    None => channel.subscribe_with_backfill(last, backfill),
                }
            }
            // Redis does not have it either: it is no reason to wait.
            (Answer::Decided, Resume::Reset(reason @ ResetReason::Ahead, _)) => match filter {
                Some(filter) => channel.subscribe_to_reset(&self.placed(filter), last, reason),
                None => channel.subscribe_reset(last, reason),
            },
            (Answer::Decided, _) => self.join(filter, last),
        }
    }

    /// The decision by what this node holds.
    fn resume(&self, filter: Option<&TopicFilter>, last: &LastEventId) -> Resume {
        let channel = &self.stream.channel;
        match filter {
            Some(filter) => channel.resume_to(&self.placed(filter), last),
            None => channel.resume(last),
        }
    }

    /// The filter with lower bounds that the channel knows, though it may not hold their epochs.
    fn placed(&self, filter: &TopicFilter) -> TopicFilter {
        let channel = &self.stream.channel;
        let first = channel.first_id().and_then(|id| StreamId::parse(id.as_str()));
        let first = first.unwrap_or_default();
        let is_known = |id: &StreamId| {
            let resume = id.to_event_id().map(|id| channel.resume(&LastEventId::Id(id)));
            !matches!(resume, Ok(Resume::Reset(ResetReason::Foreign, _)))
        };
        with_bounds(filter, |bound| {
            if bound <= first {
                return StreamId::default();
            }
            if is_known(&bound) {
                return bound;
            }
            // There was no event in its epoch.
            let later = self.stream.follower().epochs_after(bound.epoch);
            let later = later.into_iter().map(|epoch| StreamId::new(epoch, 0));
            later.into_iter().find(is_known).unwrap_or(bound)
        })
    }

    /// The id after which a client of these topics continues, if it lacks nothing before.
    async fn quiet_until(
        &self,
        filter: &TopicFilter,
        id: StreamId,
    ) -> Result<Option<EventId>, Failure> {
        let mut known = self.stream.topics.lock().await;
        let until = |table: &TopicTable| {
            let until = table.quiet_until(filter, id)?.to_event_id().ok()?;
            let resume = self.resume(Some(filter), &LastEventId::Id(until.clone()));
            matches!(resume, Resume::Resumed(_) | Resume::Complete).then_some(until)
        };
        if let Some(table) = known.as_ref().filter(|table| table.covers(id)) {
            let until = until(table);
            // A topic that has had an event keeps it.
            if until.is_some() || table.quiet_until(filter, id).is_none() {
                return Ok(until);
            }
        }
        *known = self.read_topics().await?;
        Ok(known.as_ref().and_then(until))
    }

    async fn read_topics(&self) -> Result<Option<TopicTable>, Failure> {
        let connector = &self.backplane.shared().connector;
        let mut numbered = connector.connection().await?;
        let call = self.stream.keys.call(&scripts::TOPICS);
        match call.invoke_async::<redis::Value>(&mut numbered.connection).await {
            Ok(reply) => Ok(TopicTable::read(&reply)),
            Err(error) => {
                connector.discard(numbered.number).await;
                Err(Failure::of(&error).without_effect())
            }
        }
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
        match self.open_on(&mut numbered).await {
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
}

impl Subscribable for RedisChannel {
    fn decide<'a>(
        &'a self,
        filter: Option<&'a TopicFilter>,
        last: &'a LastEventId,
    ) -> Decision<'a> {
        Decision::later(self.decide_now(filter, last))
    }
}

/// What Redis adds to the decision of this node.
enum Answer {
    /// Nothing.
    Decided,
    /// It holds the events after this one.
    Backfill(StreamId),
    /// There was nothing for the client up to this event, which the node holds.
    Quiet(EventId),
}

fn stream_id(last: &LastEventId) -> Option<StreamId> {
    last.id().and_then(|id| StreamId::parse(id.as_str()))
}
