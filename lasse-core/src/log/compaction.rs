//! Keys: the topics of which the newest event is kept, and how many.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::mem::size_of;

use super::AppendError;
use crate::topic::TopicFilter;

/// Which topics of a log are keys: the log keeps the newest event of each, whatever else its
/// [`Retention`](crate::Retention) drops.
///
/// A newer event of a key supersedes the older ones. So a reader can start with [the state of all
/// keys](crate::StartAt::LatestPerKey), or skip the events that were superseded while it was slow
/// or away. A key is deleted by a [tombstone](crate::log::Log::append_tombstone).
///
/// The keys are bounded in number and in bytes. At a bound, the log refuses the event with
/// [`AppendError::TooManyKeys`](crate::AppendError::TooManyKeys) or
/// [`AppendError::KeysTooLarge`](crate::AppendError::KeysTooLarge).
///
/// # Examples
///
/// ```
/// use lasse_core::log::{Log, Read, View};
/// use lasse_core::{Compaction, Epoch, Event, Retention, StartAt, Topic, TopicPattern};
///
/// let prices = Compaction::new(TopicPattern::from_static("price.*")).with_max_keys(5_000);
/// let mut log = Log::new(Epoch::new("k")?, Retention::new().with_events(1)).with_compaction(prices);
/// for (topic, price) in [("price.tea", "3"), ("price.cake", "4"), ("price.tea", "5")] {
///     log.append_to(&Topic::new(topic)?, &Event::new(price))?;
/// }
/// let mut view = View::all();
/// let mut cursor = log.start_view(StartAt::LatestPerKey, &mut view);
/// let Read::Events(state) = log.read_view(&mut cursor, &mut view, 16 * 1024) else { panic!() };
/// assert_eq!(state.as_bytes(), b"data: 4\nid: k-2\n\ndata: 5\nid: k-3\n\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "conflation")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compaction {
    keys: TopicFilter,
    max_keys: usize,
    max_bytes: usize,
}

impl Compaction {
    /// The topics that match `keys` are keys: at most 10,000, with newest events of at most 4 MiB
    /// together. The lower bounds of the filter do not matter.
    pub fn new(keys: impl Into<TopicFilter>) -> Self {
        Self { keys: keys.into(), max_keys: 10_000, max_bytes: 4 << 20 }
    }

    /// Sets how many keys there can be.
    #[must_use]
    pub fn with_max_keys(self, keys: usize) -> Self {
        Self { max_keys: keys, ..self }
    }

    /// Sets how many bytes the newest events of all keys can have together, as encoded.
    #[must_use]
    pub fn with_max_bytes(self, bytes: usize) -> Self {
        Self { max_bytes: bytes, ..self }
    }

    pub(super) fn keys(&self) -> &TopicFilter {
        &self.keys
    }
}

/// How many keys there are, and how many bytes their newest events have together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyTotals {
    count: usize,
    bytes: usize,
}

impl KeyTotals {
    /// The totals when the newest event of a key has `len` bytes in place of `before`. Zero is for
    /// none.
    pub(super) fn replace(self, before: usize, len: usize) -> Self {
        let count = self.count + usize::from(len > 0) - usize::from(before > 0);
        Self { count, bytes: (self.bytes - before).saturating_add(len) }
    }

    /// The same totals, if they keep to the limits.
    pub(super) fn within(self, limits: &Compaction) -> Result<Self, AppendError> {
        if self.count > limits.max_keys {
            return Err(AppendError::TooManyKeys { max: limits.max_keys });
        }
        if self.bytes > limits.max_bytes {
            return Err(AppendError::KeysTooLarge { max: limits.max_bytes });
        }
        Ok(self)
    }
}

/// The keys of a log.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) config: Compaction,
    pub(super) totals: KeyTotals,
    /// The newest events that retention has dropped, by position.
    kept: BTreeMap<u64, Kept>,
    /// How many bytes they have.
    kept_bytes: usize,
}

#[derive(Debug)]
pub(super) struct Kept {
    pub(super) topic: u32,
    pub(super) bytes: Box<[u8]>,
}

impl Keys {
    pub(super) fn new(config: Compaction) -> Self {
        Self { config, totals: KeyTotals::default(), kept: BTreeMap::new(), kept_bytes: 0 }
    }

    pub(super) fn keep(&mut self, position: u64, topic: u32, bytes: Box<[u8]>) {
        self.kept_bytes += bytes.len();
        self.kept.insert(position, Kept { topic, bytes });
    }

    pub(super) fn drop_kept(&mut self, position: u64) {
        self.kept_bytes -= self.kept.remove(&position).map_or(0, |kept| kept.bytes.len());
    }

    pub(super) fn kept(&self, position: u64) -> Option<&Kept> {
        self.kept.get(&position)
    }

    /// The kept events from a position on.
    pub(super) fn kept_from(&self, position: u64) -> impl Iterator<Item = (u64, &Kept)> {
        self.kept.range(position..).map(|(position, kept)| (*position, kept))
    }

    /// How many bytes it takes, about.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.kept_bytes + self.kept.len() * BYTES_EACH
    }
}

/// An entry of 32 bytes in a node that is filled to two thirds, and the overhead of its
/// allocation.
const BYTES_EACH: usize = 64;
