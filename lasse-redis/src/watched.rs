//! The streams of channels by key that have readers on this node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::stream::Stream;
use crate::stream_id::StreamId;

/// The streams of channels by key that have readers on this node, and the work of the
/// task that reads them.
#[derive(Debug)]
pub(crate) struct Watched {
    state: Mutex<State>,
    notify: Notify,
    /// How many streams there can be.
    most: usize,
    lifetime: Duration,
    #[cfg(feature = "metrics")]
    metrics: Mutex<lasse_tokio::ChannelMetrics>,
}

#[derive(Debug, Default)]
struct State {
    streams: HashMap<Arc<str>, Entry>,
    todo: Todo,
    /// Why the streams cannot be read now, if so.
    problem: Option<String>,
}

#[derive(Debug)]
struct Entry {
    stream: Arc<Stream>,
    /// How many decisions on clients are being made.
    uses: usize,
    /// Since when it has no readers.
    unused_since: Option<Instant>,
    /// When its lifetime in Redis began last.
    prolonged: Instant,
    /// Whether it is in the list of those that have changed.
    is_changed: bool,
}

/// What the task does next. Each list has a stream at most once.
#[derive(Debug, Default)]
pub(crate) struct Todo {
    /// Streams to subscribe to, and to load.
    pub(crate) added: Vec<Arc<Stream>>,
    /// Streams with entries that this node has not read.
    pub(crate) changed: Vec<Arc<Stream>>,
    /// Streams that are not watched any more.
    pub(crate) removed: Vec<Arc<Stream>>,
    /// Whether the connection has ended.
    pub(crate) is_disconnected: bool,
}

impl Todo {
    pub(crate) fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.changed.is_empty()
            && self.removed.is_empty()
            && !self.is_disconnected
    }
}

/// Keeps a stream watched while a client is decided on.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    watched: &'a Watched,
    stream: &'a Arc<Stream>,
}

impl Watched {
    pub(crate) fn new(most: usize, lifetime: Duration) -> Self {
        Self {
            state: Mutex::default(),
            notify: Notify::new(),
            most,
            lifetime,
            #[cfg(feature = "metrics")]
            metrics: Mutex::default(),
        }
    }

    /// Has a stream read from now on. None, if there are too many.
    pub(crate) fn enter<'a>(&'a self, stream: &'a Arc<Stream>) -> Option<Watch<'a>> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if let Some(entry) = state.streams.get_mut(stream.key()) {
            entry.uses += 1;
            entry.unused_since = None;
        } else {
            if state.streams.len() >= self.most {
                return None;
            }
            let entry = Entry {
                stream: Arc::clone(stream),
                uses: 1,
                unused_since: None,
                prolonged: Instant::now(),
                is_changed: false,
            };
            state.streams.insert(stream.key().into(), entry);
            state.todo.added.push(Arc::clone(stream));
            self.notify.notify_one();
            drop(guard);
            #[cfg(feature = "metrics")]
            if stream.is_first_watch() {
                self.lock_metrics().add(&stream.channel);
            }
        }
        Some(Watch { watched: self, stream })
    }

    /// Has a stream read again, if it is watched.
    pub(crate) fn read_again(&self, key: &str) {
        let mut guard = self.lock();
        let State { streams, todo, .. } = &mut *guard;
        if let Some(entry) = streams.get_mut(key).filter(|entry| !entry.is_changed) {
            entry.is_changed = true;
            todo.changed.push(Arc::clone(&entry.stream));
            self.notify.notify_one();
        }
    }

    /// Another node, or this one, has published the entry `id`.
    pub(crate) fn announce(&self, key: &str, id: StreamId) {
        let is_news = {
            let guard = self.lock();
            let stream = guard.streams.get(key).map(|entry| &entry.stream);
            stream.is_some_and(|stream| stream.follower().at() < id)
        };
        if is_news {
            self.read_again(key);
        }
    }

    pub(crate) fn set_disconnected(&self) {
        self.lock().todo.is_disconnected = true;
        self.notify.notify_one();
    }

    /// There is a new connection: all streams are subscribed to and read again.
    pub(crate) fn add_all(&self) {
        let mut guard = self.lock();
        let State { streams, todo, .. } = &mut *guard;
        streams.values_mut().for_each(|entry| entry.is_changed = false);
        let added = streams.values().map(|entry| Arc::clone(&entry.stream)).collect();
        *todo = Todo { added, ..Todo::default() };
        self.notify.notify_one();
    }

    /// Gives a stream up that Redis refused. The next client has it tried again.
    pub(crate) fn give_up(&self, stream: &Stream) {
        self.lock().streams.remove(stream.key());
        stream.unload();
    }

    /// Takes the next work.
    pub(crate) fn take(&self) -> Todo {
        let mut guard = self.lock();
        let State { streams, todo, .. } = &mut *guard;
        for stream in &todo.changed {
            if let Some(entry) = streams.get_mut(stream.key()) {
                entry.is_changed = false;
            }
        }
        std::mem::take(todo)
    }

    /// Waits until there is something to do.
    pub(crate) async fn notified(&self) {
        self.notify.notified().await;
    }

    pub(crate) fn set_problem(&self, problem: Option<String>) {
        self.lock().problem = problem;
    }

    pub(crate) fn problem(&self) -> Option<String> {
        self.lock().problem.clone()
    }

    /// Releases the streams that have had no readers for long. Returns those whose lifetime in
    /// Redis must begin again.
    pub(crate) fn sweep(&self, now: Instant) -> Vec<Arc<Stream>> {
        let mut guard = self.lock();
        let State { streams, todo, .. } = &mut *guard;
        let mut due = Vec::new();
        streams.retain(|_, entry| {
            if entry.is_unused(now) {
                // Under the lock, so that no client is admitted between.
                entry.stream.unload();
                todo.removed.push(Arc::clone(&entry.stream));
                return false;
            }
            if now.saturating_duration_since(entry.prolonged) >= self.lifetime / 4 {
                entry.prolonged = now;
                due.push(Arc::clone(&entry.stream));
            }
            true
        });
        due
    }

    /// Reports what the channels have counted in the last second.
    #[cfg(feature = "metrics")]
    pub(crate) fn report(&self) {
        // Without the lock, because the recorder is the application's code.
        let mut metrics = std::mem::take(&mut *self.lock_metrics());
        metrics.report();
        self.lock_metrics().append(metrics);
    }

    #[cfg(feature = "metrics")]
    fn lock_metrics(&self) -> MutexGuard<'_, lasse_tokio::ChannelMetrics> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Poison is ignored, because no panic can leave a change half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Whether it has had no readers for its idle time.
    fn is_unused(&mut self, now: Instant) -> bool {
        if self.uses > 0 || self.stream.channel.stats().subscribers > 0 {
            self.unused_since = None;
            return false;
        }
        let since = *self.unused_since.get_or_insert(now);
        now.saturating_duration_since(since) >= self.stream.idle_timeout
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.watched.lock().streams.get_mut(self.stream.key()) {
            entry.uses = entry.uses.saturating_sub(1);
        }
    }
}
