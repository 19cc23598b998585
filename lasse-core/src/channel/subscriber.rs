//! A reader of a channel: a cursor, and the frames that its stream starts with.

use std::boxed::Box;
#[cfg(feature = "http")]
use std::string::String;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::vec::Vec;

use super::backfill::BackfillPage;
use super::filter_handle::FilterHandle;
use super::opening::Opening;
use super::place::Place;
use super::reader::Reader;
use super::shared::Shared;
use super::terms::Terms;
use super::topic_reader::TopicReader;
use crate::end::EndReason;
use crate::field::{EventId, LastEventId};
use crate::frame::Frame;
use crate::log::{Cursor, Ending, Read, ResetReason, StartAt, View};
use crate::source::{Next, Source};
use crate::time::Instant;
use crate::topic::TopicFilter;

/// A reader of a [`Channel`](crate::Channel).
///
/// It is the [`Source`] of a stream.
/// [`HandlerSource::with_source`](crate::HandlerSource::with_source) adds a handler, for frames that
/// go to this client alone. A subscriber holds a position in the channel's log and no events: a
/// slow reader costs nothing, until the log drops what it has not read.
#[derive(Debug)]
pub struct Subscriber {
    shared: Arc<Shared>,
    cursor: Cursor,
    opening: Option<Box<Opening>>,
    /// None, for a reader of all events.
    topics: Option<Box<TopicReader>>,
    place: Place,
    terms: Terms,
}

/// Where the stream of a subscriber starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResumeOutcome {
    /// Where new clients start.
    Fresh,
    /// Where the client left off. Nothing is lost or repeated.
    Resumed,
    /// Where new clients start, though the client asked for more.
    Reset(ResetReason),
}

impl Subscriber {
    pub(super) fn new(
        shared: Arc<Shared>,
        cursor: Cursor,
        outcome: ResumeOutcome,
        opening: Option<Opening>,
    ) -> Self {
        let opening = opening.map(Box::new);
        let (place, terms) = (Place::new(), Terms::new(outcome));
        Self { shared, cursor, opening, topics: None, place, terms }
    }

    /// The same subscriber, of a client that reads a part of the channel.
    pub(super) fn with_topics(mut self, topics: Option<Box<TopicReader>>) -> Self {
        self.topics = topics;
        self
    }

    /// The same subscriber, of a client that gets a snapshot if it cannot resume.
    pub(super) fn with_snapshots(mut self) -> Self {
        self.terms.has_snapshots = true;
        self
    }

    /// The same subscriber, of a client that takes every event for one of the application. If it
    /// cannot resume, returns the data of its reset instead.
    #[cfg(feature = "http")]
    pub(super) fn without_notices(mut self) -> Result<Self, String> {
        self.terms.has_notices = false;
        match self.opening.as_deref().and_then(Opening::reset_data) {
            Some(reset) => Err(reset),
            None => Ok(self),
        }
    }

    /// Where the stream starts, which is decided before the response head is sent.
    pub fn outcome(&self) -> ResumeOutcome {
        self.terms.outcome
    }

    /// Names the [shard](crate::ChannelConfig::with_shards) to wait in, counted from 0, in place of
    /// that of the thread. A number that is too large counts round. The subscriber moves there when
    /// it waits next.
    pub fn set_shard(&mut self, shard: usize) {
        self.place.name_shard(shard);
    }

    /// The frames that the stream starts with: the notices, the snapshot, and the first events, if
    /// there are any. Without a call of this, [`read`](Self::read) returns the same frames first.
    pub fn first_frames(&mut self) -> Vec<Frame> {
        if self.is_backfilling() || self.is_ahead() {
            return Vec::new();
        }
        let mut frames = self.opening_frames();
        if let Read::Events(events) = self.read() {
            frames.push(events);
        }
        frames
    }

    /// Reads what is new, up to the channel's read budget.
    ///
    /// [`Read::Lagged`] is final: end the stream, and the client reconnects and is reset. Under
    /// [`LagPolicy::Skip`] it does not occur, unless the stream started with a snapshot.
    /// [`Read::Hole`] never occurs: the reset is among the events.
    pub fn read(&mut self) -> Read {
        match self.read_opening() {
            Some(read) => read,
            None if self.topics.is_some() => self.read_topics(None),
            None if !self.shared.tip.has_news(self.cursor) => Read::Wait,
            None => self.reader().read(None),
        }
    }

    /// Reads what is new, or else registers the waker of `cx` to be woken when there is more. It
    /// never returns [`Read::Wait`] when it is ready.
    ///
    /// If nothing is new since the last call, and the waker is the same, it takes no lock.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Read> {
        if let Some(read) = ready!(self.poll_backfill(cx)) {
            return Poll::Ready(read);
        }
        while self.opening.is_some() {
            match self.read_opening() {
                Some(Read::Wait) if self.poll_wake(cx).is_pending() => return Poll::Pending,
                Some(Read::Wait) | None => {}
                Some(read) => return Poll::Ready(read),
            }
        }
        if self.topics.is_some() {
            match self.read_topics(Some(cx.waker())) {
                // It reads all events from now on.
                Read::Wait if self.topics.is_none() => {}
                Read::Wait => return Poll::Pending,
                read => return Poll::Ready(read),
            }
        }
        if self.is_registered(cx) {
            return Poll::Pending;
        }
        self.reader().poll_read(cx.waker())
    }

    /// Ready when there is something to read, or when the channel has ended. Until then, registers
    /// the waker of `cx`.
    pub fn poll_wake(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let has_opening = self.opening.as_ref().is_some_and(|opening| !opening.is_ahead);
        if self.topics.is_some() && self.opening.is_none() {
            return self.poll_wake_topics(cx.waker());
        }
        if has_opening || self.shared.tip.has_news(self.cursor) {
            return Poll::Ready(());
        }
        let polled = if self.is_registered(cx) {
            Poll::Pending
        } else {
            self.reader().poll_wake(cx.waker())
        };
        // Read after the waker is registered: a new epoch can reset a reader that is ahead.
        let changes = self.shared.tip.changes();
        let is_ahead = self.opening.as_ref().filter(|opening| opening.is_ahead);
        if is_ahead.is_some_and(|opening| opening.changes != changes) {
            return Poll::Ready(());
        }
        polled
    }

    /// The place after the event `id`.
    pub(super) fn place_after(&self, id: &EventId) -> Result<Cursor, ResetReason> {
        self.shared.lock().log.after(id)
    }

    /// Starts the stream at `cursor`.
    pub(super) fn start_at(&mut self, cursor: Cursor, opening: Opening) {
        self.cursor = cursor;
        self.opening = Some(Box::new(opening));
    }

    /// Whether the client has seen events that the channel still does not have. Once the channel
    /// has them, the stream starts after them.
    fn is_ahead(&mut self) -> bool {
        let Some(opening) = self.opening.as_deref_mut().filter(|opening| opening.is_ahead) else {
            return false;
        };
        let mut state = self.shared.lock();
        let requested = opening.requested.id();
        let after = requested.map_or(Err(ResetReason::Unknown), |id| match &self.topics {
            Some(topics) => state.log.after_in_view(id, &topics.view),
            None => state.log.after(id),
        });
        let waits = requested.is_some_and(|id| state.log.can_reach(id));
        self.cursor = state.log.cursor(StartAt::Now);
        opening.changes = self.shared.tip.changes();
        match after {
            Err(ResetReason::Ahead) if waits => return true,
            Ok(cursor) => {
                self.cursor = cursor;
                self.opening = None;
            }
            Err(reason) => {
                state.stats.get_or_insert_default().count_reset(reason);
                opening.at = state.log.id_before(self.cursor);
                (opening.is_ahead, opening.reset) = (false, Some(reason));
            }
        }
        false
    }

    fn is_backfilling(&self) -> bool {
        self.opening.as_deref().is_some_and(|opening| opening.backfill.is_some())
    }

    /// The next events of the backfill. None, if there is no backfill, or none any more: then the
    /// stream goes on with the log, or with a reset.
    fn poll_backfill(&mut self, cx: &mut Context<'_>) -> Poll<Option<Read>> {
        if !self.is_backfilling() || self.joins_log() {
            return Poll::Ready(None);
        }
        let opening = self.opening.as_deref_mut();
        let Some(backfill) = opening.and_then(|opening| opening.backfill.as_mut()) else {
            return Poll::Ready(None);
        };
        match ready!(backfill.pages.poll_page(cx)) {
            BackfillPage::Events(frame, last) => {
                backfill.after = last;
                Poll::Ready(Some(Read::Events(frame)))
            }
            BackfillPage::Missing(reason) => {
                self.reset_backfill(reason);
                Poll::Ready(None)
            }
            BackfillPage::Failed => Poll::Ready(Some(Read::Lagged)),
        }
    }

    /// Whether the backfill has reached the log, which then goes on with it. If the backfill is
    /// ahead of the log, the subscriber waits for the log. What the caller supplied is dropped
    /// without the lock.
    fn joins_log(&mut self) -> bool {
        let state = self.shared.lock();
        let Some(opening) = self.opening.as_deref_mut() else { return true };
        let Some(backfill) = &opening.backfill else { return true };
        match state.log.after(&backfill.after) {
            Ok(cursor) => {
                self.cursor = cursor;
                let done = self.opening.take();
                drop(state);
                drop(done);
            }
            Err(ResetReason::Ahead) if state.log.can_reach(&backfill.after) => {
                opening.requested = LastEventId::Id(backfill.after.clone());
                opening.is_ahead = true;
                let done = opening.backfill.take();
                drop(state);
                drop(done);
            }
            Err(_) => return false,
        }
        true
    }

    fn reset_backfill(&mut self, reason: ResetReason) {
        let mut state = self.shared.lock();
        let Some(opening) = self.opening.as_deref_mut() else { return };
        state.stats.get_or_insert_default().count_reset(reason);
        self.cursor = state.log.cursor(self.shared.settings().start);
        opening.at = state.log.id_before(self.cursor);
        opening.reset = Some(reason);
        let done = opening.backfill.take();
        drop(state);
        // It is the caller's code that is dropped.
        drop(done);
    }

    /// What is read before the log: the frames of the opening, or nothing yet. None, if that is done.
    fn read_opening(&mut self) -> Option<Read> {
        self.opening.as_ref()?;
        if self.is_backfilling() || self.is_ahead() {
            return Some(Read::Wait);
        }
        if self.is_reset_without_notice() {
            self.terms.has_lagged = true;
            return Some(Read::Lagged);
        }
        let frames = self.opening_frames();
        (!frames.is_empty()).then(|| Read::Events(Frame::concat(&frames)))
    }

    fn opening_frames(&mut self) -> Vec<Frame> {
        let Some(opening) = self.opening.take() else { return Vec::new() };
        if self.terms.has_notices {
            return opening.into_frames(self.shared.settings());
        }
        opening.snapshot.unwrap_or_default()
    }

    fn reader(&mut self) -> Reader<'_> {
        let Self { shared, cursor, place, terms, .. } = self;
        Reader { shared, cursor, place, terms }
    }

    /// Whether nothing is new and the waker is registered.
    fn is_registered(&self, cx: &Context<'_>) -> bool {
        !self.shared.tip.has_news(self.cursor) && self.place.is_registered(&self.shared, cx.waker())
    }

    /// Whether the client must be reset while its stream is open, which only an event could report.
    fn is_reset_without_notice(&self) -> bool {
        let is_reset = self.opening.as_deref().is_some_and(|opening| opening.reset.is_some());
        is_reset && !self.terms.has_notices
    }

    /// Gives the subscriber another filter, while its stream is open. A subscriber of all events gets
    /// only those that match from now on.
    ///
    /// A topic that it had before, it reads on. A topic that is new applies from now on, or after the
    /// lower bound that [`TopicFilter::with_after`] gives. The next frame is a position event, by
    /// which the client resumes after the change.
    pub fn set_filter(&mut self, filter: &TopicFilter) {
        let mut state = self.shared.lock();
        let topics = self.topics.get_or_insert_with(|| TopicReader::new(&mut state, View::all()));
        topics.set_filter(&mut self.cursor, &mut state, filter);
    }

    /// A handle that sets the filter while the stream is open elsewhere.
    pub fn filter_handle(&mut self) -> FilterHandle {
        let shared = &self.shared;
        let new = || TopicReader::new(&mut shared.lock(), View::all());
        self.topics.get_or_insert_with(new).handle()
    }

    /// Reads for a reader of a part of the channel. With a waker, registers it if nothing is left to
    /// read then.
    fn read_topics(&mut self, waker: Option<&Waker>) -> Read {
        self.apply_filter(waker);
        let waker = waker.cloned();
        let Some(topics) = self.topics.as_deref_mut() else { return Read::Wait };
        let (shared, settings) = (&self.shared, self.shared.settings());
        let mut state = shared.lock();
        let read = topics.read(&mut self.cursor, &mut state, &mut self.terms, settings);
        let is_plain = topics.is_plain(settings);
        let unneeded = match waker.filter(|_| !is_plain && read == Read::Wait) {
            Some(waker) => topics.wait(self.cursor, &mut state, waker).unwrap_or_else(Some),
            None => None,
        };
        let left = self.topics.take_if(|_| is_plain).map(|topics| topics.leave(&mut state));
        drop(state);
        drop((unneeded, left));
        read
    }

    fn poll_wake_topics(&mut self, waker: &Waker) -> Poll<()> {
        self.apply_filter(Some(waker));
        let waker = waker.clone();
        let Some(topics) = self.topics.as_deref_mut() else { return Poll::Ready(()) };
        let mut state = self.shared.lock();
        let waits = topics.wait(self.cursor, &mut state, waker);
        drop(state);
        if waits.is_ok() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Sets the filters that a handle has left, and registers the waker for the next.
    fn apply_filter(&mut self, waker: Option<&Waker>) {
        loop {
            let next = self.topics.as_deref().and_then(TopicReader::take_filter);
            next.iter().for_each(|filter| self.set_filter(filter));
            let waits =
                |topics: &TopicReader| waker.is_none_or(|waker| topics.wait_for_filter(waker));
            if next.is_none() && self.topics.as_deref().is_none_or(waits) {
                return;
            }
        }
    }

    /// Leaves the channel, once.
    fn leave(&mut self) {
        if let Some(topics) = self.topics.take() {
            let waker = topics.leave(&mut self.shared.lock());
            drop(waker);
        }
        if self.place.leave(&self.shared) {
            self.shared.remove_subscriber();
        }
    }
}

impl Source for Subscriber {
    fn poll_next(&mut self, _: Instant, cx: &mut Context<'_>) -> Next {
        match self.poll_read(cx) {
            Poll::Pending | Poll::Ready(Read::Wait) => Next::Wait(None),
            Poll::Ready(Read::Events(frame)) => Next::Send(frame),
            Poll::Ready(Read::Lagged | Read::Hole) => Next::Lagged,
            Poll::Ready(Read::Over(Ending::Finished)) => Next::Stop,
            Poll::Ready(Read::Over(Ending::Aborted)) => Next::Abort,
        }
    }

    fn keep_alive(&mut self) -> Option<Frame> {
        let topics = self.topics.as_deref_mut().filter(|_| self.terms.has_notices)?;
        if self.opening.is_some() {
            None
        } else {
            topics.keep_alive(&mut self.cursor, &self.shared)
        }
    }

    fn terminate(&mut self, _: EndReason) {
        self.leave();
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.leave();
    }
}
