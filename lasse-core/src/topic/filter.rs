//! The topics that a reader wants.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use super::{Topic, TopicPattern, matches};
use crate::field::EventId;

/// The part of a log that a reader gets: the events whose topics match at least one of its patterns.
/// A clone shares them.
///
/// A pattern can have a lower bound: the id of an event after which it applies. A client can
/// reconnect with a last id that is older than its membership of a room. With the id at which the
/// client joined, a resume does not send earlier events of the room.
///
/// # Examples
///
/// ```
/// use lasse_core::{EventId, Topic, TopicFilter, TopicPattern};
///
/// let joined_at = EventId::new("k3x7Ah2z-1204")?;
/// let filter = TopicFilter::new([Topic::new("user.ada")?, Topic::new("notices")?])?
///     .with_after(Topic::new("room.tea")?, joined_at)?;
/// assert!(filter.matches(&Topic::new("room.tea")?));
/// assert!(!filter.matches(&Topic::new("room.cake")?));
///
/// let all_rooms = TopicFilter::from(TopicPattern::from_static("room.*"));
/// assert!(all_rooms.matches(&Topic::new("room.cake")?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TopicFilter(Arc<Vec<Wanted>>);

/// A pattern, and the event after which it applies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    pub(crate) pattern: TopicPattern,
    pub(crate) after: Option<EventId>,
}

impl TopicFilter {
    /// How many patterns a filter can have.
    pub const MAX_PATTERNS: usize = 256;

    /// A filter of these patterns. Without any, it matches no event.
    ///
    /// # Errors
    ///
    /// If there are more than [`MAX_PATTERNS`](Self::MAX_PATTERNS).
    pub fn new(
        patterns: impl IntoIterator<Item: Into<TopicPattern>>,
    ) -> Result<Self, TooManyTopics> {
        patterns.into_iter().try_fold(Self::default(), Self::with)
    }

    /// The same filter with one more pattern, without a lower bound. It replaces an equal one.
    ///
    /// # Errors
    ///
    /// If there are more than [`MAX_PATTERNS`](Self::MAX_PATTERNS).
    pub fn with(self, pattern: impl Into<TopicPattern>) -> Result<Self, TooManyTopics> {
        self.insert(Wanted { pattern: pattern.into(), after: None })
    }

    /// The same filter with one more pattern, which applies to events after `id`. It replaces an
    /// equal pattern.
    ///
    /// If two patterns match an event, the event is sent if it is after one of their bounds. A log
    /// that does not know the epoch of `id` applies the pattern from the moment when the reader
    /// subscribes, or adds it to its filter.
    ///
    /// # Errors
    ///
    /// If there are more than [`MAX_PATTERNS`](Self::MAX_PATTERNS).
    pub fn with_after(
        self,
        pattern: impl Into<TopicPattern>,
        id: EventId,
    ) -> Result<Self, TooManyTopics> {
        self.insert(Wanted { pattern: pattern.into(), after: Some(id) })
    }

    /// The same filter without this pattern, if it has it.
    #[must_use]
    pub fn without(mut self, pattern: impl Into<TopicPattern>) -> Self {
        let pattern = pattern.into();
        if let Ok(at) = self.find(&pattern) {
            Arc::make_mut(&mut self.0).remove(at);
        }
        self
    }

    /// Whether it matches `topic`, whatever the bounds are.
    pub fn matches(&self, topic: &Topic) -> bool {
        self.matches_text(topic.as_str())
    }

    /// The same, for the text of a topic.
    pub(crate) fn matches_text(&self, topic: &str) -> bool {
        self.0.iter().any(|wanted| matches(wanted.pattern.as_str(), topic))
    }

    /// Its patterns, in the order of their text.
    pub fn patterns(&self) -> impl ExactSizeIterator<Item = &TopicPattern> {
        self.0.iter().map(|wanted| &wanted.pattern)
    }

    /// Its patterns, each with its lower bound, in the order of their text.
    pub fn bounds(&self) -> impl ExactSizeIterator<Item = (&TopicPattern, Option<&EventId>)> {
        self.0.iter().map(|wanted| (&wanted.pattern, wanted.after.as_ref()))
    }

    /// How many patterns it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no pattern, and so matches no event.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn wanted(&self) -> &[Wanted] {
        &self.0
    }

    fn insert(mut self, wanted: Wanted) -> Result<Self, TooManyTopics> {
        let place = self.find(&wanted.pattern);
        if place.is_err() && self.len() >= Self::MAX_PATTERNS {
            return Err(TooManyTopics);
        }
        let all = Arc::make_mut(&mut self.0);
        match place {
            Ok(at) => all.splice(at..=at, [wanted]).for_each(drop),
            Err(at) => all.insert(at, wanted),
        }
        Ok(self)
    }

    fn find(&self, pattern: &TopicPattern) -> Result<usize, usize> {
        self.0.binary_search_by(|wanted| wanted.pattern.cmp(pattern))
    }
}

impl From<TopicPattern> for TopicFilter {
    fn from(pattern: TopicPattern) -> Self {
        Self(Arc::new(Vec::from([Wanted { pattern, after: None }])))
    }
}

impl From<Topic> for TopicFilter {
    fn from(topic: Topic) -> Self {
        TopicPattern::from(topic).into()
    }
}

/// A [`TopicFilter`] would have more than [`TopicFilter::MAX_PATTERNS`] patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyTopics;

impl fmt::Display for TooManyTopics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = TopicFilter::MAX_PATTERNS;
        write!(f, "a filter can have {most} patterns; a prefix such as `room.*` is one")
    }
}

impl Error for TooManyTopics {}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn topic(text: &str) -> Topic {
        text.parse().unwrap()
    }

    #[test]
    fn a_filter_has_each_pattern_once_and_at_most_so_many() {
        let topics = (0..256).map(|n| topic(&format!("room.{n}")));
        let full = TopicFilter::new(topics).unwrap();
        assert_eq!(full.clone().with(topic("room.7")).unwrap(), full);
        let refused = full.clone().with(topic("room.tea")).unwrap_err();
        let message = "a filter can have 256 patterns; a prefix such as `room.*` is one";
        assert_eq!(format!("{refused}"), message);
        assert_eq!(full.without(topic("room.7")).with(topic("room.tea")).unwrap().len(), 256);
    }

    #[test]
    fn a_pattern_that_is_added_again_gets_the_new_bound() {
        let filter = TopicFilter::from(topic("a")).with_after(topic("a"), 7.into()).unwrap();
        assert_eq!(filter.bounds().next(), Some((&topic("a").into(), Some(&7.into()))));
        let filter = filter.with(topic("a")).unwrap();
        assert_eq!((filter.len(), &filter.wanted()[0].after), (1, &None));
    }

    #[test]
    fn a_filter_without_patterns_matches_nothing() {
        assert!(!TopicFilter::default().matches(&topic("a")));
        assert!(TopicFilter::default().is_empty());
        let filter = TopicFilter::from(topic("a"));
        assert!(filter.matches(&topic("a")) && !filter.matches(&topic("b")));
        assert!(!filter.is_empty());
    }
}
