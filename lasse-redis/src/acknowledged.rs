//! The last ids that Redis has acknowledged to this node, for channels by key that it publishes to
//! without reading them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::stream_id::StreamId;

/// The last acknowledged id of each of the keys that were published to last, so that a loss is
/// noticed with the next event.
///
/// When the newer map is full, it replaces the older one.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged(Mutex<Maps>);

#[derive(Debug, Default)]
struct Maps {
    newer: HashMap<Box<str>, StreamId>,
    older: HashMap<Box<str>, StreamId>,
}

impl Acknowledged {
    pub(crate) fn record(&self, key: &str, id: StreamId) {
        let mut maps = self.lock();
        if let Some(last) = maps.newer.get_mut(key) {
            *last = id.max(*last);
            return;
        }
        let id = maps.older.get(key).map_or(id, |last| id.max(*last));
        if maps.newer.len() >= MOST_KEYS {
            maps.older = std::mem::take(&mut maps.newer);
        }
        maps.newer.insert(key.into(), id);
    }

    pub(crate) fn last(&self, key: &str) -> Option<StreamId> {
        let maps = self.lock();
        maps.newer.get(key).or_else(|| maps.older.get(key)).copied()
    }

    fn lock(&self) -> MutexGuard<'_, Maps> {
        // Poison is ignored, because no panic can leave a change half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many keys a map has.
const MOST_KEYS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_id_of_the_last_keys_is_kept() {
        let acknowledged = Acknowledged::default();
        for number in [2, 3, 1] {
            acknowledged.record("a", StreamId::new(5, number));
        }
        assert_eq!(acknowledged.last("a"), Some(StreamId::new(5, 3)));
        (0..MOST_KEYS).for_each(|n| acknowledged.record(&n.to_string(), StreamId::new(5, 1)));
        acknowledged.record("a", StreamId::new(5, 2));
        assert_eq!(acknowledged.last("a"), Some(StreamId::new(5, 3)));
        (0..=2 * MOST_KEYS).for_each(|n| acknowledged.record(&n.to_string(), StreamId::new(5, 1)));
        assert_eq!(acknowledged.last("a"), None);
    }
}
