//! The decision on a client that connects, made before the response head is sent.

#[cfg(feature = "http")]
mod http;

use std::boxed::Box;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "http")]
pub(super) use http::stream;

use super::backfill::{Backfill, Backfilling};
use super::config::{LagPolicy, Settings};
use super::notice::moves_reset_clients;
use super::opening::Opening;
use super::pending_subscriber::PendingSubscriber;
use super::shared::Shared;
use super::state::State;
use super::subscriber::{ResumeOutcome, Subscriber};
use super::sync::MutexGuard;
use super::topic_reader::TopicReader;
use crate::field::LastEventId;
use crate::log::{Cursor, ResetReason, Resume, StartAt, View};
use crate::topic::TopicFilter;

/// The decision on a client that connects.
///
/// `P` stands for a stream that waits for its snapshot: [`PendingSubscriber`] if the client
/// subscribed by [`subscribe_with_snapshot`](crate::Channel::subscribe_with_snapshot), and
/// otherwise a type without values.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub enum Subscription<P = Infallible> {
    /// The client gets a stream of events.
    Stream(Subscriber),
    /// The client gets a stream that starts with a snapshot, which the application supplies.
    NeedsSnapshot(P),
    /// The channel has ended and the client has all of it: answer 204.
    Complete,
    /// The channel admits no more subscribers: have the client retry after this delay.
    Full(Duration),
    /// It is not known now whether the client can resume, because what could decide it cannot be
    /// reached: have the client retry after this delay. A [`Channel`](crate::Channel) by itself
    /// always decides.
    Undecided(Duration),
}

impl Subscription {
    pub(super) fn decide(shared: &Arc<Shared>, last: &LastEventId, start: StartAt) -> Self {
        let settings = shared.settings();
        let is_plain = settings.compaction.is_none()
            || (start != StartAt::LatestPerKey
                && !matches!(settings.lag_policy, LagPolicy::Latest { .. }));
        if !is_plain {
            return Self::decide_view(shared, None, last, start);
        }
        let mut state = shared.lock();
        let mut is_ahead = false;
        let (outcome, cursor) = match state.log.resume(last, start) {
            Resume::Fresh(cursor) => (ResumeOutcome::Fresh, cursor),
            Resume::Resumed(cursor) => (ResumeOutcome::Resumed, cursor),
            Resume::Complete => return state.complete(),
            Resume::Reset(reason @ ResetReason::Expired, _) if settings.backfill => {
                (ResumeOutcome::Reset(reason), state.log.cursor(StartAt::Oldest))
            }
            Resume::Reset(ResetReason::Ahead, _) if state.waits_for(last, settings) => {
                is_ahead = true;
                (ResumeOutcome::Resumed, state.log.cursor(StartAt::Now))
            }
            Resume::Reset(reason, cursor) => (ResumeOutcome::Reset(reason), cursor),
        };
        Self::admit(shared, state, last, (outcome, cursor), is_ahead, None)
    }

    /// Decides on a client of some topics, or that gets the newest event of each key.
    pub(super) fn decide_view(
        shared: &Arc<Shared>,
        filter: Option<&TopicFilter>,
        last: &LastEventId,
        start: StartAt,
    ) -> Self {
        let settings = shared.settings();
        let mut guard = shared.lock();
        let state = &mut *guard;
        let mut view = filter.map_or_else(View::all, |filter| state.log.view(filter));
        let (mut is_ahead, mut is_conflated) = (false, false);
        let (outcome, cursor) = match state.log.resume_view(last, start, &mut view) {
            Resume::Fresh(cursor) => (ResumeOutcome::Fresh, cursor),
            Resume::Resumed(cursor) => (ResumeOutcome::Resumed, cursor),
            Resume::Complete => {
                state.log.release(view);
                return state.complete();
            }
            Resume::Reset(ResetReason::Ahead, _) if state.waits_for(last, settings) => {
                is_ahead = true;
                (ResumeOutcome::Resumed, state.log.start_view(StartAt::Now, &mut view))
            }
            Resume::Reset(reason @ ResetReason::Expired, cursor) => {
                match state.conflate(settings, last, &mut view) {
                    Some(cursor) => {
                        is_conflated = true;
                        (ResumeOutcome::Resumed, cursor)
                    }
                    None if settings.backfill => {
                        let oldest = state.log.start_view(StartAt::Oldest, &mut view);
                        (ResumeOutcome::Reset(reason), oldest)
                    }
                    None => (ResumeOutcome::Reset(reason), cursor),
                }
            }
            Resume::Reset(reason, cursor) => (ResumeOutcome::Reset(reason), cursor),
        };
        let reader = TopicReader::new(view);
        let reader = if is_conflated { reader.conflated() } else { reader };
        Self::admit(shared, guard, last, (outcome, cursor), is_ahead, Some(reader))
    }

    /// Resets the client for a reason that the caller knows.
    pub(super) fn reset(
        shared: &Arc<Shared>,
        filter: Option<&TopicFilter>,
        last: &LastEventId,
        reason: ResetReason,
    ) -> Self {
        let settings = shared.settings();
        let mut guard = shared.lock();
        let state = &mut *guard;
        let start = match reason {
            ResetReason::Expired if settings.backfill => StartAt::Oldest,
            _ => settings.start,
        };
        let mut view = filter.map(|filter| state.log.view(filter));
        let cursor = match &mut view {
            Some(view) => state.log.start_view(start, view),
            None => state.log.cursor(start),
        };
        let topics = view.map(TopicReader::new);
        Self::admit(shared, guard, last, (ResumeOutcome::Reset(reason), cursor), false, topics)
    }

    /// Resumes the client with events from elsewhere, if the log does not hold them.
    pub(super) fn with_backfill(
        shared: &Arc<Shared>,
        filter: Option<&TopicFilter>,
        last: &LastEventId,
        pages: Box<dyn Backfill>,
    ) -> Self {
        let settings = shared.settings();
        let mut guard = shared.lock();
        let state = &mut *guard;
        let view = filter.map(|filter| state.log.view(filter));
        let after = last.id().filter(|id| match &view {
            Some(view) => state.log.after_in_view(id, view).is_err(),
            None => state.log.after(id).is_err(),
        });
        let Some(after) = after.cloned() else {
            view.into_iter().for_each(|view| state.log.release(view));
            drop(guard);
            return match filter {
                Some(_) => Self::decide_view(shared, filter, last, settings.start),
                None => Self::decide(shared, last, settings.start),
            };
        };
        let outcome = ResumeOutcome::Resumed;
        if let Err(delay) = state.admit(settings, outcome) {
            view.into_iter().for_each(|view| state.log.release(view));
            return Self::Full(delay);
        }
        let cursor = state.log.cursor(StartAt::Now);
        let topics = view.map(TopicReader::new);
        shared.divide(guard);
        let opening = Opening {
            reset: None,
            is_ahead: false,
            changes: 0,
            requested: last.clone(),
            at: None,
            backfill: Some(Backfilling { pages, after }),
            snapshot: None,
        };
        let subscriber = Subscriber::new(Arc::clone(shared), cursor, outcome, Some(opening));
        Self::Stream(subscriber.with_topics(topics))
    }

    fn admit(
        shared: &Arc<Shared>,
        mut state: MutexGuard<'_, State>,
        last: &LastEventId,
        (outcome, cursor): (ResumeOutcome, Cursor),
        is_ahead: bool,
        topics: Option<TopicReader>,
    ) -> Self {
        let settings = shared.settings();
        // The channel has ended and nothing that is sent would move the client: it would
        // reconnect for ever.
        let is_stuck = matches!(outcome, ResumeOutcome::Reset(_)) && !moves_reset_clients(settings);
        if is_stuck && state.log.ending().is_some() && cursor == state.log.cursor(StartAt::Now) {
            topics.into_iter().for_each(|topics| state.log.release(topics.view));
            return state.complete();
        }
        if let Err(delay) = state.admit(settings, outcome) {
            topics.into_iter().for_each(|topics| state.log.release(topics.view));
            return Self::Full(delay);
        }
        let mut opening = state.opening(last, outcome, cursor, is_ahead);
        if topics.as_ref().is_some_and(|topics| topics.view.is_catching_up()) {
            // The position is sent after the state.
            opening.iter_mut().for_each(|opening| opening.at = None);
        }
        shared.divide(state);
        let subscriber = Subscriber::new(Arc::clone(shared), cursor, outcome, opening);
        Self::Stream(subscriber.with_topics(topics))
    }
}

impl Subscription<PendingSubscriber> {
    pub(super) fn decide_with_snapshot(shared: &Arc<Shared>, last: &LastEventId) -> Self {
        let mut state = shared.lock();
        let end = state.log.cursor(StartAt::Now);
        let (outcome, cursor) = match state.log.resume(last, StartAt::Now) {
            Resume::Complete if last.id().is_some() => return state.complete(),
            // A new client is sent a snapshot, even if the channel has ended.
            Resume::Complete | Resume::Fresh(_) => (ResumeOutcome::Fresh, end),
            Resume::Resumed(cursor) => (ResumeOutcome::Resumed, cursor),
            Resume::Reset(reason, _) => (ResumeOutcome::Reset(reason), end),
        };
        if let Err(delay) = state.admit(shared.settings(), outcome) {
            return Self::Full(delay);
        }
        shared.divide(state);
        let subscriber = Subscriber::new(Arc::clone(shared), cursor, outcome, None);
        let subscriber = subscriber.with_snapshots();
        match outcome {
            ResumeOutcome::Resumed => Self::Stream(subscriber),
            _ => Self::NeedsSnapshot(PendingSubscriber::new(subscriber, last.clone())),
        }
    }

    /// Supplies the snapshot, if one is needed.
    ///
    /// If `supply` must await something, match on the subscription instead.
    ///
    /// # Errors
    ///
    /// Those of `supply`.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::channel::StaleSnapshot;
    /// use lasse_core::{Channel, ChannelConfig, Event, LastEventId, Subscription};
    ///
    /// fn follow(scores: &Channel, last: &LastEventId) -> Result<Subscription, StaleSnapshot> {
    ///     let subscription = scores.subscribe_with_snapshot(last);
    ///     subscription.or_snapshot(|pending| {
    ///         let (score, id) = ("2:1", scores.last_id().unwrap());
    ///         pending.with_snapshot([Event::new(score).encode()], &id)
    ///     })
    /// }
    /// # let scores = Channel::new(&ChannelConfig::new());
    /// # assert!(matches!(follow(&scores, &LastEventId::Absent)?, Subscription::Stream(_)));
    /// # Ok::<(), StaleSnapshot>(())
    /// ```
    pub fn or_snapshot<E>(
        self,
        supply: impl FnOnce(PendingSubscriber) -> Result<Subscriber, E>,
    ) -> Result<Subscription, E> {
        Ok(match self {
            Self::Stream(subscriber) => Subscription::Stream(subscriber),
            Self::NeedsSnapshot(pending) => Subscription::Stream(supply(pending)?),
            Self::Complete => Subscription::Complete,
            Self::Full(delay) => Subscription::Full(delay),
            Self::Undecided(delay) => Subscription::Undecided(delay),
        })
    }
}

impl State {
    fn complete<P>(&mut self) -> Subscription<P> {
        self.stats.get_or_insert_default().complete += 1;
        Subscription::Complete
    }

    /// If the channel conflates and nothing else is missing, has a client with an expired id skip
    /// the superseded events. Returns where it resumes.
    fn conflate(&self, settings: &Settings, last: &LastEventId, view: &mut View) -> Option<Cursor> {
        let LagPolicy::Latest { .. } = settings.lag_policy else { return None };
        let cursor = self.log.after_conflated(last.id()?, view).ok()?;
        self.log.conflate(cursor, view).then_some(cursor)
    }

    /// Whether a client that is ahead of the log waits for it.
    fn waits_for(&self, last: &LastEventId, settings: &Settings) -> bool {
        settings.shared_epoch && last.id().is_some_and(|id| self.log.can_reach(id))
    }

    /// Counts a subscriber in, or returns after which delay the client should retry.
    fn admit(&mut self, settings: &Settings, outcome: ResumeOutcome) -> Result<(), Duration> {
        if self.subscribers >= settings.max_subscribers {
            return Err(self.retry_delay(settings.retry_when_full));
        }
        let stats = self.stats.get_or_insert_default();
        match outcome {
            ResumeOutcome::Fresh => stats.fresh += 1,
            ResumeOutcome::Resumed => stats.resumed += 1,
            ResumeOutcome::Reset(reason) => stats.count_reset(reason),
        }
        self.subscribers += 1;
        Ok(())
    }

    /// A delay between `delay` and twice that. Successive delays are spread by the golden ratio,
    /// which leaves neither clusters nor gaps.
    fn retry_delay(&mut self, delay: Duration) -> Duration {
        let stats = self.stats.get_or_insert_default();
        stats.full += 1;
        let turn = stats.full.wrapping_mul(GOLDEN_RATIO) & u64::from(u32::MAX);
        let nanos = delay.as_nanos() * u128::from(turn) / u128::from(u32::MAX);
        delay.saturating_add(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    fn opening(
        &self,
        last: &LastEventId,
        outcome: ResumeOutcome,
        cursor: Cursor,
        is_ahead: bool,
    ) -> Option<Opening> {
        let reset = match outcome {
            ResumeOutcome::Resumed if !is_ahead => return None,
            ResumeOutcome::Resumed | ResumeOutcome::Fresh => None,
            ResumeOutcome::Reset(reason) => Some(reason),
        };
        let at = self.log.id_before(cursor);
        let requested = last.clone();
        let (backfill, snapshot) = (None, None);
        Some(Opening { reset, is_ahead, changes: 0, requested, at, backfill, snapshot })
    }
}

/// 2^32 divided by the golden ratio.
const GOLDEN_RATIO: u64 = 0x9e37_79b9;
