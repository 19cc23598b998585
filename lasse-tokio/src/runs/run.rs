//! One run, as its readers and its owner know it.

use std::fmt;
use std::mem;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, HeaderName};
use http::{HeaderValue, Response};
use lasse_core::{Channel, Epoch, Event, EventId, Instant};
use tokio::sync::Notify;

use super::config::LastEvent;
use super::{Registry, RunId, RunLog, RunOutcome, RunWriteError, RunsConfig, report};
use crate::clock::now;

/// One run. A clone is another handle; dropping the handles changes nothing.
#[derive(Clone)]
pub struct Run(Arc<Shared>);

struct Shared {
    id: RunId,
    owner: Box<str>,
    channel: Channel,
    /// None of a run of another node.
    registry: OnceLock<Weak<Registry>>,
    last_event: Arc<LastEvent>,
    started_at: Instant,
    /// If the run is not this node's alone.
    log: Option<Box<dyn RunLog>>,
    state: Mutex<State>,
    /// Notified when the outcome is decided, and when the run is forgotten.
    changed: Notify,
}

#[derive(Default)]
struct State {
    outcome: Option<RunOutcome>,
    /// How many bytes of the channel are counted among those of all runs.
    bytes: usize,
    /// Whether the run is forgotten, and no longer counts.
    is_removed: bool,
}

impl Run {
    pub(super) fn new(id: RunId, owner: &str, registry: &Arc<Registry>) -> Self {
        let run = Self::from_parts(
            id,
            owner,
            Channel::new(&registry.config.channel),
            &registry.config,
            None,
        );
        run.set_registry(registry);
        run
    }

    /// A run whose events and outcome come from a log: see [`RunLog`]. On one node, its producer is
    /// given to [`Runs::adopt`](crate::Runs::adopt).
    pub fn with_log(
        id: RunId,
        owner: &str,
        epoch: Epoch,
        config: &RunsConfig,
        log: impl RunLog + 'static,
    ) -> Self {
        // A client may have read more on another node.
        let channel = Channel::with_epoch(&config.channel.clone().with_shared_epoch(true), epoch);
        Self::from_parts(id, owner, channel, config, Some(Box::new(log)))
    }

    fn from_parts(
        id: RunId,
        owner: &str,
        channel: Channel,
        config: &RunsConfig,
        log: Option<Box<dyn RunLog>>,
    ) -> Self {
        let (owner, last_event) = (owner.into(), Arc::clone(&config.last_event));
        let (registry, state, changed) = (OnceLock::new(), Mutex::default(), Notify::new());
        Self(Arc::new(Shared {
            id,
            owner,
            channel,
            registry,
            last_event,
            started_at: now(),
            log,
            state,
            changed,
        }))
    }

    /// The run belongs to these from now on.
    pub(super) fn set_registry(&self, registry: &Arc<Registry>) {
        self.0.registry.get_or_init(|| Arc::downgrade(registry));
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
    /// nothing if the run has ended. If the run is shared with other nodes, it stops when its log has
    /// taken the stop.
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

    /// Sets the header [`RUN_ID`] of a response, which shows a client that sent a POST where to
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

    /// The owner, as [`Runs::start`](crate::Runs::start) got it.
    pub fn owner(&self) -> &str {
        &self.0.owner
    }

    /// How many handles there are, this one included.
    pub fn handles(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// The time since its start.
    pub(super) fn age(&self) -> Duration {
        now().saturating_duration_since(self.0.started_at)
    }

    pub(super) fn is_running(&self) -> bool {
        self.lock().outcome.is_none()
    }

    /// Asks for this outcome, which a run without a log has then.
    pub(super) fn end(&self, outcome: RunOutcome) {
        match &self.0.log {
            Some(log) => log.end(outcome),
            None => self.decide(outcome),
        }
    }

    /// Publishes an event of the producer.
    pub(super) fn publish(&self, event: &Event<'_>) -> Result<EventId, RunWriteError> {
        match &self.0.log {
            Some(log) => log.append(event.clone().into_owned()),
            None => self.0.channel.publish(event).map_err(|error| match error.ending() {
                Some(_) => RunWriteError::Ended,
                None => RunWriteError::Refused(error),
            }),
        }
    }

    /// Decides the outcome; the first one counts. The run's last event and the end of its channel
    /// come with it, so that no event of the producer's can follow. Only for a [`RunLog`].
    pub fn decide(&self, outcome: RunOutcome) {
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
        if let Some(registry) = self.0.registry.get().and_then(Weak::upgrade) {
            registry.handle_ended(self, &outcome);
        }
        self.0.changed.notify_waiters();
    }

    pub(super) fn is_removed(&self) -> bool {
        self.lock().is_removed
    }

    /// How many bytes the run takes, as far as they are counted.
    pub(super) fn bytes(&self) -> usize {
        let pending = self.0.log.as_ref().map_or(0, |log| log.pending_bytes());
        self.lock().bytes.saturating_add(pending)
    }

    /// Counts the bytes that the channel takes now, in `total` too.
    pub(super) fn count_bytes(&self, total: &AtomicUsize) {
        let bytes = self.0.channel.stats().bytes;
        let mut state = self.lock();
        if state.is_removed {
            return;
        }
        let before = mem::replace(&mut state.bytes, bytes);
        total.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
        drop(state);
        report::bytes(before, bytes);
    }

    /// Counts no bytes any more.
    pub(super) fn remove_bytes(&self, total: &AtomicUsize) {
        let mut state = self.lock();
        state.is_removed = true;
        let before = mem::take(&mut state.bytes);
        total.fetch_sub(before, Ordering::Relaxed);
        drop(state);
        report::bytes(before, 0);
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
