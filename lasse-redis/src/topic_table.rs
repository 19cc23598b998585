//! The topics of a stream, and the last event of each, for clients whose next events Redis has
//! trimmed.

use std::collections::BTreeMap;

use lasse_core::{Topic, TopicFilter};
use redis::Value;

use crate::reply;
use crate::stream_id::StreamId;

/// The last id of each topic of a stream, as far as Redis knows it.
///
/// Redis keeps two hashes of at most [`MOST_TOPICS`] topics. When the newer one is full, it replaces
/// the older one. What only the one had that is dropped is not known any more.
#[derive(Debug, Default)]
pub(crate) struct TopicTable {
    /// The newest entry of the stream when this was read.
    covered: StreamId,
    /// The topics of all events after this one are known.
    since: StreamId,
    /// After the newest place where events are missing.
    hole: StreamId,
    /// The newest epoch, and the last entry of each epoch before it.
    epoch: u64,
    ends: Vec<StreamId>,
    last: BTreeMap<String, StreamId>,
}

impl TopicTable {
    /// Reads the reply of [`scripts::TOPICS`](crate::scripts::TOPICS). None, if nothing is known.
    pub(crate) fn read(reply: &Value) -> Option<Self> {
        let Value::Array(parts) = reply else { return None };
        let [covered, epoch, ends, hole, older, newer] = parts.as_slice() else { return None };
        let ends = reply::text(ends)?.split(' ').filter_map(StreamId::parse).collect();
        let (older, newer) = (topics(older)?, topics(newer)?);
        let since = newer.get(SINCE)?;
        // The older hash goes before the newer one.
        let since = older.get(SINCE).unwrap_or(since).min(since);
        let mut table = Self {
            covered: reply::id(covered)?,
            since: *since,
            hole: reply::id(hole).unwrap_or_default(),
            epoch: reply::text(epoch)?.parse().ok()?,
            ends,
            last: older,
        };
        for (topic, id) in newer {
            let last = table.last.entry(topic).or_default();
            *last = id.max(*last);
        }
        Some(table)
    }

    /// Whether the entry `id` was in the stream when this was read.
    pub(crate) fn covers(&self, id: StreamId) -> bool {
        id <= self.covered
    }

    /// The place after which a client of this filter that has the entry `id` can continue, because
    /// there was nothing for it before.
    pub(crate) fn quiet_until(&self, filter: &TopicFilter, id: StreamId) -> Option<StreamId> {
        let is_quiet = self.was_given(id)
            && id >= self.since
            && id >= self.hole
            && filter.bounds().all(|(pattern, bound)| {
                let bound = bound.and_then(|bound| StreamId::parse(bound.as_str()));
                self.last_of(pattern.as_str()) <= id.max(bound.unwrap_or_default())
            });
        is_quiet.then_some(self.covered)
    }

    /// Whether the id is one of this stream.
    fn was_given(&self, id: StreamId) -> bool {
        id <= self.covered
            && (id.epoch == self.epoch
                || self.ends.iter().any(|end| id.epoch == end.epoch && id.number <= end.number))
    }

    /// The last id of the topics that a pattern matches.
    fn last_of(&self, pattern: &str) -> StreamId {
        let Some(prefix) = pattern.strip_suffix(['*', '>']) else {
            return self.last.get(pattern).copied().unwrap_or_default();
        };
        let is_one_token = pattern.ends_with('*');
        let below = self.last.range(prefix.to_owned()..);
        let below = below.take_while(|(topic, _)| topic.starts_with(prefix));
        let matched = below.filter(|(topic, _)| {
            let rest = topic.get(prefix.len()..).unwrap_or_default();
            !rest.is_empty() && (!is_one_token || !rest.contains('.'))
        });
        matched.map(|(_, id)| *id).max().unwrap_or_default()
    }
}

/// The filter with its lower bounds as `place` gives them: it takes those that have the form of a
/// stream's id, and returns 0-0 for one that does not matter.
pub(crate) fn with_bounds(
    filter: &TopicFilter,
    place: impl Fn(StreamId) -> StreamId,
) -> TopicFilter {
    let mut placed = filter.clone();
    for (pattern, bound) in filter.bounds() {
        let Some(bound) = bound.and_then(|bound| StreamId::parse(bound.as_str())) else { continue };
        let at = place(bound);
        let changed = match at.to_event_id() {
            _ if at == bound => continue,
            Ok(id) if at != StreamId::default() => placed.clone().with_after(pattern.clone(), id),
            _ => placed.clone().with(pattern.clone()),
        };
        // It replaces a pattern, so there are not too many.
        placed = changed.unwrap_or(placed);
    }
    placed
}

/// Whether an event is for a client of this filter. A lower bound of another form applies from the
/// moment of the subscription, after all that is read here.
pub(crate) fn is_wanted(filter: &TopicFilter, id: StreamId, topic: Option<&Topic>) -> bool {
    let Some(topic) = topic else { return false };
    let is_after = |bound: &str| StreamId::parse(bound).is_some_and(|bound| id > bound);
    filter.bounds().any(|(pattern, bound)| {
        pattern.matches(topic) && bound.is_none_or(|bound| is_after(bound.as_str()))
    })
}

/// The names and ids of a hash. None, if others wrote into it.
fn topics(value: &Value) -> Option<BTreeMap<String, StreamId>> {
    let Value::Array(pairs) = value else { return None };
    let pair = |pair: &[Value]| {
        let [name, id] = pair else { return None };
        Some((reply::text(name)?.to_owned(), reply::id(id)?))
    };
    pairs.chunks(2).map(pair).collect()
}

/// How many topics one of the two hashes has.
pub(crate) const MOST_TOPICS: usize = 10_000;

/// The name under which a hash has the id from which on it has all topics. No topic is empty.
const SINCE: &str = "";

#[cfg(test)]
mod tests {
    use lasse_core::{EventId, TopicPattern};

    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn hash(pairs: &[(&str, &str)]) -> Value {
        Value::Array(pairs.iter().flat_map(|(name, id)| [bulk(name), bulk(id)]).collect())
    }

    fn reply(older: &[(&str, &str)], newer: &[(&str, &str)]) -> Value {
        let ends = bulk(" 4-3 5-40");
        let parts = [bulk("8-90"), bulk("8"), ends, bulk("5-0"), hash(older), hash(newer)];
        Value::Array(parts.into())
    }

    fn table() -> TopicTable {
        let older = [("", "5-10"), ("room.tea", "5-20"), ("room.a.b", "8-30")];
        let newer = [("", "8-20"), ("room.cake", "8-50"), ("other", "8-90")];
        TopicTable::read(&reply(&older, &newer)).unwrap()
    }

    fn filter(pattern: &str) -> TopicFilter {
        TopicPattern::new(pattern.to_owned()).unwrap().into()
    }

    fn is_quiet(pattern: &str, id: (u64, u64)) -> bool {
        let until = table().quiet_until(&filter(pattern), StreamId::new(id.0, id.1));
        assert!(until.is_none_or(|until| until == StreamId::new(8, 90)));
        until.is_some()
    }

    #[test]
    fn a_client_goes_on_if_its_topics_had_no_event_since() {
        assert!(is_quiet("room.tea", (5, 20)) && !is_quiet("room.tea", (5, 19)));
        assert!(is_quiet("room.*", (8, 50)) && !is_quiet("room.*", (8, 49)));
        assert!(is_quiet("room.a.*", (8, 30)) && !is_quiet("room.a.>", (8, 29)));
        assert!(is_quiet(">", (8, 90)) && !is_quiet(">", (8, 89)));
        assert!(is_quiet("never", (5, 10)) && is_quiet("room.a", (5, 10)));
    }

    #[test]
    fn a_topic_that_is_not_known_is_not_quiet() {
        assert!(!is_quiet("never", (5, 9)), "before the hashes");
        assert!(!is_quiet("never", (4, 3)), "before a hole");
        assert!(!is_quiet("never", (5, 41)), "an id that was lost or never given");
        assert!(!is_quiet("never", (6, 1)), "an epoch of another stream");
        assert!(!is_quiet("never", (8, 91)), "an id that is not given yet");
        for reply in [
            Value::Nil,
            Value::Array(Vec::new()),
            reply(&[("", "5-10")], &[]),
            reply(&[], &[("", "soon")]),
            reply(&[("room", "x")], &[("", "8-1")]),
        ] {
            assert!(TopicTable::read(&reply).is_none(), "{reply:?}");
        }
    }

    #[test]
    fn a_lower_bound_is_no_loss() {
        let bound = EventId::new("8-60").unwrap();
        let joined = TopicFilter::default().with_after(Topic::from_static("room.cake"), bound);
        let joined = joined.unwrap();
        let cake = Topic::from_static("room.cake");
        assert!(table().quiet_until(&joined, StreamId::new(5, 10)).is_some());
        let wanted = |number| is_wanted(&joined, StreamId::new(8, number), Some(&cake));
        assert_eq!([60, 61].map(wanted), [false, true]);
        assert!(!is_wanted(&joined, StreamId::new(8, 61), None));
    }

    #[test]
    fn a_lower_bound_is_placed_again() {
        let cake = Topic::from_static("room.cake");
        let after = |id: &'static str| {
            let after = EventId::new(id).unwrap();
            TopicFilter::default().with_after(cake.clone(), after).unwrap()
        };
        assert_eq!(with_bounds(&after("8-60"), |bound| bound), after("8-60"));
        assert_eq!(with_bounds(&after("8-60"), |_| StreamId::new(9, 0)), after("9-0"));
        assert_eq!(with_bounds(&after("8-60"), |_| StreamId::default()), filter("room.cake"));
        let other = after("other");
        assert_eq!(with_bounds(&other, |_| StreamId::default()), other);
        assert!(!is_wanted(&other, StreamId::new(8, 61), Some(&cake)));
    }
}
