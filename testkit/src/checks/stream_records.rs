//! How the streams of a server ended, by the tags of their requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lasse_core::EndReason;

/// How each stream of a server ended. A clone shares the records.
#[derive(Clone, Debug, Default)]
pub struct StreamRecords(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    entries: Mutex<BTreeMap<String, Entry>>,
    changed: Condvar,
}

/// The streams of one tag.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) made: usize,
    pub(super) unsent: usize,
    pub(super) reasons: Vec<EndReason>,
}

impl StreamRecords {
    /// No records.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn note(&self, tag: &str, note: impl FnOnce(&mut Entry)) {
        note(self.entries().entry(tag.to_owned()).or_default());
        self.0.changed.notify_all();
    }

    /// The entry of `tag` as soon as its streams have ended, or after the time.
    pub(super) fn await_end(&self, tag: &str, within: Duration) -> Entry {
        let is_running = |entries: &mut BTreeMap<String, Entry>| {
            entries.get(tag).is_none_or(|entry| entry.reasons.len() < entry.made)
        };
        let waited = self.0.changed.wait_timeout_while(self.entries(), within, is_running);
        let (entries, _) = waited.unwrap_or_else(PoisonError::into_inner);
        entries.get(tag).cloned().unwrap_or_default()
    }

    /// The tags of handlers that have not terminated once each within the time.
    pub(super) fn unsettled(&self, within: Duration) -> Vec<String> {
        let tags: Vec<_> = self.entries().keys().cloned().collect();
        let is_settled = |tag: &String| {
            let entry = self.await_end(tag, within);
            entry.reasons.len() == entry.made
        };
        tags.into_iter().filter(|tag| !is_settled(tag)).collect()
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_that_terminates_twice_or_never_is_reported() {
        let records = StreamRecords::new();
        for (tag, terminations) in [("never", 0), ("once", 1), ("twice", 2)] {
            records.note(tag, |entry| entry.made = 1);
            let reasons = vec![EndReason::Stopped; terminations];
            records.note(tag, |entry| entry.reasons = reasons);
        }
        assert_eq!(records.unsettled(Duration::ZERO), ["never", "twice"]);
    }
}
