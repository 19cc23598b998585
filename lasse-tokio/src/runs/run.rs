//! One run, as its readers and its owner know it.

use std::fmt;
use std::mem;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, HeaderName};
use http::{HeaderValue, Response};
use lasse_core::Channel;
use tokio::sync::Notify;

use super::config::LastEvent;
use super::{Registry, RunId, RunOutcome};

/// One run. A clone is another handle; to drop the handles changes nothing.
#[derive(Clone)]
pub struct Run(Arc<Shared>);

struct Shared {
    id: RunId,
    owner: Box<str>,
    channel: Channel,
    registry: Weak<Registry>,
    last_event: Arc<LastEvent>,
    state: Mutex<State>,
    /// Notified when the outcome is decided, and when the run is forgotten.
    changed: Notify,
}

#[derive(Default)]
struct State {
    outcome: Option<RunOutcome>,
    /// How many bytes of the channel are counted among those of all runs.
    bytes: usize,
    /// Whether the run is forgotten, and counts no more.
    is_removed: bool,
}

impl Run {
    pub(super) fn new(id: RunId, owner: &str, registry: &Arc<Registry>) -> Self {
        let (owner, channel) = (owner.into(), Channel::new(&registry.config.channel));
        let last_event = Arc::clone(&registry.config.last_event);
        let (registry, state, changed) =
            (Arc::downgrade(registry), Mutex::default(), Notify::new());
        Self(Arc::new(Shared { id, owner, channel, registry, last_event, state, changed }))
    }

    /// The id.
    pub fn id(&self) -> &RunId {
        &self.0.id
    }

    /// The events of the run, to subscribe to. Do not publish here; that is the writer's.
    pub fn channel(&self) -> &Channel {
        &self.0.channel
    }

    /// Stops the run: its producer is dropped, and readers are sent an event named `stopped`. Does
    /// nothing if the run has ended.
    #[doc(alias = "cancel")]
    #[doc(alias = "abort")]
    pub fn stop(&self) {
        self.end(RunOutcome::Stopped);
    }

    /// How the run ended, if it has.
    pub fn outcome(&self) -> Option<RunOutcome> {
        self.lock().outcome.clone()
    }

    /// Returns how the run ended, when it has.
    pub async fn ended(&self) -> RunOutcome {
        self.when(|state| state.outcome.clone()).await
    }

    /// Sets the header [`RUN_ID`] of a response, by which a client that sent a POST learns where to
    /// resume, and lets pages of other origins read it.
    ///
    /// With a layer for CORS, name [`RUN_ID`] among its exposed headers instead: it replaces ours.
    ///
    /// # Examples
    ///
    /// The answer to a POST:
    ///
    /// ```
    /// use lasse_tokio::lasse_core::{Event, StreamConfig};
    /// use lasse_tokio::{Endpoint, RunId, RunWriteError, Runs, RunsConfig, subscribe};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let runs = Runs::new(RunsConfig::new());
    /// let endpoint = Endpoint::new(StreamConfig::new().with_post(true));
    /// let request = http::Request::post("/chat").body(())?;
    /// let run = runs.start(RunId::new("chat-1")?, "ada", async |writer| {
    ///     writer.publish(Event::new("to be"))?;
    ///     Ok::<(), RunWriteError>(())
    /// })?;
    /// let response = run.set_header(subscribe(&request, &endpoint, run.channel()));
    /// assert_eq!(response.headers()["x-run-id"], "chat-1");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn set_header<B>(&self, mut response: Response<B>) -> Response<B> {
        // An id has only bytes that a header may have.
        if let Ok(id) = HeaderValue::from_str(self.id().as_str()) {
            response.headers_mut().insert(RUN_ID, id);
            let exposed = HeaderValue::from_static("x-run-id");
            response.headers_mut().append(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        response
    }

    /// Returns when the run is forgotten.
    pub(super) async fn removed(&self) {
        self.when(|state| state.is_removed.then_some(())).await;
    }

    /// Whether both are handles to the same run.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn owner(&self) -> &str {
        &self.0.owner
    }

    pub(super) fn is_running(&self) -> bool {
        self.lock().outcome.is_none()
    }

    /// Decides the outcome; the first one counts. The run's last event and the end of its channel
    /// come with it, so that no event of the producer's can follow.
    pub(super) fn end(&self, outcome: RunOutcome) {
        let mut state = self.lock();
        if state.outcome.is_some() {
            return;
        }
        state.outcome = Some(outcome.clone());
        drop(state);
        let last = (self.0.last_event)(&outcome);
        // If the channel has ended, there is nothing left to send.
        let _ = last.map(|event| self.0.channel.finish_with(&event));
        self.0.channel.finish();
        if let Some(registry) = self.0.registry.upgrade() {
            registry.handle_ended(self);
        }
        self.0.changed.notify_waiters();
    }

    pub(super) fn is_removed(&self) -> bool {
        self.lock().is_removed
    }

    /// How many bytes the run takes, as far as they are counted.
    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Counts the bytes that the channel takes now, in `total` too.
    pub(super) fn count_bytes(&self, total: &AtomicUsize) {
        let bytes = self.0.channel.stats().bytes;
        let mut state = self.lock();
        if !state.is_removed {
            let before = mem::replace(&mut state.bytes, bytes);
            total.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
        }
    }

    /// Counts no bytes any more.
    pub(super) fn remove_bytes(&self, total: &AtomicUsize) {
        let mut state = self.lock();
        state.is_removed = true;
        total.fetch_sub(mem::take(&mut state.bytes), Ordering::Relaxed);
        drop(state);
        self.0.changed.notify_waiters();
    }

    /// Returns what `find` finds in the state, when it does.
    async fn when<T>(&self, find: impl Fn(&State) -> Option<T>) -> T {
        loop {
            let mut changed = pin!(self.0.changed.notified());
            changed.as_mut().enable();
            let found = find(&self.lock());
            if let Some(found) = found {
                return found;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { id, .. } = &*self.0;
        f.debug_struct("Run")
            .field("id", id)
            .field("outcome", &self.outcome())
            .finish_non_exhaustive()
    }
}

/// The header that carries the id of a run: `x-run-id`.
pub const RUN_ID: HeaderName = HeaderName::from_static("x-run-id");
