//! A gate whose streams are ended, limited and listed on all nodes.

mod config;
mod error;
mod lease;
mod listing;
mod node;
mod scripts;
mod slots;

use std::sync::Arc;

use lasse_tokio::{Gate, StreamHandle};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::backplane::{Backplane, ChannelError};
use crate::error::PublishError;
use crate::report::{self, Admission};

pub use config::{OutagePolicy, RedisGateConfig};
pub use error::AdmitError;
pub use listing::{ClusterStream, ClusterStreams};
use node::{END, Node, escaped};
use slots::SlotId;

/// A [`Gate`] whose streams are ended, limited and listed on all nodes.
///
/// Each node opens one with the same name, and gives its [`local`](Self::local) gate to its
/// endpoints or its server. A call that ends streams on one node ends them on all: the nodes read a
/// stream of Redis, so that a node without a connection reads later what it has missed.
///
/// | what happens | what the node does |
/// |---|---|
/// | Redis is away | open streams stay; [`OutagePolicy`] decides whether new ones are admitted |
/// | the node was away, and Redis has all that it missed | it ends what must end |
/// | the node was away for so long that entries are lost, or Redis has lost data | it sends all its streams with tags [to reconnect](Gate::reconnect_where), so that each is checked again |
/// | a node is killed | its streams count for no limit after the [lease](RedisGateConfig::with_lease) |
///
/// A clone is another handle. The tasks stop with the last one.
///
/// # Examples
///
/// Three streams for each user, on all nodes together, of which the newest win; and signing out:
///
/// ```
/// use lasse_core::{RequestHead, StreamConfig};
/// use lasse_hyper::{ChannelBody, Endpoint, Gate, GateConfig, KeyLimitPolicy, refuse, subscribe};
/// use lasse_redis::{Backplane, ChannelError, PublishError, RedisGate, RedisGateConfig};
///
/// fn user(request: &RequestHead<'_>) -> Option<String> {
///     // A real application looks the session up.
///     request.headers().get("x-user")?.to_str().ok().map(str::to_owned)
/// }
///
/// fn gate(backplane: &Backplane) -> Result<RedisGate, ChannelError> {
///     let local = Gate::new(GateConfig::new().with_tags(|request| user(request)));
///     let config = RedisGateConfig::new()
///         .with_limit_per_key(3)
///         .with_key_limit_policy(KeyLimitPolicy::ReplaceOldest);
///     RedisGate::open(backplane, "gate", &local, config)
/// }
///
/// async fn answer<B>(
///     gate: &RedisGate,
///     endpoint: &Endpoint, // with_gate(gate.local())
///     news: &lasse_core::Channel,
///     mut request: http::Request<B>,
/// ) -> http::Response<ChannelBody> {
///     let user = user(&RequestHead::from(&request)).unwrap_or_default();
///     match gate.admit(&user).await {
///         Ok(handle) => request.extensions_mut().insert(handle),
///         Err(error) => return refuse(&request, endpoint, error.into()),
///     };
///     subscribe(&request, endpoint, news)
/// }
///
/// async fn sign_out(gate: &RedisGate, user: &str) -> Result<(), PublishError> {
///     // First end the session, in the application's store.
///     gate.end_tag(user).await
/// }
/// ```
#[derive(Clone, Debug)]
pub struct RedisGate(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    node: Arc<Node>,
    tasks: [AbortHandle; 2],
}

impl RedisGate {
    /// Takes part in the gate `name`, which is a key of Redis, with the streams of `gate`.
    ///
    /// # Errors
    ///
    /// If the name cannot be the key of a stream, or if the backplane has too many channels: the gate
    /// takes the place of one.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn open(
        backplane: &Backplane,
        name: &str,
        gate: &Gate,
        config: RedisGateConfig,
    ) -> Result<Self, ChannelError> {
        let node = Arc::new(Node::open(backplane, name, gate, config)?);
        let follow = tokio::spawn(Arc::clone(&node).follow()).abort_handle();
        let lease = tokio::spawn(Arc::clone(&node).keep_lease()).abort_handle();
        Ok(Self(Arc::new(Handle { node, tasks: [follow, lease] })))
    }

    /// The gate of this node, for its endpoints or its server.
    pub fn local(&self) -> &Gate {
        &self.0.node.gate
    }

    /// Returns when the node reads what other nodes end. Streams with tags that were opened before
    /// are sent to reconnect at that time, so a server should listen afterwards.
    pub async fn ready(&self) {
        self.0.node.ready().await;
    }

    /// Counts one more stream of `key`, such as a user, on all nodes. Put the handle into the
    /// extensions of the request; the stream is counted until it closes. If it replaces the oldest,
    /// that ends when this one opens, within a second on any node.
    ///
    /// # Errors
    ///
    /// If there are as many streams with this key as the limit allows, and the newest must yield; or
    /// if Redis does not answer, and [`OutagePolicy::Refuse`] is set. Each converts into a
    /// [`Refusal`](lasse_core::Refusal).
    pub async fn admit(&self, key: &str) -> Result<StreamHandle, AdmitError> {
        let admitted = self.try_admit(key).await;
        report::admitted(match &admitted {
            Ok((_, admission)) => *admission,
            Err(AdmitError::TooManyStreams(_)) => Admission::TooMany,
            Err(AdmitError::NotReachable(..)) => Admission::NotReachable,
        });
        admitted.map(|(handle, _)| handle)
    }

    async fn try_admit(&self, key: &str) -> Result<(StreamHandle, Admission), AdmitError> {
        let node = &self.0.node;
        let (slot, handle) = node.slots.insert(key);
        match timeout(node.config.timeout, node.admit(slot)).await {
            Ok(Ok(true)) => Ok((handle, Admission::Admitted)),
            Ok(Ok(false)) => Err(AdmitError::TooManyStreams(node.config.client_retry())),
            Ok(Err(failure)) => self.admit_without_redis(slot, handle, failure.to_string()),
            Err(_) => {
                let problem = format!("there was no answer within {:?}", node.config.timeout);
                self.admit_without_redis(slot, handle, problem)
            }
        }
    }

    fn admit_without_redis(
        &self,
        slot: SlotId,
        handle: StreamHandle,
        problem: String,
    ) -> Result<(StreamHandle, Admission), AdmitError> {
        let Node { config, slots, .. } = &*self.0.node;
        if config.outage == OutagePolicy::Refuse {
            return Err(AdmitError::NotReachable(problem, config.outage_retry()));
        }
        let is_full = slots.len_of_key(slot) > config.limit;
        if is_full && !config.replaces_oldest() || config.limit == 0 {
            return Err(AdmitError::TooManyStreams(config.client_retry()));
        }
        slots.admit_locally(slot);
        Ok((handle, Admission::Local))
    }

    /// Ends the streams with this [tag](lasse_tokio::GateConfig::with_tags) on all nodes, as
    /// [`Gate::end_where`] does on one: on this node at once, on others when their readers have read
    /// it. To sign a user out, first invalidate the session, then call this.
    ///
    /// # Errors
    ///
    /// If the message to the other nodes was not sent, or may not have been sent. Then repeat the
    /// call: it does nothing to streams that have ended.
    #[doc(alias("kick", "revoke", "disconnect", "sign out"))]
    pub async fn end_tag(&self, tag: &str) -> Result<(), PublishError> {
        let node = &self.0.node;
        node.gate.end_where(|stream| stream.has_tag(tag));
        node.publish(END, escaped(tag)).await
    }

    /// The open streams with this tag on all nodes. Each node is asked; one that does not answer in
    /// time is missing, and [`ClusterStreams::is_complete`] is then `false`.
    ///
    /// # Errors
    ///
    /// If Redis does not answer.
    #[doc(alias("presence", "connections"))]
    pub async fn streams(&self, tag: &str) -> Result<ClusterStreams, PublishError> {
        self.0.node.list(tag).await
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}
