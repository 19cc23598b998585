//! A subscriber with a filter: it reads some topics, and its filter can change.

use std::task::{Poll, Waker};

use super::Subscriber;
use crate::channel::filter_handle::FilterHandle;
use crate::channel::topic_reader::TopicReader;
use crate::log::{Cursor, Read, StartAt, View};
use crate::topic::TopicFilter;

impl Subscriber {
    /// Gives the subscriber another filter, while its stream is open. A subscriber of all events gets
    /// only matching events from now on.
    ///
    /// A topic that it had before, it reads on. A topic that is new applies from now on, or after the
    /// lower bound that [`TopicFilter::with_after`] gives. The next frame is a position event, by
    /// which the client resumes after the change.
    ///
    /// While the stream is sent a [backfill](crate::channel::Backfill), the filter waits for the end of that.
    pub fn set_filter(&mut self, filter: &TopicFilter) {
        if self.is_backfilling() {
            self.filter_handle().set_filter(filter.clone());
        } else {
            self.set_filter_from(filter, None);
        }
    }

    /// The same, but new topics apply from a place on, or else from now on.
    fn set_filter_from(&mut self, filter: &TopicFilter, from: Option<Cursor>) {
        let mut state = self.shared.lock();
        let from = from.unwrap_or_else(|| state.log.cursor(StartAt::Now));
        let topics = self.rare.topics_or(|| TopicReader::new(&mut state, View::all()));
        topics.set_filter(&mut self.cursor, &mut state, filter, from);
    }

    /// A handle that sets the filter while the stream is open elsewhere.
    pub fn filter_handle(&mut self) -> FilterHandle {
        let shared = &self.shared;
        let new = || TopicReader::new(&mut shared.lock(), View::all());
        self.rare.topics_or(new).handle(shared)
    }

    /// Reads for a reader of a part of the channel. With a waker, registers it if nothing is left to
    /// read then.
    pub(super) fn read_topics(&mut self, waker: Option<&Waker>) -> Read {
        self.apply_filter(waker);
        let waker = waker.cloned();
        let Some(topics) = self.rare.topics_mut() else { return Read::Wait };
        let (shared, settings) = (&self.shared, self.shared.settings());
        let mut state = shared.lock();
        let read = topics.read(&mut self.cursor, &mut state, &mut self.terms, settings);
        let is_plain = topics.is_plain(settings);
        let unneeded = match waker.filter(|_| !is_plain && read == Read::Wait) {
            Some(waker) => topics.wait(self.cursor, &mut state, waker).unwrap_or_else(Some),
            None => None,
        };
        let left = if is_plain { self.rare.take_topics() } else { None };
        let left = left.map(|topics| topics.leave(&mut state));
        drop(state);
        drop((unneeded, left));
        read
    }

    pub(super) fn poll_wake_topics(&mut self, waker: &Waker) -> Poll<()> {
        self.apply_filter(Some(waker));
        let waker = waker.clone();
        let Some(topics) = self.rare.topics_mut() else { return Poll::Ready(()) };
        let mut state = self.shared.lock();
        let waits = topics.wait(self.cursor, &mut state, waker);
        drop(state);
        if waits.is_ok() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Sets the filters that a handle has left, and registers the waker for the next.
    fn apply_filter(&mut self, waker: Option<&Waker>) {
        loop {
            let next = self.rare.topics().and_then(TopicReader::take_filter);
            if let Some((filter, from)) = &next {
                self.set_filter_from(filter, Some(*from));
            }
            let waits =
                |topics: &TopicReader| waker.is_none_or(|waker| topics.wait_for_filter(waker));
            if next.is_none() && self.rare.topics().is_none_or(waits) {
                return;
            }
        }
    }
}
