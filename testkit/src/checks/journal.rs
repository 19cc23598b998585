//! What the puppets of a server did, by the tags of the requests they were made for.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lasse_core::EndReason;

/// What became of each stream of a server. A clone is the same journal.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    entries: Mutex<BTreeMap<String, Entry>>,
    changed: Condvar,
}

/// What is known of the streams of one tag.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) made: usize,
    pub(super) unsent: usize,
    pub(super) reasons: Vec<EndReason>,
}

impl Journal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn note(&self, tag: &str, note: impl FnOnce(&mut Entry)) {
        note(self.entries().entry(tag.to_owned()).or_default());
        self.0.changed.notify_all();
    }

    /// What there is about `tag` as soon as its streams have ended, or at the
    /// latest after a time.
    pub(super) fn await_end(&self, tag: &str, within: Duration) -> Entry {
        let is_running = |entries: &mut BTreeMap<String, Entry>| {
            entries.get(tag).is_none_or(|entry| entry.reasons.len() < entry.made)
        };
        let waited = self.0.changed.wait_timeout_while(self.entries(), within, is_running);
        let (entries, _) = waited.unwrap_or_else(PoisonError::into_inner);
        entries.get(tag).cloned().unwrap_or_default()
    }

    /// The tags of handlers that did not each terminate once, after a time in
    /// which they may.
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
    fn to_terminate_twice_or_never_is_told() {
        let journal = Journal::new();
        for (tag, terminations) in [("never", 0), ("once", 1), ("twice", 2)] {
            journal.note(tag, |entry| entry.made = 1);
            let reasons = vec![EndReason::Stopped; terminations];
            journal.note(tag, |entry| entry.reasons = reasons);
        }
        assert_eq!(journal.unsettled(Duration::ZERO), ["never", "twice"]);
    }
}
