//! What few subscribers have, in one box, so that the others take less memory.

use std::boxed::Box;

use super::opening::Opening;
use super::topic_reader::TopicReader;

/// What few subscribers have: the opening of a stream that has just begun, and what a reader of a
/// part of the channel needs.
#[derive(Debug, Default)]
pub(super) struct Rare(Option<Box<Parts>>);

#[derive(Debug, Default)]
struct Parts {
    opening: Option<Box<Opening>>,
    topics: Option<TopicReader>,
}

impl Rare {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn opening(&self) -> Option<&Opening> {
        self.0.as_deref()?.opening.as_deref()
    }

    pub(super) fn opening_mut(&mut self) -> Option<&mut Opening> {
        self.0.as_deref_mut()?.opening.as_deref_mut()
    }

    pub(super) fn set_opening(&mut self, opening: Opening) {
        self.0.get_or_insert_default().opening = Some(Box::new(opening));
    }

    pub(super) fn take_opening(&mut self) -> Option<Opening> {
        let opening = self.0.as_deref_mut()?.opening.take();
        self.shrink();
        opening.map(|opening| *opening)
    }

    pub(super) fn topics(&self) -> Option<&TopicReader> {
        self.0.as_deref()?.topics.as_ref()
    }

    pub(super) fn topics_mut(&mut self) -> Option<&mut TopicReader> {
        self.0.as_deref_mut()?.topics.as_mut()
    }

    pub(super) fn set_topics(&mut self, topics: TopicReader) {
        self.0.get_or_insert_default().topics = Some(topics);
    }

    /// The reader of a part, which `new` makes if there is none.
    pub(super) fn topics_or(&mut self, new: impl FnOnce() -> TopicReader) -> &mut TopicReader {
        self.0.get_or_insert_default().topics.get_or_insert_with(new)
    }

    pub(super) fn take_topics(&mut self) -> Option<TopicReader> {
        let topics = self.0.as_deref_mut()?.topics.take();
        self.shrink();
        topics
    }

    /// Frees the box, if there is nothing in it.
    fn shrink(&mut self) {
        self.0.take_if(|parts| parts.opening.is_none() && parts.topics.is_none());
    }
}
