//! The streams of a gate that can be listed, and ended one by one.

use std::collections::BTreeMap;
use std::mem::replace;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lasse_core::{EndReason, Instant};

use super::{Gate, Signal};
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
        entries.retain(|entry| entry.end(EndReason::Revoked, retry()));
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
        Arc::new(Entry { info, state: Mutex::new(State::Open(None)) })
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
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// The waker is that of the stream's task.
    Open(Option<Waker>),
    /// The stream must end.
    Ending(EndReason, Duration),
    /// The stream was given its end.
    Ended,
}

impl Entry {
    /// Ends the stream, unless that was done before.
    pub(super) fn end(&self, reason: EndReason, retry: Duration) -> bool {
        let mut state = self.lock();
        let State::Open(waker) = &mut *state else { return false };
        let waker = waker.take();
        *state = State::Ending(reason, retry);
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        true
    }

    /// Ready once, when the stream must end. Until then, registers the waker of `cx`.
    pub(super) fn poll_end(&self, cx: &Context<'_>) -> Poll<Signal> {
        // Cloned and dropped without the lock, because it is the runtime's code that runs.
        let waker = cx.waker().clone();
        let mut state = self.lock();
        match &mut *state {
            State::Open(registered) => {
                let old = registered.replace(waker);
                drop(state);
                drop(old);
                Poll::Pending
            }
            State::Ending(..) => match replace(&mut *state, State::Ended) {
                State::Ending(reason, retry) => Poll::Ready(Signal::End { reason, retry }),
                State::Open(_) | State::Ended => Poll::Pending,
            },
            State::Ended => Poll::Pending,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
