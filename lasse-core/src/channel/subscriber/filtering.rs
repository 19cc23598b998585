//! The filter of a subscriber, which can change while its stream is open.

use std::task::Waker;

use super::Subscriber;
use crate::channel::filter_handle::FilterHandle;
use crate::channel::topic_reader::TopicReader;
use crate::log::{Cursor, StartAt, View};
use crate::topic::TopicFilter;

impl Subscriber {
    /// Gives the subscriber another filter, while its stream is open. A subscriber of all events gets
    /// only matching events from now on.
    ///
    /// It continues to read the topics of both filters. A new topic applies from now on, or after
    /// the lower bound that [`TopicFilter::with_after`] gives. The next frame is a position event,
    /// by which the client resumes after the change.
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
        let topics = self.rare.topics_or(|| TopicReader::new(View::all()));
        topics.leave_lists(&self.shared, &self.place);
        let mut state = self.shared.lock();
        let from = from.unwrap_or_else(|| state.log.cursor(StartAt::Now));
        topics.set_filter(&mut self.cursor, &mut state, filter, from);
    }

    /// A handle that sets the filter while the stream is open elsewhere.
    pub fn filter_handle(&mut self) -> FilterHandle {
        self.rare.topics_or(|| TopicReader::new(View::all())).handle(&self.shared)
    }

    /// Sets the filters that a handle has left, and registers the waker for the next.
    pub(super) fn apply_filter(&mut self, waker: Option<&Waker>) {
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
