//! What becomes of a client that connects, before its request is answered.

use std::sync::Arc;
use std::time::Duration;

use super::opening::{Opening, moves_who_is_reset};
use super::state::{Shared, State};
use super::subscriber::{ResumeOutcome, Subscriber};
use super::waiters::Ticket;
use crate::field::LastEventId;
use crate::log::{Cursor, ResetReason, Resume, StartAt};

/// What becomes of a client that connects.
#[derive(Debug)]
#[must_use]
pub enum Subscription {
    /// It is sent events.
    Stream(Subscriber),
    /// The channel is over, and the client has all of it: answer 204.
    Complete,
    /// There is no room: have it come back after this long.
    Full(Duration),
}

impl Subscription {
    pub(super) fn decide(shared: &Arc<Shared>, last: &LastEventId, start: StartAt) -> Self {
        let settings = shared.settings();
        let mut state = shared.lock();
        let (outcome, cursor) = match state.log.resume(last, start) {
            Resume::Fresh(cursor) => (ResumeOutcome::Fresh, cursor),
            Resume::Resumed(cursor) => (ResumeOutcome::Resumed, cursor),
            Resume::Complete => return state.complete(),
            Resume::Reset(gap @ ResetReason::Expired, _) if settings.backfill => {
                (ResumeOutcome::Reset(gap), state.log.cursor(StartAt::Oldest))
            }
            Resume::Reset(gap, cursor) => (ResumeOutcome::Reset(gap), cursor),
        };
        // Over, with nothing to say that would keep it from asking again.
        let is_mute = matches!(outcome, ResumeOutcome::Reset(_)) && !moves_who_is_reset(settings);
        if is_mute && state.log.ending().is_some() && cursor == state.log.cursor(StartAt::Now) {
            return state.complete();
        }
        if state.readers.taken() >= settings.max_subscribers {
            return Self::Full(state.come_back(settings.come_back));
        }
        let ticket = state.admit(outcome);
        let opening = state.opening(last, outcome, cursor);
        drop(state);
        Self::Stream(Subscriber::new(Arc::clone(shared), ticket, cursor, outcome, opening))
    }
}

impl State {
    fn complete(&mut self) -> Subscription {
        self.stats.get_or_insert_default().complete += 1;
        Subscription::Complete
    }

    /// A delay between `delay` and twice that, spread evenly over those who are
    /// turned away: by the golden ratio, which leaves no cluster and no gap.
    fn come_back(&mut self, delay: Duration) -> Duration {
        let stats = self.stats.get_or_insert_default();
        stats.full += 1;
        let turn = stats.full.wrapping_mul(GOLDEN_RATIO) & u64::from(u32::MAX);
        let nanos = delay.as_nanos() * u128::from(turn) / u128::from(u32::MAX);
        delay.saturating_add(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    fn admit(&mut self, outcome: ResumeOutcome) -> Ticket {
        let stats = self.stats.get_or_insert_default();
        match outcome {
            ResumeOutcome::Fresh => stats.fresh += 1,
            ResumeOutcome::Resumed => stats.resumed += 1,
            ResumeOutcome::Reset(gap) => stats.count_reset(gap),
        }
        self.arrivals += 1;
        self.readers.join()
    }

    fn opening(
        &self,
        last: &LastEventId,
        outcome: ResumeOutcome,
        cursor: Cursor,
    ) -> Option<Opening> {
        let gap = match outcome {
            ResumeOutcome::Resumed => return None,
            ResumeOutcome::Fresh => None,
            ResumeOutcome::Reset(gap) => Some(gap),
        };
        let at = self.log.id_before(cursor);
        Some(Opening { gap, requested: last.clone(), at, snapshot: None })
    }
}

#[cfg(feature = "http")]
mod http {
    use super::{Subscriber, Subscription};
    use crate::channel::Channel;
    use crate::request::{Accept, Init, RequestHead};

    impl Subscription {
        /// The answer to a request: a stream of what `source` makes of the subscriber.
        ///
        /// # Examples
        ///
        /// Private messages beside the events of the channel:
        ///
        /// ```
        /// use lasse_core::{
        ///     Channel, Event, Handler, HandlerSource, Init, LastEventId, Next, Notifier, Subscriber,
        ///     WithSource, mailbox,
        /// };
        ///
        /// struct Desk;
        ///
        /// impl Handler for Desk {
        ///     type Notify = String;
        ///     type Info = ();
        ///
        ///     fn handle_notify(&mut self, private: String) -> Next {
        ///         Next::send(Event::new(private))
        ///     }
        /// }
        ///
        /// fn open(
        ///     news: &Channel,
        ///     last: &LastEventId,
        /// ) -> (Notifier<Desk>, Init<WithSource<Desk, Subscriber>>) {
        ///     let (notifier, mailbox) = mailbox(64);
        ///     let desk = HandlerSource::new(Desk, mailbox);
        ///     (notifier, news.subscribe(last).into_init(|subscriber| desk.with_source(subscriber)))
        /// }
        /// ```
        pub fn into_init<S>(self, source: impl FnOnce(Subscriber) -> S) -> Init<S> {
            match self {
                Self::Stream(mut subscriber) => {
                    let first = subscriber.first_frames();
                    Init::Stream(source(subscriber), first)
                }
                Self::Complete => Init::NoContent,
                Self::Full(delay) => Init::Refuse { retry_after: delay },
            }
        }
    }

    /// A request for a channel is answered by its events.
    impl Accept for Subscriber {
        type Args = Channel;

        fn init(channel: Channel, request: &RequestHead<'_>) -> Init<Self> {
            channel.subscribe(request.last_event_id()).into_init(|subscriber| subscriber)
        }
    }
}

/// 2^32 divided by the golden ratio.
const GOLDEN_RATIO: u64 = 0x9e37_79b9;
