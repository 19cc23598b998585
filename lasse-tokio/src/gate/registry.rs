//! The streams of a gate that can be listed, and ended one by one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lasse_core::{EndReason, Instant};

use super::Gate;
use super::end_switch::EndSwitch;
use crate::clock::now;

/// An open stream with tags, as [`Gate::streams`] lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamInfo {
    /// The number of the stream: of two streams of one gate, the newer one has the larger number.
    pub id: u64,
    /// Its tags.
    pub tags: Arc<[String]>,
    /// When it was opened, by the clock of [`now`](crate::now()).
    pub opened_at: Instant,
}

impl StreamInfo {
    /// Whether it has this tag.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }
}

impl Gate {
    /// The open streams that have [tags](crate::GateConfig::with_tags), the oldest first. Endpoints
    /// and servers with gates of their own list them separately.
    #[doc(alias("presence", "connections"))]
    pub fn streams(&self) -> Vec<StreamInfo> {
        self.0.registry.entries().iter().map(|entry| entry.info.clone()).collect()
    }

    /// Ends the streams with [tags](crate::GateConfig::with_tags) for which `should_end` returns
    /// true, and returns how many these are. Each ends at once as [`EndReason::Revoked`]: its client
    /// receives the queued events, and an event named `revoked`, and returns after the
    /// [client's retry](crate::GateConfig::with_client_retry).
    ///
    /// To sign a user out: first invalidate the session, then call this. And check the session in
    /// `init`, which runs when the stream is listed here already. Then no request that was on its way
    /// gets a stream that stays.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_tokio::{Gate, GateConfig};
    ///
    /// let config = GateConfig::new().with_tags(|request| {
    ///     let user = request.headers().get("x-user").and_then(|user| user.to_str().ok());
    ///     user.map(|user| format!("user:{user}"))
    /// });
    /// let gate = Gate::new(config);
    /// assert_eq!(gate.end_where(|stream| stream.has_tag("user:ada")), 0);
    /// ```
    #[doc(alias("kick", "revoke", "disconnect"))]
    pub fn end_where(&self, mut should_end: impl FnMut(&StreamInfo) -> bool) -> usize {
        let mut entries = self.0.registry.entries();
        entries.retain(|entry| should_end(&entry.info));
        let retry = || self.0.config.draw_client_retry();
        entries.retain(|entry| entry.end.end(EndReason::Revoked, retry()));
        entries.len()
    }

    /// Ends the streams with [tags](crate::GateConfig::with_tags) for which `should_end` returns
    /// true, and returns how many these are. Each ends as [`EndReason::Shutdown`]: its client
    /// reconnects after the [retry](crate::GateConfig::with_retry), and is checked again.
    ///
    /// Use it if it is not known whether these streams were revoked.
    pub fn reconnect_where(&self, mut should_end: impl FnMut(&StreamInfo) -> bool) -> usize {
        let mut entries = self.0.registry.entries();
        entries.retain(|entry| should_end(&entry.info));
        let retry = || self.0.config.retry();
        entries.retain(|entry| entry.end.end(EndReason::Shutdown, retry()));
        entries.len()
    }
}

/// The streams with tags.
#[derive(Debug, Default)]
pub(super) struct Registry {
    by_id: Mutex<BTreeMap<u64, Arc<Entry>>>,
    next_id: AtomicU64,
}

impl Registry {
    /// A stream that opens now.
    pub(super) fn entry(&self, tags: Vec<String>) -> Arc<Entry> {
        // Relaxed: only the numbers must differ.
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let info = StreamInfo { id, tags: tags.into(), opened_at: now() };
        Arc::new(Entry { info, end: EndSwitch::default() })
    }

    pub(super) fn insert(&self, entry: &Arc<Entry>) {
        if !entry.info.tags.is_empty() {
            self.lock().insert(entry.info.id, entry.clone());
        }
    }

    pub(super) fn remove(&self, entry: &Entry) {
        if !entry.info.tags.is_empty() {
            let removed = self.lock().remove(&entry.info.id);
            drop(removed);
        }
    }

    fn entries(&self) -> Vec<Arc<Entry>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Entry>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that can be ended by itself.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) info: StreamInfo,
    pub(super) end: EndSwitch,
}
